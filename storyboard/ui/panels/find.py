"""The Find tab: where in the film something is, with its box over the moving clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from ..components.media import Shots
from ..components.words import Words
from ..desk import QUIET, SLOW, Desk, Place, View, Window, news
from ..wording import counted
from .panel import Page, Panel, Updates

EXPLAIN = (
    "Looks through the chosen takes for a figure, what it wears and what it does: *the girl in the red coat*, *the "
    "robot waving*, *the cat left of the dog*. A name narrows it to the scenes that say it."
)


LOOKING = "Looking through the film …"


class Find(Panel):
    tab = "find"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.explain = Words(EXPLAIN, spoken=False, elem_classes="quietly")
        with gr.Row(elem_classes=["acts", "sought"]):
            self.words = gr.Textbox(
                label="What to look for", placeholder="the robot waving", max_length=200, max_lines=1, scale=1
            )
            self.go = gr.Button("Find", size="sm")
        self.told = Words(elem_classes="summary")
        self.hits = Shots(
            label="Where it is", show_label=False, columns=2, allow_preview=False, object_fit="cover", height="auto",
            container=False, buttons=[], fit_columns=False, visible=False, elem_classes=["shots", "found"],
        )  # fmt: skip

    def paint(self, view: View) -> Updates:
        found = view.window.found if view.window.found_in == view.place.story else None
        hits = found["hits"] if found and found["ok"] else []
        shown = [hit for hit in hits if hit["preview"]]
        return {
            self.told: {"value": _told(found) if found else ""},
            self.hits: {"value": [(hit["preview"], _caption(hit)) for hit in shown], "visible": bool(shown)},
        }

    def wire(self, page: Page) -> None:
        def find(place: Place, window: Window, drafts: Any, words: str) -> Iterator[Updates]:
            window.found = None
            if words.strip():
                window.shown[self.told._id] = {"value": LOOKING}
                yield {self.told: gr.update(value=LOOKING)}
                window.found, window.found_in = self.desk.ask("find", place, words=words), place.story
            yield page.repaint(place, window, drafts)

        def go(window: Window, event: gr.SelectData) -> Any:
            hits = window.found["hits"] if window.found and window.found["ok"] else []
            known = isinstance(event.index, int) and event.index < len(hits)
            return gr.update(news=news({"select": hits[event.index]["scene"]})) if known else gr.skip()

        gr.on([self.words.submit, self.go.click], find, [*page.looking, self.words], page.shown, **SLOW)
        self.hits.select(go, page.window, page.board, **QUIET)


def _told(found: Mapping[str, Any]) -> str:
    if not found["ok"]:
        return str(found["error"])
    scenes = len({hit["scene"] for hit in found["hits"]})
    return f"Found in {counted(scenes, 'scene')}" if scenes else "It is not there, as far as can be seen."


def _caption(hit: Mapping[str, Any]) -> str:
    return f"Scene {hit['number']} · {hit['start']:.1f} to {hit['end']:.1f} s · {hit['score']:.0%} sure"
