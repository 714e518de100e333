"""The guidance sheet: short renders of the scene with other weights, each with its scores; a click takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from ..components.media import Shots
from ..components.words import Words
from ..desk import QUIET, SAVED_FIRST, Desk, Place, View, Window, news
from ..wording import counted
from .panel import Page, Panel, Updates

TEXT, HISTORY = (0, 1, 2, 3, 4, 5, 6, 8, 10), (0, 0.5, 1, 2, 3, 4, 6, 8)  # weights that are offered
FEW_TEXT, FEW_HISTORY = [1, 3, 6], [0, 3, 6]  # and those that are chosen at first
SCORES = ("prompt", "consistency", "motion")
LEGEND = (
    "Each picture: how well it shows its prompt, how well it agrees with what it remembers, and how much moves. "
    "Choose one to take its weights."
)
BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3 2'/%3E"
OVER = ("done", "failed", "cancelled")


class Sheet(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column(elem_classes=["group", "sheet"]):
            gr.Markdown("### Guidance sheet")
            gr.Markdown("Short renders from one seed with each pair of weights.", elem_classes="quietly")
            self.text = gr.CheckboxGroup(_choices(TEXT), value=FEW_TEXT, label="Text guidance (w1)")
            self.history = gr.CheckboxGroup(_choices(HISTORY), value=FEW_HISTORY, label="History guidance (w2)")
            with gr.Row(elem_classes="acts"):
                self.start = gr.Button("Render the sheet", variant="primary", size="sm")
                self.stop = gr.Button("Cancel the sheet", size="sm", visible=False)
                self.line = Words(elem_classes="making-line")
            self.grid = Shots(
                label="Sheet", show_label=False, columns=3, allow_preview=False, object_fit="cover", height="auto",
                container=False, buttons=[], fit_columns=False, visible=False, elem_classes=["shots", "cells"],
            )  # fmt: skip
            self.legend = Words(spoken=False, elem_classes="quietly")

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        guidance, cells = view.scene["guidance"], self._cells(view.place)
        done = sum(cell["state"] in OVER for cell in cells)
        failed = next((cell["error"] for cell in cells if cell["state"] == "failed"), None)
        active = done < len(cells)
        told = f"Failed: {failed}" if failed else f"{done} of {len(cells)} rendered" if active else ""
        return {
            **self._offered(view, self.text, TEXT, guidance["text"]),
            **self._offered(view, self.history, HISTORY, guidance["history"]),
            self.start: {"interactive": not active and bool(view.scene["prompt"].strip())},
            self.stop: {"visible": active},
            self.line: {"value": told},
            self.grid: {
                "value": [(cell.get("preview") or BLANK, _caption(cell, guidance)) for cell in cells],
                "columns": max(1, len({cell["w1"] for cell in cells})), "visible": bool(cells),
            },
            self.legend: {"value": LEGEND if cells else ""},
        }  # fmt: skip

    def _offered(self, view: View, axis: gr.CheckboxGroup, usual: Sequence[float], own: float) -> Updates:
        """The weights to choose from, the scene's own among them. Nothing while they are the usual ones: other choices
        would take away what somebody has ticked meanwhile."""
        known = axis._id in view.window.shown
        return {axis: {"choices": _choices({*usual, own})}} if known or own not in usual else {}

    def _cells(self, place: Place) -> list[Mapping[str, Any]]:
        """Of the scene's last sheet, a row for every w2."""
        trials = self.desk.ask("trials_of", place, scene=place.scene).get("trials", [])
        last = next((trial["sheet"] for trial in reversed(trials) if trial["sheet"]), None)
        return [trial for trial in trials if last and trial["sheet"] == last]

    def wire(self, page: Page) -> None:
        def start(place: Place, window: Window, drafts: Any, w1: list[float], w2: list[float]) -> Updates:
            weights = [sorted(float(weight) for weight in axis) for axis in (w1, w2)]
            reply = self.desk.ask("sheet", place, scene=place.scene, w1=weights[0], w2=weights[1])
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news(reply))}

        def say(w1: list[float], w2: list[float]) -> Any:
            count, most = len(w1) * len(w2), self.desk.served["most"]["cells"]
            told = f"{count} are too many: at most {most}" if count > most else counted(count, "short render")
            return gr.update(value=told if count else "Choose a value of each")

        def stop(place: Place) -> Any:
            ids = [cell["id"] for cell in self._cells(place)]
            return gr.update(news=news(self.desk.ask("cancel_trials", place, ids=ids)))

        def take(place: Place, event: gr.SelectData) -> Any:
            cells = self._cells(place)
            if event.index >= len(cells) or cells[event.index]["state"] != "done":
                return gr.skip()
            weights = {"text": cells[event.index]["w1"], "history": cells[event.index]["w2"]}
            return gr.update(news=news(self.desk.edit_scene(place, {"guidance": weights})))

        self.start.click(start, [*page.looking, self.text, self.history], page.shown, js=SAVED_FIRST, **QUIET)
        self.stop.click(stop, page.board, page.board, **QUIET)
        self.grid.select(take, page.board, page.board, **QUIET)
        for axis in (self.text, self.history):
            axis.input(say, [self.text, self.history], self.line, **QUIET)


def _choices(weights: Sequence[float] | set[float]) -> list[tuple[str, float]]:
    return [(f"{weight:g}", float(weight)) for weight in sorted(weights)]


def _caption(cell: Mapping[str, Any], guidance: Mapping[str, Any]) -> str:
    weights = f"w1 {cell['w1']:g} · w2 {cell['w2']:g}"
    now = ", in use" if (cell["w1"], cell["w2"]) == (guidance["text"], guidance["history"]) else ""
    if cell["state"] != "done":
        return f"{weights}: {'waiting' if cell['state'] == 'queued' else cell['state']}"
    return f"{weights}{now}: " + ", ".join(f"{name} {cell[name]:.2f}" for name in SCORES)
