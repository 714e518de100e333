"""Words of earlier prompts, alone: `python docs/demos/remembers.py`. Choose a word, or press P, M or F on it."""

import gradio as gr

from storyboard.ui.components.remembers import FILTER, Past, Remembers, Word
from storyboard.ui.components.scripts import launch_options


def past(how: str = FILTER) -> list[Past]:
    coat = Word("coat", 11, {"pinned": "kept pinned", "muted": "muted"}.get(how, "kept"), "Kept: same word", 0.9, how)
    words = [Word("Mia in a "), Word("red", 7, "kept", "Kept with “coat”", 0.7), Word(" "), coat, Word(" runs.")]
    return [Past("first", 1, words, kept=True)]


def rule(event: gr.EventData) -> tuple[list[Past], str]:
    return past(event.how), f"{event.how}: word at {event.start} of scene {event.scene}"


with gr.Blocks() as demo, gr.Column(elem_classes="tl"), gr.Column(elem_classes="side"):
    remembers, told = Remembers(past()), gr.Textbox(label="What was done")
    remembers.rule(rule, None, [remembers, told], trigger_mode="multiple")

if __name__ == "__main__":
    demo.launch(**launch_options())
