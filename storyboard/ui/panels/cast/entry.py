"""An entry of the cast: its names, what it is and what it looks like; merged, shared and deleted here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ...components.words import Words
from ...desk import QUIET, Desk, Place, View, Window
from ..panel import Edit, Page, Updates
from .fields import Fields, Made
from .reading import Entry, cast_of, told

KINDS = [("", ""), ("Person", "person"), ("Animal", "animal"), ("Thing", "thing"), ("Place", "place")]
SHARED = {
    "no": "Only in this story so far.",
    "same": "The same in all of your stories that use it.",
    "differs": "Not as in your other stories.",
}
STATES = "“Mia, wet” in a prompt begins one; “Mia, as usual” ends it"


class EntryFields(Fields):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column():
            self.name = self.reasoned(
                gr.Textbox(label="Name", max_length=200, max_lines=1, info="Prompts that name it follow")
            )
            self.others = self.reasoned(gr.Textbox(label="Other names", placeholder="the girl, Mimi", max_lines=1))
            self.kind = gr.Dropdown(KINDS, label="What it is")
            self.words = self.reasoned(
                gr.Textbox(label="What it looks like", placeholder="a girl in a red coat", lines=2)
            )
            self.states = self.reasoned(
                gr.Textbox(label="Other looks, one a line", info=STATES, lines=2, placeholder="wet: in a dripping coat")
            )
            self.notes = self.reasoned(gr.Textbox(label="Notes", lines=2))
        with gr.Row(elem_classes="acts", visible=False) as self.merging:
            self.into = gr.Dropdown([], label="Is the same as", scale=1)
            self.merge = gr.Button("Merge", size="sm")
        with gr.Row(elem_classes="acts"):
            self.share = gr.Button("Use in all my stories", size="sm")
            self.remove = gr.Button("Delete", size="sm")
        self.shared = Words(spoken=False, elem_classes="quietly")

    def paint(self, view: View) -> Updates:
        cast, entry = cast_of(self.desk, view)
        if not entry:
            return {self.of: {"value": ""}}
        others = [(one["name"], one["id"]) for one in cast["entries"] if one["id"] != entry["id"]]
        fields = {
            self.name: {"value": entry["name"]},
            self.others: {"value": ", ".join(entry["others"])},
            self.kind: {"value": entry["kind"]},
            self.words: {"value": entry["words"]},
            self.states: {"value": _written(entry)},
            self.notes: {"value": entry["notes"]},
        }
        return self.painted(view, entry["id"], fields) | {
            self.into: {"choices": others, "value": None},
            self.merging: {"visible": bool(others)},
            self.share: {"visible": entry["shared"] != "same"},
            self.shared: {"value": SHARED[entry["shared"]]},
        }

    def wire(self, page: Page) -> None:
        def changing(name: str, read: Callable[[str], Any] = str) -> Made:
            return lambda place, window, entry, text: {
                "do": "cast_edit", "entry": entry, "changes": {name: read(text)}
            }  # fmt: skip

        def renaming(place: Place, window: Window, entry: str, text: str) -> Edit | None:
            return {"do": "cast_rename", "entry": entry, "name": text.strip()} if text.strip() else None

        for field, made in ((self.name, renaming), (self.others, changing("others", _names)),
                            (self.states, changing("states", _states))):  # fmt: skip
            self.hear(page, field, [field.blur, field.submit], made)
        for field, made in ((self.words, changing("words")), (self.notes, changing("notes"))):
            self.hear(page, field, [field.input, field.blur], made)
        self.hear(page, self.kind, [self.kind.input], changing("kind"))
        self._wire_acts(page)

    def _wire_acts(self, page: Page) -> None:
        def act(op: Mapping[str, Any] | None, here: str, note: str) -> Any:
            reply = self.desk.ask("edit", Place.read(here), op=op) if op else {}
            return gr.update(news=told(reply, note)) if reply else gr.skip()

        def merge(here: str, of: str, into: str | None, window: Window) -> Any:
            window.entry = into or window.entry
            return act({"do": "cast_merge", "entry": of, "into": into} if into else None, here, "Merged.")

        def remove(here: str, of: str, name: str) -> Any:
            return act({"do": "cast_remove", "entry": of}, here, f"{name} is no longer in the cast.")

        def share(here: str, of: str) -> Any:
            return gr.update(news=told(self.desk.ask("cast_share", Place.read(here), entry=of)))

        self.merge.click(merge, [page.here, self.of, self.into, page.window], page.board, **QUIET)
        self.remove.click(remove, [page.here, self.of, self.name], page.board, **QUIET)
        self.share.click(share, [page.here, self.of], page.board, **QUIET)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _states(text: str) -> list[dict[str, str]]:
    """From lines such as "wet: in a dripping coat"."""
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    return [{"name": name.strip(), "words": words.strip()} for name, _, words in lines]


def _written(entry: Entry) -> str:
    return "\n".join(f"{one['name']}: {one['words']}" if one["words"] else one["name"] for one in entry["states"])
