"""Fields about one thing of the cast. What is refused stays in its field, with the reason under it, also after the page
was loaded anew, until it is changed to what can be saved or to what is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from ...components.words import Words
from ...desk import QUIET, Desk, Place, View, Window, news
from ..panel import Edit, Page, Panel, Updates

Made = Callable[[Place, Window, str, Any], Edit | None]  # an edit of a thing, by its id and what its field says


class Fields(Panel):
    """of: the id of the thing that the fields are about, sent together with them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.of = gr.Textbox(visible=False)
        self._reasons: dict[Component, Words] = {}

    def reasoned(self, field: gr.Textbox) -> gr.Textbox:
        """The field, which was just laid out, with room under it for why what it says is refused."""
        self._reasons[field] = Words(elem_classes="quietly")
        return field

    def shown(self) -> list[Block]:
        return [*super().shown(), *self._reasons.values()]

    def painted(self, view: View, of: str, values: Mapping[Any, dict[str, Any]]) -> Updates:
        """What fields show of the thing `of`; what was refused in the place of what is saved. values: by field."""
        if view.window.shown.get(self.of._id) != {"value": of}:  # what stands in the fields is about another one
            for field in values:
                view.window.shown.pop(field._id, None)
        told: Updates = {}
        for field, update in values.items():
            draft = _draft(view.window, view.drafts, _key(of, field), update["value"])
            told[field] = update | ({"value": draft["text"]} if draft else {})
            if field in self._reasons:
                told[self._reasons[field]] = _told(draft)
        return told | {self.of: {"value": of}}

    def hear(self, page: Page, field: Component, events: list[Any], made: Made) -> None:
        """Makes what is written in a field an edit of the thing that it is about."""
        reason = self._reasons.get(field)

        def listen(here: str, of: str, value: Any, window: Window, drafts: Any) -> Updates:
            place, key = Place.read(here), _key(of, field)
            known = window.shown.get(field._id, {}).get("value") == value
            kept = {name: other for name, other in (drafts or {}).items() if name != key}
            again = bool(window.refused.get(key, (drafts or {}).get(key)))  # what was in its way may be gone
            op = made(place, window, of, value or "") if of and (again or not known) else None
            if op is None:
                return {page.board: gr.skip()}
            if reason is None:
                return self._edited(page, place, op, window, field, ())
            with window.writing(field._id):
                reply = self.desk.ask("edit", place, op=op, group=window.group(f"{of}:{field._id}"))
                window.refused[key] = None if reply["ok"] else {"text": value, "reason": reply["error"]}
                shown = self._after(place, window, reply.get("story"), of, (field, reason))
            said = {name: part for name, part in reply.items() if name != "error"}  # its field says it
            kept |= {key: window.refused[key]} if window.refused[key] else {}
            return {page.board: gr.update(news=news(said)), page.drafts: kept, **shown}

        inputs = [page.here, self.of, field, page.window, page.drafts]
        outputs = [page.board, field, *([reason, page.drafts] if reason else [])]
        gr.on(events, listen, inputs, outputs, **QUIET)

    def _after(self, place: Place, window: Window, story: Any, of: str, parts: tuple[Component, Words]) -> Updates:
        """What a field and the reason under it show after an edit of the thing `of`: of the field nothing, which shows
        that already or something newer, unless it is about another thing by now."""
        with window.painting:
            view = View(place, story, None, {}, None, window=window) if story else self.desk.look(place, window)
            own = window.shown.get(self.of._id) == {"value": of}
            painted = self.paint(view) if view else {}
            known = {part: painted[part] for part in parts if part in painted}
            window.shown |= {part._id: update for part, update in known.items()}
        return {part: gr.update(**update) for part, update in known.items() if part is not parts[0] or not own}


def _key(of: str, field: Component) -> str:
    return f"{of}:{field.label}"


def _draft(window: Window, drafts: Mapping[str, Any], key: str, saved: Any) -> Mapping[str, Any] | None:
    """What was written into a field and refused; what this window knows is newer than what its browser kept."""
    draft = window.refused.get(key, drafts.get(key))
    if not isinstance(draft, dict) or not all(isinstance(draft.get(name), str) for name in ("text", "reason")):
        return None
    return draft if draft["text"] != saved else None


def _told(draft: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"value": f"Not saved: {draft['reason']}" if draft else "", "kind": "alarm" if draft else ""}
