"""Painting over what is to be changed in a take."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...components.brush import Brush
from ...components.slider import Slider
from ...desk import QUIET, Desk, Place, View, Window
from ..panel import Page, Panel, Updates
from .pointing import BRUSH, MOST_POINTS, painted_points, wipe

FULL = "That is as much as can be painted at once: choose “And something else” for more, or a larger brush."


class Paint(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.canvas = Brush(MOST_POINTS)
        with gr.Row(elem_classes="acts", visible=False) as self.tools:
            self.size = Slider(2, 25, 7, step=1, label="Size of the brush", info="% of the height", buttons=[])
            self.anew = gr.Button("Paint anew", size="sm")

    def paint(self, view: View) -> Updates:
        change = view.window.changes.get(view.place)
        if not change or change.choice != BRUSH:
            return self.put_away()
        kept = [point for region in change.regions for point in region.get("brush", ())]
        value = {"picture": change.picture[1], "of": f"{change.take}:{change.painting}", "points": change.brush,
                 "kept": [[point[name] for name in ("x", "y", "radius")] for point in kept],
                 "radius": change.radius}  # fmt: skip
        return {
            self.canvas: {"value": value},
            self.tools: {"visible": True},
            self.size: {"value": round(100 * change.radius)},
            self.anew: {"interactive": bool(change.brush)},
        }

    def put_away(self) -> Updates:
        return {self.canvas: {"value": None}, self.tools: {"visible": False}}

    def wire(self, page: Page) -> None:
        own = [*page.looking, page.here]

        def painted(place: Place, window: Window, drafts: Any, here: str, event: gr.EventData) -> Updates:
            change = window.changes.get(Place.read(here))
            points = painted_points(getattr(event, "points", None))
            if change and event.of == f"{change.take}:{change.painting}" and len(points) >= len(change.brush):
                change.brush, change.told = points, FULL if len(points) == MOST_POINTS else ""
            return page.repaint(place, window, drafts)

        def resize(place: Place, window: Window, drafts: Any, here: str, size: float) -> Updates:
            if change := window.changes.get(Place.read(here)):
                change.radius = size / 100
                window.shown[self.size._id] = {"value": round(size)}  # it stands there already
            return page.repaint(place, window, drafts)

        def anew(place: Place, window: Window, drafts: Any, here: str) -> Updates:
            if change := window.changes.get(Place.read(here)):
                wipe(change)
            return page.repaint(place, window, drafts)

        self.canvas.painted(painted, own, page.shown, **QUIET | {"trigger_mode": "multiple"})
        gr.on([self.size.input, self.size.release], resize, [*own, self.size], page.shown, **QUIET)
        self.anew.click(anew, own, page.shown, **QUIET)
