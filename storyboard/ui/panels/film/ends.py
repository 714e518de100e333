"""The pictures with which the scene begins and ends: of one's own, or the last frame of another scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from ...components.media import Still
from ...components.upload import Upload
from ...desk import SLOW, Desk, Place, View, Window, news
from ..panel import Page, Panel, Updates

NONE, OWN = "", "own"  # what an end is chosen to be, else the id of a scene
MOST_OFFERED = 20  # scenes: those nearest to this one
LONGEST = 40  # characters of where a picture is from
CONTINUED = "It continues the scene before it: another seam leaves room for a picture."


class End(Panel):
    """One of the two. which: "first" or "last"."""

    def __init__(self, desk: Desk, which: str) -> None:
        super().__init__(desk)
        self.which, self.verb = which, "Begins" if which == "first" else "Ends"
        with gr.Column():
            self.choice = gr.Dropdown([("Nothing", NONE)], value=NONE, label=f"{self.verb} with", info=" ")
            self.picture = Still(
                show_label=False, container=False, interactive=False, buttons=[], visible=False,
                alt_text=f"{which.capitalize()} picture", elem_classes=["end"],
            )  # fmt: skip
            self.upload = Upload(f"Your {which} picture", "image/*", desk.served["most"]["megabytes"])

    def paint(self, view: View) -> Updates:
        scene = view.scene
        if not scene:
            return {}
        now = scene[f"{self.which}_picture"]
        own = [(_shortened(now["source"]) or "A picture of your own", OWN)] if now else []
        continued = self.which == "first" and view.number > 1 and scene["seam"]["kind"] == "continue"
        return {
            self.choice: {
                "choices": [("Nothing", NONE), *own, *_offered(view.story["scenes"], view.number - 1)],
                "value": OWN if now else NONE,
                "info": CONTINUED if continued else " ",
            },
            self.picture: {"value": now["picture"] if now else None, "visible": bool(now)},
        }

    def wire(self, page: Page) -> None:
        def choose(here: str, chosen: str, window: Window) -> Updates:
            reply = self._chosen(Place.read(here), chosen)
            saved = {} if reply["ok"] else window.shown.get(self.choice._id, {})
            return {page.board: gr.update(news=news(reply)), self.choice: gr.update(**saved) if saved else gr.skip()}

        inputs = [page.here, self.choice, page.window]
        self.choice.input(choose, inputs, [page.board, self.choice], **SLOW)
        self.upload.picked(self._bring, page.here, page.board, **SLOW)

    def _chosen(self, place: Place, chosen: str) -> Mapping[str, Any]:
        """The reply to the edit that makes it so."""
        told = {"scene": place.scene, "which": self.which}
        if chosen == NONE:
            return self.desk.ask("edit", place, op={"do": "remove_scene_picture", **told})
        return {"ok": True} if chosen == OWN else self.desk.ask("scene_picture_of_take", place, **told, source=chosen)

    def _bring(self, here: str, event: gr.EventData) -> Any:
        place, name = Place.read(here), str(event.name)
        reply = self.desk.ask("scene_picture", place, scene=place.scene, which=self.which, data=event.data, name=name)
        return gr.update(news=news(reply))


class Ends(Panel):
    """Both, where the model can begin with pictures."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column(elem_classes="group") as self.box:
            gr.Markdown("### First and last picture")
            self.first, self.last = End(desk, "first"), End(desk, "last")

    def paint(self, view: View) -> Updates:
        box: Updates = {self.box: {"visible": self.desk.studio.renderer.continues()}}
        return box | self.first.paint(view) | self.last.paint(view)

    def wire(self, page: Page) -> None:
        self.first.wire(page)
        self.last.wire(page)


def _offered(scenes: Sequence[Mapping[str, Any]], place: int) -> list[tuple[str, str]]:
    """The scenes whose last frame the scene at a place, from 0, may have, in order."""
    others = [i for i, scene in enumerate(scenes) if i != place and scene["chosen"]]
    near = sorted(sorted(others, key=lambda i: abs(i - place))[:MOST_OFFERED])
    return [(f"Last frame of scene {i + 1}", scenes[i]["id"]) for i in near]


def _shortened(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
