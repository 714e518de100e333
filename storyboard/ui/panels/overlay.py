"""A part of the page that lies over the board until it is closed: the film, the stories, the model, the keys."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ..desk import QUIET, Desk, Place, View, Window
from .panel import Page, Panel, Updates


class Overlay(Panel):
    """`name` is what it is called on the page and by `Window.open`; its components are laid out by `fill`.

    What makes it a modal dialog for keyboards and screen readers is static/overlays.js.
    """

    name, over = "", True
    wide = False  # as the film

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column(
            visible=False,
            elem_id=f"over-{self.name}",
            elem_classes=["overlay", self.name.lower(), "film" if self.wide else ""],
        ) as self.box:
            with gr.Row(elem_classes="overlay-head"):
                gr.Markdown(f"## {self.name}")
                self.close = gr.Button("Close", size="sm", elem_classes=["sign", "close"])
            self.fill()

    @abstractmethod
    def fill(self) -> None:
        """Lays out its components."""

    @abstractmethod
    def paint_open(self, view: View) -> Updates:
        """What its components show while it is open."""

    def paint(self, view: View) -> Updates:
        is_open = view.window.open == self.name
        return {self.box: {"visible": is_open}} | (self.paint_open(view) if is_open else {})

    def shown(self) -> list[Block]:
        """The box last: the browser sets one after another, and who sees the box may type in what is in it."""
        return [part for part in super().shown() if part is not self.box] + [self.box]

    def opens(self, page: Page, *buttons: gr.Button) -> None:
        """These buttons bring it up."""

        def turn(name: str) -> Any:
            def turned(place: Place, window: Window, drafts: Any) -> Updates:
                window.open = name
                return page.repaint(place, window, drafts)

            return turned

        closers: Sequence[tuple[gr.Button, str]] = [(self.close, ""), *((button, self.name) for button in buttons)]
        for button, name in closers:
            button.click(turn(name), page.looking, page.shown, **QUIET)
