"""How an entry holds over the story: what each scene that names it shows, held against its picture.

Painting shows what is measured already. Measuring, which loads a model, begins with a click.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
import pandas as pd  # type: ignore[import-untyped]  # what Gradio plots

from ...components.words import Words
from ...desk import SLOW, Desk, Place, View, Window
from ..panel import Page, Panel, Updates
from .reading import cast_of

TURN = 1.0  # seconds between two looks at how far measuring is
MOST_TOLD = 12  # scenes that are told one by one


class Holds(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column():
            gr.Markdown("### How it holds")
            self.plot = gr.LinePlot(
                x="scene", y="percent", title="How far each scene agrees with its picture", x_title="Scene",
                y_title="%", y_lim=[0, 100], height=180, buttons=[], visible=False, elem_classes="entry-line",
            )  # fmt: skip
            self.line = Words(elem_classes=["quietly", "holds"])
            self.measure = gr.Button("Measure", size="sm", elem_classes="lone")

    def paint(self, view: View) -> Updates:
        _, entry = cast_of(self.desk, view)
        if not entry:
            return {}
        reply = self.desk.ask("cast_meter", view.place, entry=entry["id"], measure=False)
        told: Mapping[str, Any] = reply["meter"] if reply["ok"] else {"scenes": [], "pending": 0}
        seen = [one for one in told["scenes"] if one["similarity"] is not None]
        points = [(str(one["number"]), 100 * one["similarity"]) for one in seen]  # text: no numbers between scenes
        painted: Updates = {
            self.measure: {"visible": told["pending"] > 0},
            self.line: {"value": _said(told) if reply["ok"] else reply["error"]},
            self.plot: {"visible": len(points) > 1},
        }
        if len(points) > 1:
            painted[self.plot]["value"] = pd.DataFrame(points, columns=["scene", "percent"])
        return painted

    def wire(self, page: Page) -> None:
        def measure(place: Place, window: Window) -> Iterator[Any]:
            view = self.desk.look(place, window)
            entry = cast_of(self.desk, view)[1] if view else None
            left = 1 if entry else 0
            while entry and left:
                reply = self.desk.ask("cast_meter", place, entry=entry["id"], patience=TURN)
                left = reply["meter"]["pending"] if reply["ok"] else 0
                told = f"Measuring: {left} to go …" if left else reply.get("error", "")
                window.shown[self.line._id] = {"value": told}
                yield told
            if not entry:
                yield gr.skip()

        heard = self.measure.click(measure, [page.board, page.window], self.line, trigger_mode="once", **SLOW)
        heard.then(page.repaint, page.looking, page.shown, show_progress="hidden", api_visibility="private")


def _said(told: Mapping[str, Any]) -> str:
    scenes, pending = told["scenes"], told["pending"]
    gone = [str(one["number"]) for one in scenes if one["similarity"] is None]
    apart = [str(one["number"]) for one in scenes if one["last_seen"]]
    seen = [one for one in scenes if one["similarity"] is not None]
    parts = [
        told["nothing"],
        _figures(seen, told["mean"]) if seen else "",
        f"Not to be seen in scene {', '.join(gone)}." if gone else "",
        f"Shown as last seen, not as in its picture: scene {', '.join(apart)}." if apart else "",
        f"{pending} not measured yet." if pending and scenes else "",
        *told["notes"],
    ]
    return " ".join(part for part in parts if part)


def _figures(seen: list[Mapping[str, Any]], mean: float) -> str:
    """In words what the plot shows."""
    average = f"{100 * mean:.0f}% as in its picture"
    if len(seen) > MOST_TOLD:
        least = min(seen, key=lambda one: one["similarity"])
        return f"{average} on average, least in scene {least['number']}: {100 * least['similarity']:.0f}%."
    if len(seen) == 1:
        return f"{average}, in scene {seen[0]['number']}."
    each = ", ".join(f"scene {one['number']} {100 * one['similarity']:.0f}%" for one in seen)
    return f"{average} on average: {each}."
