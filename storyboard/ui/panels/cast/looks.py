"""Where an entry appears, by which picture, and whether as in the picture or as last seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...components.words import Words
from ...desk import QUIET, Desk, Place, View, Window, news
from ..panel import Page, Panel, Updates, chips
from .reading import Entry, cast_of, told

LOOKS = [("As in its picture", "cast"), ("As in its picture and earlier scenes", "both"), ("As last seen", "last seen")]
AS_STORY = ("As the story says", "")
NAMED = "as named"  # a state that a scene does not choose
WHOLE = ("The whole story", "")


class Looks(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.appears = gr.Dataset(
            components=[gr.Textbox(visible=False)], samples=[], type="index", label="Where it appears", visible=False,
            layout="gallery", samples_per_page=100, elem_classes="chips",
        )  # fmt: skip
        self.why = Words(elem_classes="quietly")
        with gr.Accordion("How it looks", open=False):
            self.where = gr.Dropdown([WHOLE], value="", label="In")
            self.look = gr.Radio(LOOKS, label="Looks")
            self.state = gr.Dropdown([], label="From this scene on", visible=False)

    def paint(self, view: View) -> Updates:
        cast, entry = cast_of(self.desk, view)
        if not entry:
            return {}
        seen, scene = entry["scenes"], self._scene(view)
        choices = scene["cast_choices"] if scene else cast["choices"]
        own: Mapping[str, Any] = next((one for one in choices if one["entry"] == entry["id"]), {})
        numbered = [(f"Scene {i}", one["id"]) for i, one in enumerate(view.story["scenes"], 1)]
        states = [("As prompts say", NAMED), ("As usual", ""), *((name, name) for name in entry["known_states"])]
        return {
            self.appears: chips([_label(one) for one in seen]) | {"visible": bool(seen)},
            self.why: {"value": _why(entry)},
            self.where: {"choices": [WHOLE, *numbered], "value": scene["id"] if scene else ""},
            self.look: {"choices": [*LOOKS, AS_STORY] if scene else LOOKS,  # none moves under the pointer
                        "value": own.get("look") or ("" if scene else "cast")},
            self.state: {"choices": states, "value": NAMED if own.get("state") is None else own["state"],
                         "visible": bool(scene and entry["known_states"])},
        }  # fmt: skip

    def _scene(self, view: View) -> Mapping[str, Any] | None:
        """The one of which is asked; None for the whole story."""
        return next((scene for scene in view.story["scenes"] if scene["id"] == view.window.look_in), None)

    def wire(self, page: Page) -> None:
        def go(place: Place, window: Window, drafts: Any, index: int) -> Updates:
            view = self.desk.look(place, window)
            entry = cast_of(self.desk, view)[1] if view else None
            if not entry or index >= len(entry["scenes"]):
                return page.repaint(place, window, drafts)
            window.open = ""
            scene = entry["scenes"][index]["scene"]
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news({"select": scene}))}

        def look_in(place: Place, window: Window, drafts: Any, scene: str) -> Updates:
            window.look_in = scene
            return page.repaint(place, window, drafts)

        def choose(place: Place, window: Window, changes: Mapping[str, Any]) -> Any:
            view = self.desk.look(place, window)
            entry = cast_of(self.desk, view)[1] if view else None
            if not entry:
                return gr.skip()
            op = {"do": "cast_choose", "entry": entry["id"], "scene": window.look_in, "changes": changes}
            return gr.update(news=told(self.desk.ask("edit", place, op=op)))

        def looks(place: Place, window: Window, look: str) -> Any:
            return choose(place, window, {"look": look})

        def dress(place: Place, window: Window, state: str) -> Any:
            return choose(place, window, {"state": None if state == NAMED else state})

        self.appears.click(go, [*page.looking, self.appears], page.shown, **QUIET)
        self.where.input(look_in, [*page.looking, self.where], page.shown, **QUIET)
        self.look.input(looks, [page.board, page.window, self.look], page.board, **QUIET)
        self.state.input(dress, [page.board, page.window, self.state], page.board, **QUIET)


def _label(seen: Mapping[str, Any]) -> str:
    """A scene in which it appears."""
    last = "as last seen" if seen["look"] == "last seen" else ""
    return " · ".join(part for part in (f"Scene {seen['number']}", seen["state"], last) if part)


def _why(entry: Entry) -> str:
    """Which of its pictures is looked at in which scene, if there are several, and why."""
    ids = [picture["id"] for picture in entry["pictures"]]
    known = [one for one in entry["scenes"] if one["picture"] in ids] if len(ids) > 1 else []
    lines = [f"Scene {one['number']} looks at picture {ids.index(one['picture']) + 1}: {one['why']}." for one in known]
    return " ".join(lines)
