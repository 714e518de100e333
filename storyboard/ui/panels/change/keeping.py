"""Keeping what is pointed at in a take as a picture of somebody in the cast."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...desk import SLOW, Change, Desk, Place, View, Window, news
from ..panel import Page, Panel, Updates
from .pointing import BOX, BRUSH, REST


class Keep(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Accordion("Keep it in the cast", open=False):
            self.name = gr.Dropdown([], label="As", info="Somebody of the cast, or a new name", allow_custom_value=True)
            self.keep = gr.Button("Keep this picture", size="sm", elem_classes="lone")

    def paint(self, view: View) -> Updates:
        return {self.name: {"choices": [entry["name"] for entry in view.story["cast"]]}}

    def wire(self, page: Page) -> None:
        def keep(here: str, window: Window, name: str | None) -> Any:
            place = Place.read(here)
            change = window.changes.get(place)
            if not change or not (name or "").strip():
                return gr.update(news=news({"error": "Say who it is: a name of the cast, or a new one."}))
            asked = {"scene": place.scene, "entry": str(name).strip(), "frame": change.frame, **_part(change)}
            reply = self.desk.ask("cast_keep", place, **asked)
            note = {"note": f"Kept as a picture of {name}.", "undo": True} if reply["ok"] else {}
            return gr.update(news=news(reply | note))

        self.keep.click(keep, [page.here, page.window, self.name], page.board, **SLOW)


def _part(change: Change) -> dict[str, str]:
    """What of the picture is meant: the figure that was clicked on, cut out; a box; or all of it."""
    if change.choice == BOX and len(change.box) == 4:
        return {"region": ",".join(f"{side:.4f}" for side in change.box)}
    if change.choice in ("", REST, BRUSH):
        return {}
    word, at = {"word": change.choice.partition(":")[2]}, change.at
    return word | ({"region": f"{at[0]:.4f},{at[1]:.4f}"} if at else {})
