"""The panel beside the board: the chosen scene's heading, and its tabs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ..components.words import Words
from ..desk import QUIET, Desk, Place, View, Window
from ..wording import sentence
from .find import Find
from .meter import Meter
from .panel import Page, Panel, Updates
from .remembers import Memory
from .scene import Scene
from .takes import Takes
from .whatif import WhatIf

STATES = {"blank": "no prompt yet", "new": "not rendered yet", "fresh": "fresh", "stale": "stale", "waiting": "waiting"}
LOOK_AGAIN = 0.5  # seconds, while something is under way that the board does not tell of


class Side(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.timer = gr.Timer(LOOK_AGAIN, active=False)
        with gr.Column(elem_id="panel", elem_classes="side", min_width=0):
            with gr.Row(elem_classes="panel-head"):
                self.title = Words(tag="h2", spoken=False, elem_classes="panel-title")
                self.state = Words(spoken=False, elem_classes="stands")
                self.reasons = Words(spoken=False, elem_classes="reasons")
            with gr.Tabs(selected="scene", elem_classes="tabs-box") as self.tabs:
                with gr.Tab("Scene", id="scene", elem_id="tab-scene") as scene:
                    self.scene = Scene(desk)
                with gr.Tab("Remembers", id="remembers", elem_id="tab-remembers") as remembers:
                    self.remembers = Memory(desk)
                with gr.Tab("Takes", id="takes", elem_id="tab-takes") as takes:
                    self.takes = Takes(desk)
                with gr.Tab("What if", id="whatif", elem_id="tab-whatif") as whatif:
                    self.whatif = WhatIf(desk)
                with gr.Tab("Meter", id="meter", elem_id="tab-meter") as meter:
                    self.meter = Meter(desk)
                with gr.Tab("Find", id="find", elem_id="tab-find") as find:
                    self.find = Find(desk)
        self._panels: tuple[Panel, ...] = (
            self.scene, self.remembers, self.takes, self.whatif, self.meter, self.find
        )  # fmt: skip
        self._tabs = [scene, remembers, takes, whatif, meter, find]

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        painted: Updates = self._head(view, view.scene)
        for panel in self._panels:
            if panel.tab in ("", view.window.tab):
                painted |= panel.paint(view)
        busy = next((panel.busy(view) for panel in (self.whatif, self.meter) if panel.tab == view.window.tab), False)
        return painted | {self.timer: {"active": busy}}

    def _head(self, view: View, scene: Any) -> Updates:
        known, stands = view.stands.get("state", ""), view.stands
        stuck = known == "blank" and bool(stands["reasons"])
        told = "can’t be rendered" if stuck else STATES.get(known, "")
        why = "; ".join(stands["reasons"]) if stuck or known in ("stale", "waiting") else ""
        words = [part for part in (told, "locked" if scene["locked"] else "") if part]
        return {
            self.title: {"value": f"Scene {view.number}"},
            self.state: {"value": ", ".join(words), "kind": known},
            self.reasons: {"value": f"{sentence(why)}." if why else ""},
        }

    def wire(self, page: Page) -> None:
        for panel in self._panels:
            panel.wire(page)
        for tab in self._tabs:
            tab.select(_turning(page, str(tab.id)), page.looking, page.under, **QUIET)
        self.timer.tick(page.look, page.looking, page.under, **QUIET)

        def turn(place: Place, window: Window, drafts: Any, event: gr.EventData) -> Updates:
            window.tab = str(event.tab)
            return page.look(place, window, drafts) | {self.tabs: gr.Tabs(selected=window.tab)}

        page.board.turn(turn, page.looking, page.under, **QUIET)


def _turning(page: Page, tab: str) -> Callable[..., Updates]:
    def turned(place: Place, window: Window, drafts: Any) -> Updates:
        window.tab = tab
        return page.look(place, window, drafts)

    return turned
