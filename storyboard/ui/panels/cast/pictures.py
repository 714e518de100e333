"""The pictures of an entry: more of them from files, what each shows, and which comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...components.media import Shots
from ...components.upload import Upload
from ...desk import QUIET, SLOW, Desk, Place, View, Window
from ..panel import Edit, Page, Updates
from .fields import Fields, Made
from .reading import Entry, cast_of, told


class Pictures(Fields):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column():
            gr.Markdown("### Pictures")
            self.shelf = Shots(
                label="Pictures", show_label=False, columns=3, allow_preview=False, object_fit="cover", height="auto",
                container=False, buttons=[], fit_columns=False, elem_classes=["shots"],
            )  # fmt: skip
            self.upload = Upload("Add a picture", "image/*", desk.served["most"]["megabytes"])
            with gr.Column() as self.one:
                self.caption = self.reasoned(
                    gr.Textbox(label="What it shows", placeholder="Mia in a red coat", lines=2)
                )
                self.view = self.reasoned(
                    gr.Textbox(label="Seen", placeholder="from behind", max_length=200, max_lines=1)
                )
                self.state = gr.Dropdown([], label="Look")
                with gr.Row(elem_classes="acts"):
                    self.first = gr.Button("Make it the first", size="sm")
                    self.remove = gr.Button("Delete the picture", size="sm")

    def paint(self, view: View) -> Updates:
        _, entry = cast_of(self.desk, view)
        if not entry:
            return {}
        pictures = entry["pictures"]
        place = next((i for i, one in enumerate(pictures) if one["id"] == view.window.picture), 0)
        painted: Updates = {
            self.shelf: {"value": [(one["picture"], _caption(one, i)) for i, one in enumerate(pictures, 1)],
                         "visible": bool(pictures), **Shots.marked(place if pictures else None)},
            self.one: {"visible": bool(pictures)},
        }  # fmt: skip
        return painted | (self._fields(view, entry, pictures[place]) if pictures else {})

    def _fields(self, view: View, entry: Entry, picture: Mapping[str, Any]) -> Updates:
        states = [("As usual", ""), *((name, name) for name in entry["known_states"])]
        fields = {
            self.caption: {"value": picture["caption"]},
            self.view: {"value": picture["view"]},
            self.state: {"choices": states, "value": picture["state"], "visible": len(states) > 1},
        }
        first = picture["id"] != entry["pictures"][0]["id"]
        return self.painted(view, picture["id"], fields) | {self.first: {"visible": first}}

    def wire(self, page: Page) -> None:
        def choose(place: Place, window: Window, drafts: Any, event: gr.SelectData) -> Updates:
            view = self.desk.look(place, window)
            entry = cast_of(self.desk, view)[1] if view else None
            if entry and event.index < len(entry["pictures"]):
                window.picture = entry["pictures"][event.index]["id"]
            return page.repaint(place, window, drafts)

        def bring(here: str, window: Window, event: gr.EventData) -> Any:
            place = Place.read(here)
            view = self.desk.look(place, window)
            entry = cast_of(self.desk, view)[1] if view else None
            if not entry:
                return gr.skip()
            reply = self.desk.ask("cast_picture", place, entry=entry["id"], data=event.data, name=event.name)
            window.picture = reply.get("picture", window.picture)
            return gr.update(news=told(reply, f"A picture of {entry['name']}."))

        for field, name in ((self.caption, "caption"), (self.view, "view")):
            self.hear(page, field, [field.input, field.blur], self._changing(name))
        self.hear(page, self.state, [self.state.input], self._changing("state"))
        self.shelf.select(choose, page.looking, page.shown, **QUIET)
        self.upload.picked(bring, [page.here, page.window], page.board, **SLOW)
        for button, do, note in ((self.first, "cast_first_picture", ""),
                                 (self.remove, "cast_remove_picture", "Picture deleted.")):  # fmt: skip
            button.click(self._act(do, note), [page.here, page.window, self.of], page.board, **QUIET)

    def _changing(self, name: str) -> Made:
        def made(place: Place, window: Window, picture: str, value: str) -> Edit | None:
            op = self._op(place, window, "cast_edit_picture", picture)
            return {**op, "changes": {name: value}} if op else None

        return made

    def _act(self, do: str, note: str) -> Any:
        def act(here: str, window: Window, of: str) -> Any:
            place = Place.read(here)
            op = self._op(place, window, do, of)
            return gr.update(news=told(self.desk.ask("edit", place, op=op), note)) if op else gr.skip()

        return act

    def _op(self, place: Place, window: Window, do: str, picture: str) -> dict[str, Any] | None:
        """An edit of a picture, whichever entry has it; None if it is gone."""
        view = self.desk.look(place, window)
        entries = cast_of(self.desk, view)[0]["entries"] if view else []
        entry = next((e["id"] for e in entries if picture in [one["id"] for one in e["pictures"]]), None)
        return {"do": do, "entry": entry, "picture": picture} if entry else None


def _caption(picture: Mapping[str, Any], number: int) -> str:
    parts = [f"Picture {number}", picture["state"], picture["view"], picture["source"]]
    return " · ".join(part for part in parts if part)
