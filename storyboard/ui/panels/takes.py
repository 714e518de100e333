"""The Takes tab: the shelf of a scene's takes. Choose one, delete one, or compare two that play in step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..components.media import Shots
from ..components.pair import Pair, Side
from ..components.words import Words
from ..desk import QUIET, Desk, Place, View, Window, news
from ..wording import ago, counted
from .film.finishing import LOOK_AGAIN, line
from .panel import Page, Panel, Updates

FINISHED = "finished "  # and the chosen take, beside which it is shown finished
ACTIVE = ("queued", "running")
NOTHING = (
    "No takes yet. Each render adds one, and nothing that was rendered is ever lost: choose among them, or compare two."
)


class Takes(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.nothing = Words(NOTHING, elem_classes="nothing-box")
        self.shelf = Shots(
            label="Takes", show_label=False, columns=2, allow_preview=False, object_fit="cover", height="auto",
            container=False, buttons=[], fit_columns=False, elem_classes=["shots", "takes-shelf"],
        )  # fmt: skip
        self.prompt = Words(elem_classes="quietly take-prompt")
        self.about = Words(elem_classes="quietly")
        self.other = gr.Dropdown(label="Compare the chosen take with", visible=False)
        self.pair = Pair(elem_classes="compared")
        self.timer = gr.Timer(LOOK_AGAIN, active=False)
        self.finishing = Words(elem_classes="quietly")
        self.remove = gr.Button("Delete this take", size="sm", visible=False, elem_classes="lone")

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        takes = view.scene["takes"]
        chosen = next((i for i, take in enumerate(takes) if take["id"] == view.scene["chosen"]), None)
        others = [(name_of(take, i), take["id"]) for i, take in enumerate(takes) if i != chosen]
        compared, larger = view.window.compared, FINISHED + str(view.scene["chosen"])
        others += [("Itself, finished", larger)] if chosen is not None else []
        beside = next((i for i, take in enumerate(takes) if take["id"] == compared and i != chosen), None)
        marked = chosen if beside is None else beside
        both = () if chosen is None or beside is None else sorted((chosen, beside))
        sides = tuple(Side.of(takes[i], name_of(takes[i], i)) for i in both)
        finished = self._finished(view) if chosen is not None and compared == larger else {}
        if chosen is not None and finished.get("clip"):
            sides = (Side.of(takes[chosen], name_of(takes[chosen], chosen)), Side.of(finished, _size(finished)))
        return {
            self.nothing: {"visible": not takes},
            self.shelf: {
                "value": [(take["keyframe"], _caption(take, i, i == chosen)) for i, take in enumerate(takes)],
                "visible": bool(takes), **Shots.marked(chosen),
            },
            self.about: {"value": _about(takes[chosen], chosen) if chosen is not None else ""},
            self.prompt: {"value": _said(takes[chosen]) if chosen is not None else ""},
            self.other: {"choices": others, "value": larger if finished else takes[beside]["id"] if beside is not None
                         else None, "visible": bool(others)},
            self.pair: {"value": sides or None},
            self.timer: {"active": finished.get("state") in ACTIVE},
            self.finishing: {"value": "" if finished.get("clip") else finished.get("line", "")},
            self.remove: {"value": f"Delete take {(marked or 0) + 1}", "visible": marked is not None},
        }  # fmt: skip

    def _finished(self, view: View) -> dict[str, Any]:
        """How the chosen take is finished, with `line` in words."""
        told = self.desk.ask("finishing", view.place, scenes=[view.place.scene]).get("finishing")
        return {**told["scenes"][0], "line": line(told)} if told else {}

    def wire(self, page: Page) -> None:
        def edit(do: str, here: str, take: str, note: str = "") -> dict[str, Any]:
            place = Place.read(here)
            reply = self.desk.ask("edit", place, op={"do": do, "scene": place.scene, "take": take})
            return gr.update(news=news({**reply, "note": note if reply["ok"] else "", "undo": True}))

        def choose(here: str, event: gr.SelectData) -> Any:
            takes = self._takes(here)
            return edit("choose_take", here, takes[event.index]["id"]) if event.index < len(takes) else gr.skip()

        def compare(place: Place, window: Window, drafts: Any, other: str | None) -> Updates:
            window.compared = other or ""
            finish = window.compared.startswith(FINISHED)
            reply = self.desk.ask("finish", place, scenes=[place.scene]) if finish else {"ok": True}
            told = {} if reply["ok"] else {page.board: gr.update(news=news(reply))}
            return page.repaint(place, window, drafts) | told

        def remove(here: str, other: str | None) -> Any:
            view = self.desk.look(Place.read(here))
            own = view.take["id"] if view and view.take else None
            take = own if not other or other.startswith(FINISHED) else other
            return edit("remove_take", here, take, "Take deleted.") if take else gr.skip()

        self.shelf.select(choose, page.here, page.board, **QUIET)
        self.other.input(compare, [*page.looking, self.other], page.shown, **QUIET)
        self.timer.tick(page.repaint, page.looking, page.shown, **QUIET)
        self.remove.click(remove, [page.here, self.other], page.board, **QUIET)

    def _takes(self, here: str) -> list[Mapping[str, Any]]:
        view = self.desk.look(Place.read(here))
        return list(view.scene["takes"]) if view and view.scene else []


def name_of(take: Mapping[str, Any], index: int) -> str:
    """As it is called beside another."""
    return f"Take {index + 1} · {'your clip' if take['source'] == 'imported' else 'seed ' + str(take['seed'])}"


def _size(finished: Mapping[str, Any]) -> str:
    return f"Finished · {finished['width']} × {finished['height']}"


def _caption(take: Mapping[str, Any], index: int, chosen: bool) -> str:
    imported = take["source"] == "imported"
    state = "" if imported else "fresh" if take["fresh"] else "stale"
    parts = [
        f"Take {index + 1}",
        "your clip" if imported else f"seed {take['seed']}",
        state,
        "chosen" if chosen else "",
    ]
    return " · ".join(part for part in parts if part)


def _said(take: Mapping[str, Any]) -> str:
    """The prompt that it was made from, whatever the scene says now."""
    return f"“{take['prompt']}”" if take["prompt"] else ""


def _about(take: Mapping[str, Any], index: int) -> str:
    """All about the chosen one."""
    length = f"{take['num_frames'] / take['frames_per_second']:.1f} s"
    steps = [] if take["source"] == "imported" else [counted(take["steps"], "step")]
    return " · ".join(
        [name_of(take, index), *steps, length, ago(take["created"]), *([take["note"]] if take["note"] else [])]
    )
