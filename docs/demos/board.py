"""The board, alone over a studio: `python docs/demos/board.py`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
from starlette.routing import Route

from storyboard.rendering.model_choice import Choice
from storyboard.studio import Studio
from storyboard.ui.components.board import Board
from storyboard.ui.components.scripts import launch_options
from storyboard.ui.desk import Desk
from storyboard.ui.page import serve_media

choice, folder = Choice(), TemporaryDirectory()
studio = Studio(choice.load, Path(folder.name), choice.digest())
desk = Desk(studio)


def call(message: Any) -> Any:
    """What the board asks."""
    return desk.answer(message)


with gr.Blocks() as demo, gr.Column(elem_classes="tl"):
    board, chosen = Board(call, desk.served), gr.Textbox(label="Chosen scene")
    board.look(lambda place: place.scene, board, chosen, trigger_mode="always_last")

if __name__ == "__main__":
    demo.launch(**launch_options(Route("/media/{name}", lambda asked: serve_media(studio, asked))))
