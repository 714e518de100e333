"""The Cast dialog: cards of all entries, and beside them the one that is looked at."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...components.media import Shots
from ...components.words import Words
from ...desk import QUIET, Place, View, Window
from ..overlay import Overlay
from ..panel import Page, Panel, Updates, chips
from .by_model import ByModel
from .entry import EntryFields
from .holds import Holds
from .looks import Looks
from .pictures import Pictures
from .reading import BLANK, about, cast_of, proposal, told
from .teaching import Teach

NOTHING = (
    "Nobody of your own yet. Whoever is in the cast looks the same in every scene that names them. Give somebody a "
    "name and a picture here, or keep a figure of a take: “Change part of it”, then a click on the figure."
)


class Cast(Overlay):
    name, wide = "Cast", True

    def fill(self) -> None:
        with gr.Row(elem_classes="film-body"):
            with gr.Column(scale=3, min_width=280, elem_classes="film-options"):
                self.nothing = Words(NOTHING, elem_classes="nothing-box")
                self.cards = Shots(
                    label="Cast", show_label=False, columns=3, allow_preview=False, object_fit="cover", height="auto",
                    container=False, buttons=[], fit_columns=False, elem_classes=["shots", "cast-list"],
                )  # fmt: skip
                self.by_model = ByModel(self.desk)
                with gr.Row(elem_classes=["acts", "sought"]):
                    self.fresh = gr.Textbox(label="Somebody new", placeholder="Mia", max_length=200, max_lines=1)
                    self.add = gr.Button("Add", size="sm")
                self.proposed = _chips("In the script; a click takes them into the cast")
                self.others = _chips("In your other stories; a click takes them into this one")
                with gr.Column() as self.seen:
                    self.looks, self.holds = Looks(self.desk), Holds(self.desk)
                    self.pictures, self.teach = Pictures(self.desk), Teach(self.desk)
            with gr.Column(scale=1, min_width=280, elem_classes="film-options") as self.one:
                self.entry = EntryFields(self.desk)

    def paint(self, view: View) -> Updates:
        return {self.teach.timer: {"active": False}} | super().paint(view)  # nobody looks while it is closed

    def paint_open(self, view: View) -> Updates:
        cast, entry = cast_of(self.desk, view)
        entries = cast["entries"]
        painted: Updates = {
            self.nothing: {"visible": not entries},
            self.cards: {
                "value": [(one["pictures"][0]["picture"] if one["pictures"] else BLANK, about(one))
                          for one in entries],
                "visible": bool(entries), **Shots.marked(entries.index(entry) if entry else None),
            },
            self.proposed: chips([proposal(one) for one in cast["proposed"]]) | {"visible": bool(cast["proposed"])},
            self.others: chips([one["name"] for one in cast["others"]]) | {"visible": bool(cast["others"])},
            self.one: {"visible": entry is not None},
            self.seen: {"visible": entry is not None},
        }  # fmt: skip
        for panel in self._panels:
            painted |= panel.paint(view)
        return painted

    @property
    def _panels(self) -> tuple[Panel, ...]:
        return self.by_model, self.entry, self.looks, self.holds, self.pictures, self.teach

    def wire(self, page: Page) -> None:
        for panel in self._panels:
            panel.wire(page)

        def choose(place: Place, window: Window, drafts: Any, event: gr.SelectData) -> Updates:
            entries = self._cast(place, window)["entries"]
            if event.index < len(entries):
                window.entry, window.picture, window.look_in = entries[event.index]["id"], "", ""
            return page.repaint(place, window, drafts)

        def add(place: Place, window: Window, drafts: Any, name: str) -> Updates:
            made = self._add(page, place, window, drafts, {"name": name.strip()})
            return made if not window.added else made | {self.fresh: gr.update(value="")}

        def accept(place: Place, window: Window, drafts: Any, index: int) -> Updates:
            proposed = self._cast(place, window)["proposed"]
            if index >= len(proposed):
                return page.repaint(place, window, drafts)
            fields = {"kind": proposed[index]["kind"]}
            return self._add(page, place, window, drafts, {"name": proposed[index]["name"], "fields": fields})

        def use(place: Place, window: Window, drafts: Any, index: int) -> Updates:
            others = self._cast(place, window)["others"]
            if index >= len(others):
                return page.repaint(place, window, drafts)
            reply = self.desk.ask("cast_use", place, entry=others[index]["id"])
            window.entry = others[index]["id"] if reply["ok"] else window.entry
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=told(reply))}

        self.cards.select(choose, page.looking, page.shown, **QUIET)
        gr.on([self.add.click, self.fresh.submit], add, [*page.looking, self.fresh], page.shown, **QUIET)
        self.proposed.click(accept, [*page.looking, self.proposed], page.shown, **QUIET)
        self.others.click(use, [*page.looking, self.others], page.shown, **QUIET)

    def _cast(self, place: Place, window: Window) -> Any:
        view = self.desk.look(place, window)
        return cast_of(self.desk, view)[0] if view else {"entries": [], "proposed": [], "others": []}

    def _add(self, page: Page, place: Place, window: Window, drafts: Any, given: dict[str, Any]) -> Updates:
        reply = self.desk.ask("edit", place, op={"do": "cast_add", **given})
        window.added = bool(reply["ok"])
        if window.added:
            window.entry = reply["story"]["cast"][-1]["id"]
        return page.repaint(place, window, drafts) | {page.board: gr.update(news=told(reply))}


def _chips(label: str) -> gr.Dataset:
    return gr.Dataset(
        components=[gr.Textbox(visible=False)], samples=[], type="index", label=label, layout="gallery", visible=False,
        samples_per_page=100, elem_classes="chips",
    )  # fmt: skip
