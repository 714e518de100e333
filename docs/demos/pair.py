"""Two clips that play in step, alone: `python docs/demos/pair.py film.mp4 other.mp4`."""

import sys
from pathlib import Path

import gradio as gr
from starlette.responses import FileResponse
from starlette.routing import Route

from storyboard.ui.components.pair import Pair, Side
from storyboard.ui.components.scripts import launch_options

CLIPS = [Path(name).resolve() for name in sys.argv[1:3]]
sides = tuple(Side(f"clip/{i}", path.name, num_frames=16, frames_per_second=8) for i, path in enumerate(CLIPS))


def stopped(event: gr.EventData) -> int:
    return int(event.frame)


with gr.Blocks() as demo, gr.Column(elem_classes="tl"), gr.Column(elem_classes="side"):
    pair = Pair(sides, difference=True)
    frame = gr.Number(label="Stopped at frame")
    pair.frame(stopped, None, frame, trigger_mode="always_last")

if __name__ == "__main__":
    demo.launch(**launch_options(Route("/clip/{i:int}", lambda asked: FileResponse(CLIPS[asked.path_params["i"]]))))
