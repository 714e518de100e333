"""What this is, said over a sample story for as long as nobody has changed it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import gradio as gr

from ...desk import QUIET, Desk, Place, View, news
from ..panel import Page, Panel, Updates

WHAT = (
    "**A storyboard that remembers.** Write one scene after another: whoever a later scene names again looks as they "
    "did, and so does the place. This story is a sample."
)


class Welcome(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Row(visible=False, elem_classes=["acts", "welcome"]) as self.box:
            gr.Markdown(WHAT)
            self.play = gr.Button("Play its film", variant="primary", size="sm")  # the film's panel listens to it
            self.begin = gr.Button("Write a story of your own", size="sm")

    @cached_property
    def _titles(self) -> frozenset[str]:
        found = self.desk.studio.samples("0" * 32)["samples"]
        return frozenset(sample["title"] for sample in found)

    def paint(self, view: View) -> Updates:
        untouched = not (view.story["can_undo"] or view.story["can_redo"])
        return {self.box: {"visible": untouched and view.story["title"] in self._titles}}

    def wire(self, page: Page) -> None:
        def begin(place: Place) -> Any:
            reply = self.desk.answer({"verb": "new_story", "owner": place.owner})
            return gr.update(news=news({**reply, "story": None, "open": reply.get("story")}))

        self.begin.click(begin, page.board, page.board, **QUIET)
