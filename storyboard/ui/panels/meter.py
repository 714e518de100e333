"""The Meter tab: whether what recurs looks as it did, in the chosen scene and along the whole story."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
import pandas as pd  # type: ignore[import-untyped]  # what Gradio plots

from ..components.words import Words
from ..desk import QUIET, Desk, Place, View, news
from .panel import Page, Panel, Updates

NOTHING = (
    "Nothing to measure yet. Render some scenes: then this tells whether people, things and places look as they did."
)
NOT_MEASURED = "This scene is not measured: it needs a prompt and a take."
SEEN_BEFORE = "Nothing in it was seen before."
NO_MORE = "A scene is worth no more than the weakest of its figures."
LEGEND = (
    "How much of its looks each mention has kept since it was first seen, in percent. ● seen for the first time, "
    "× not to be seen."
)
LINES = {"contrast": "Contrast", "saturation": "Saturation", "sharpness": "Sharpness"}
OF_SCENE = ["What", "There", "As first seen", "As last seen"]
AGAIN = "Look at these again"
WIDE, NARROW = "104px", "46px"  # columns
PATIENCE = 0.05  # seconds that painting waits for measurements
POOR, LITTLE_PROMPT, STILL = 0.35, 0.5, 0.34  # below this it is marked
WEAK = "color: var(--body-text-color); background: color-mix(in srgb, var(--primary-500) 26%, transparent)"


class Meter(Panel):
    tab = "meter"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.status = Words(elem_classes="quietly")
        self.nothing = Words(elem_classes="nothing-box")
        with gr.Column(elem_classes=["group", "first", "of-scene"]) as self.own:
            gr.Markdown("### This scene")
            self.sum = Words(elem_classes="sum")
            self.mentions = _table(OF_SCENE, "What it shows", "mentions")
        with gr.Column(elem_classes=["group", "of-story"]) as self.whole:
            gr.Markdown("### The whole story")
            self.warnings = _table([AGAIN], AGAIN, "warnings")
            self.fine = Words("Nothing stands out.", elem_classes="quietly")
            self.grid = _table(["What"], "Scene by scene", "story-meter")
            gr.Markdown(LEGEND, elem_classes="quietly")
            self.lines = gr.LinePlot(
                x="scene", y="percent", color="of", title="Beside what is usual here", color_title="Measure",
                height=200, x_title="Scene", y_title="% of the usual", buttons=[], elem_classes="drift",
            )  # fmt: skip

    # --- what it shows

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        some = any(scene["chosen"] and scene["prompt"].strip() for scene in view.story["scenes"])
        report = self._report(view.place) if some else NO_REPORT
        view.window.measuring = report["pending"] > 0
        own = next((scene for scene in report["scenes"] if scene["scene"] == view.place.scene), None)
        nothing = NOTHING if not some else "" if own or report["pending"] else NOT_MEASURED
        return {
            self.status: {"value": _said(report) if some else ""},
            self.nothing: {"value": nothing},
            self.own: {"visible": own is not None},
            self.whole: {"visible": bool(report["scenes"])},
            **(self._of_scene(own) if own else {}),
            **(self._of_story(report) if report["scenes"] else {}),
        }

    def busy(self, view: View) -> bool:
        """Whether something was still to be measured when it was painted."""
        return view.window.measuring

    def _report(self, place: Place) -> Mapping[str, Any]:
        reply = self.desk.ask("meter", place, patience=PATIENCE)
        return {**NO_REPORT, **(reply["meter"] if reply["ok"] else {"failed": reply["error"]})}

    def _of_scene(self, scene: Mapping[str, Any]) -> Updates:
        held = scene["held"]
        told = SEEN_BEFORE if held is None else f"{_percent(held)} held. {NO_MORE}"
        rows, weak = _scene_rows(scene)
        return {
            self.sum: {"value": told},
            self.mentions: {"value": _styled(OF_SCENE, rows, weak), "column_widths": ["31%", "21%", "24%", "24%"]},
        }

    def _of_story(self, report: Mapping[str, Any]) -> Updates:
        scenes, told = report["scenes"], _warned(report)
        rows, weak = _story_rows(report)
        return {
            self.warnings: {"value": {"headers": [AGAIN], "data": [[words] for _, words in told]},
                            "visible": bool(told)},
            self.fine: {"visible": not told and not report["pending"]},
            self.grid: {"value": _styled(["What", *(str(scene["number"]) for scene in scenes)], rows, weak),
                        "column_widths": [WIDE, *(NARROW for _ in scenes)]},
            self.lines: {"value": _drift(scenes)},
        }  # fmt: skip

    # --- what it does

    def wire(self, page: Page) -> None:
        def go(scene: str | None) -> Any:
            return gr.update(news=news({"select": scene})) if scene else gr.skip()

        def to_column(place: Place, event: gr.SelectData) -> Any:
            column, scenes = event.index[1], self._report(place)["scenes"]
            return go(scenes[column - 1]["scene"] if 0 < column <= len(scenes) else None)

        def to_past(place: Place, event: gr.SelectData) -> Any:
            row, column = event.index
            own = next((each for each in self._report(place)["scenes"] if each["scene"] == place.scene), None)
            mentions = own["mentions"] if own else []
            seen = mentions[row][("first", "last")[column - 2]] if row < len(mentions) and column >= 2 else None
            return go(seen["scene"] if seen else None)

        def to_warned(place: Place, event: gr.SelectData) -> Any:
            told, index = _warned(self._report(place)), event.index[0]
            return go(told[index][0] if index < len(told) else None)

        self.grid.select(to_column, page.board, page.board, **QUIET)
        self.mentions.select(to_past, page.board, page.board, **QUIET)
        self.warnings.select(to_warned, page.board, page.board, **QUIET)


NO_REPORT: dict[str, Any] = {"scenes": [], "threads": [], "warnings": [], "notes": [], "pending": 0, "failed": ""}


def _table(headers: list[str], label: str, name: str) -> gr.Dataframe:
    return gr.Dataframe(
        headers=headers, datatype="str", interactive=False, wrap=True, show_label=False, label=label, buttons=[],
        elem_classes=["meter-table", name],
    )  # fmt: skip


def _styled(headers: Sequence[str], rows: Sequence[Sequence[str]], weak: Sequence[Sequence[bool]]) -> dict[str, Any]:
    """A table's value, with weak figures marked."""
    styling = [[WEAK if marked else "" for marked in line] for line in weak]
    return {"headers": list(headers), "data": [list(row) for row in rows], "metadata": {"styling": styling}}


def _scene_rows(scene: Mapping[str, Any]) -> tuple[list[list[str]], list[list[bool]]]:
    rows, weak = list[list[str]](), list[list[bool]]()
    for mention in scene["mentions"]:
        first, last = mention["first"], mention["last"]
        last = last if last and first and last["scene"] != first["scene"] else None
        there = _percent(mention["presence"]) if first or not mention["present"] else "new here"
        there = there if mention["present"] else "not to be seen"
        rows.append([mention["text"], there, _seen(first) + _changed(mention), _seen(last)])
        weak.append([False, not mention["present"], _is_poor(first) or bool(mention["changed"]), _is_poor(last)])
    if scene["prompt"] is not None:
        rows.append(["Shows its prompt", _percent(scene["prompt"]), "", ""])
        weak.append([False, scene["prompt"] < LITTLE_PROMPT, False, False])
    moves = _percent(scene["moves"]) if scene["moves"] < 1 else f"by {scene['motion']:.1f}"
    rows.append(["Moves", moves, "", ""])
    weak.append([False, scene["moves"] < STILL, False, False])
    return rows, weak


def _story_rows(report: Mapping[str, Any]) -> tuple[list[list[str]], list[list[bool]]]:
    """A row for every thread, then the prompt's and the motion's; a column for every scene after the name's."""
    scenes, rows, weak = report["scenes"], list[list[str]](), list[list[bool]]()
    for number, thread in enumerate(report["threads"]):
        found = [next((m for m in scene["mentions"] if m["thread"] == number), None) for scene in scenes]
        rows.append([thread["text"], *(_cell(mention) for mention in found)])
        weak.append([False, *(_is_poor(mention["first"] if mention else None) for mention in found)])
    for name, figure, least in (("Prompt", "prompt", LITTLE_PROMPT), ("Motion", "moves", STILL)):
        values = [scene[figure] for scene in scenes]
        rows.append([name, *("–" if value is None else f"{100 * value:.0f}" for value in values)])
        weak.append([False, *(value is not None and value < least for value in values)])
    return rows, weak


def _cell(mention: Mapping[str, Any] | None) -> str:
    if not mention:
        return ""
    if not mention["present"]:
        return "×"
    return f"{100 * mention['first']['similarity']:.0f}" if mention["first"] else "●"


def _drift(scenes: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Contrast, saturation and sharpness of every scene, in percent of their medians."""
    lines = []
    for measure, name in LINES.items():
        usual = statistics.median(scene[measure] for scene in scenes) or 1
        lines += [(scene["number"], min(300.0, 100 * scene[measure] / usual), name) for scene in scenes]
    return pd.DataFrame(lines, columns=["scene", "percent", "of"])


def _warned(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of every warning: the id of its scene, and what it says."""
    return [
        (warning["scene"], f"Scene {warning['number']}: {warning['text'].replace('*', '')}.")
        for warning in report["warnings"]
    ]


def _said(report: Mapping[str, Any]) -> str:
    failed = f"It can't be measured: {report['failed']}" if report["failed"] else ""
    left = f"Measuring: {report['pending']} to go …" if report["pending"] else ""
    return " ".join(part for part in (failed, left, *report["notes"]) if part)


def _percent(share: float) -> str:
    return f"{math.floor(100 * share + 0.5)}%"


def _seen(seen: Mapping[str, Any] | None) -> str:
    return f"{_percent(seen['similarity'])} as in scene {seen['number']}" if seen else ""


def _changed(mention: Mapping[str, Any]) -> str:
    """Which of its looks are others than at first."""
    return "".join(f"; {each['what']} {each['now']}, was {each['before']}" for each in mention["changed"])


def _is_poor(seen: Mapping[str, Any] | None) -> bool:
    return bool(seen) and seen["similarity"] < POOR if seen else False
