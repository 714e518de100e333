"""The words that the model knows: a click puts one into the prompt that was written in last."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipeline.language.vocabulary import GROUPS, grouped

from ...desk import QUIET, Desk, View, news
from ..panel import Page, Panel, Updates, chips


class Palette(Panel):
    """Only where the model names its words: of others, nobody knows."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Accordion("Words the model knows", open=False, visible=False, elem_classes="palette") as self.box:
            self._groups = {group: _shelf(group) for group in GROUPS}

    def shown(self) -> list[Any]:
        return [self.box, *self._groups.values()]

    def paint(self, view: View) -> Updates:
        found = grouped(self.desk.studio.vocabulary)
        words = {
            shelf: chips(found.get(group, [])) | {"visible": group in found} for group, shelf in self._groups.items()
        }
        return {self.box: {"visible": bool(found)}, **words}

    def wire(self, page: Page) -> None:
        def insert(sample: list[str]) -> Any:
            return gr.update(news=news({"insert": sample[0]}))

        for shelf in self._groups.values():
            shelf.click(insert, shelf, page.board, **(QUIET | {"trigger_mode": "multiple"}))


def _shelf(group: str) -> gr.Dataset:
    return gr.Dataset(
        components=[gr.Textbox(visible=False)], samples=[], label=group.capitalize(), layout="gallery",
        samples_per_page=500, visible=False, elem_classes="chips",
    )  # fmt: skip
