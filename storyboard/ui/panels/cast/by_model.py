"""Whom the model casts, for nobody describes them: kept in the cast, or somebody else asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from ...components.media import Shots
from ...desk import QUIET, Desk, Place, View, Window
from ...wording import counted
from ..panel import Page, Panel, Updates
from .reading import cast_of, told

INFO = "The model draws them once, and scenes remember that picture beside earlier scenes."


class ByModel(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column(visible=False) as self.all:
            self.on = gr.Checkbox(label="Cast whom nobody describes", info=INFO)
            self.pictures = Shots(
                label="Cast by the model", show_label=False, columns=3, allow_preview=False, object_fit="cover",
                height="auto", container=False, buttons=[], fit_columns=False, elem_classes=["shots", "cast-list"],
            )  # fmt: skip
            with gr.Row(elem_classes="acts", visible=False) as self.acts:
                self.keep = gr.Button("Keep in the cast", size="sm")
                self.anew = gr.Button("Somebody else", size="sm")

    def paint(self, view: View) -> Updates:
        casting = cast_of(self.desk, view)[0].get("casting", {"able": False, "on": False, "drawn": []})
        drawn: Sequence[Mapping[str, Any]] = casting["drawn"]
        ids = [one["id"] for one in drawn]
        chosen = ids.index(view.window.drawn) if view.window.drawn in ids else None
        name = drawn[chosen]["name"] if chosen is not None else ""
        whom = name if name[:1].isupper() else f"the {name}"
        shown = [(one["picture"], f"{one['name']} · {counted(len(one['scenes']), 'scene')}") for one in drawn]
        return {
            self.all: {"visible": bool(casting["able"])},
            self.on: {"value": casting["on"]},
            self.pictures: {"value": shown, "visible": bool(drawn), **Shots.marked(chosen)},
            self.acts: {"visible": chosen is not None},
            self.keep: {"value": f"Keep {whom} in the cast"},
            self.anew: {"value": f"Somebody else for {whom}"},
        }

    def wire(self, page: Page) -> None:
        def choose(place: Place, window: Window, drafts: Any, event: gr.SelectData) -> Updates:
            view = self.desk.look(place, window)
            drawn = cast_of(self.desk, view)[0]["casting"]["drawn"] if view else []
            window.drawn = drawn[event.index]["id"] if event.index < len(drawn) else ""
            return page.repaint(place, window, drafts)

        def edit(place: Place, op: Mapping[str, Any]) -> Any:
            return gr.update(news=told(self.desk.ask("edit", place, op=op)))

        def switch(place: Place, on: bool) -> Any:
            return edit(place, {"do": "cast_by_model", "on": on})

        def anew(place: Place, window: Window) -> Any:
            return edit(place, {"do": "cast_anew", "name": window.drawn}) if window.drawn else gr.skip()

        def keep(place: Place, window: Window, drafts: Any) -> Updates:
            reply, name = self.desk.ask("cast_adopt", place, name=window.drawn), ""
            if reply["ok"]:
                kept = reply["story"]["cast"][-1]
                window.drawn, window.entry, name = "", kept["id"], kept["name"]
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=told(reply, f"{name} is kept."))}

        self.pictures.select(choose, page.looking, page.shown, **QUIET)
        self.on.input(switch, [page.board, self.on], page.board, **QUIET)
        self.anew.click(anew, [page.board, page.window], page.board, **QUIET)
        self.keep.click(keep, page.looking, page.shown, **QUIET)
