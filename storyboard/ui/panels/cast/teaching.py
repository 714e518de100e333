"""Teaching the model an entry by its pictures: begun, watched, stopped, weighed and forgotten here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...components.media import Still
from ...components.slider import Slider
from ...components.words import Words
from ...desk import QUIET, Desk, Place, View, Window, news
from ...wording import duration, sentence
from ..panel import Edit, Page, Panel, Updates
from ..scene import said
from .reading import Entry, cast_of, told

EXPLAIN = (
    "Where pictures are not enough, the model can learn it from three to eight of them, each with a caption that names "
    "it. With the model that comes with the app that takes about two minutes of a processor, with a large one longer, "
    "and no scene is rendered meanwhile."
)
WORN = "Taught: scenes that name it are made with that."
OTHERS = "Taught to another model: with this one it counts for nothing."
LOOK_AGAIN = 1.0  # seconds, while it is taught
ACTIVE = ("queued", "running")


class Teach(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.timer = gr.Timer(LOOK_AGAIN, active=False)
        with gr.Column():
            gr.Markdown("### Teach it")
            gr.Markdown(EXPLAIN, elem_classes="quietly")
            self.sample = Still(
                show_label=False, container=False, interactive=False, buttons=[], visible=False, height=160,
                alt_text="What was learnt so far",
            )  # fmt: skip
            with gr.Row(elem_classes="acts"):
                self.go = gr.Button("Teach", size="sm")
                self.stop = gr.Button("Cancel", size="sm", visible=False)
                self.forget = gr.Button("Forget what was taught", size="sm", visible=False)
                self.line = Words(elem_classes="making-line")
            self.strength = Slider(
                0, 2, 1, step=0.1, label="Strength of what was taught", info="0: not at all, 1: as taught", buttons=[]
            )

    def paint(self, view: View) -> Updates:
        _, entry = cast_of(self.desk, view)
        if not entry:
            return {self.timer: {"active": False}}
        reply = self.desk.ask("cast_teaching", view.place, entry=entry["id"])
        job, refused = reply.get("teaching") or {}, reply.get("refused", "")
        active, taught = job.get("state") in ACTIVE, entry.get("taught")
        go = "Go on" if job.get("state") == "cancelled" else "Teach it again" if taught else "Teach"
        return {
            self.timer: {"active": active},
            self.sample: {"value": job.get("preview") or None, "visible": active and bool(job.get("preview"))},
            self.go: {"value": go, "visible": not active, "interactive": not refused},
            self.stop: {"visible": active},
            self.forget: {"visible": bool(taught) and not active},
            self.line: {"value": self._line(view.window, entry, job, refused), "kind": job.get("state", "")},
            self.strength: {"value": taught["strength"] if taught else 1, "visible": bool(taught)},
        }

    def _line(self, window: Window, entry: Entry, job: Mapping[str, Any], refused: str) -> str:
        """How it stands, in words: while it is taught, before, and after."""
        if job.get("state") in ACTIVE:
            return said({**job, "notice": ""}) + _left(window, entry["id"], job)
        ended = "Cancelled: it goes on where it stopped." if job.get("state") == "cancelled" else ""
        ended = f"Failed: {job['error']}" if job.get("state") == "failed" else ended
        taught, model = entry.get("taught"), self.desk.studio.renderer.model
        worn = "" if not taught else WORN if taught["model"] == model else OTHERS
        return " ".join(part for part in (ended, worn, refused and f"{sentence(refused)}.") if part)

    def wire(self, page: Page) -> None:
        def act(verb: str) -> Any:
            def acted(place: Place, window: Window, drafts: Any, here: str) -> Updates:
                own, now = Place.read(here), self.desk.look(place, window)
                entry = cast_of(self.desk, now)[1] if now else None
                reply = self.desk.ask(verb, own, entry=entry["id"]) if entry else {}
                told_of = {page.board: gr.update(news=news(reply))} if reply else {}
                return page.repaint(place, window, drafts) | told_of

            return acted

        def weigh(place: Place, window: Window, strength: float) -> Edit | None:
            view = self.desk.look(place, window)
            entry = cast_of(self.desk, view)[1] if view else None
            return {"do": "cast_weigh", "entry": entry["id"], "strength": strength} if entry else None

        def forget(here: str, window: Window) -> Any:
            view = self.desk.look(Place.read(here), window)
            entry = cast_of(self.desk, view)[1] if view else None
            op = {"do": "cast_forget", "entry": entry["id"]} if entry else None
            reply = self.desk.ask("edit", Place.read(here), op=op) if op else {}
            return gr.update(news=told(reply, "Forgotten.")) if reply else gr.skip()

        self.go.click(act("cast_teach"), [*page.looking, page.here], page.shown, **QUIET)
        self.stop.click(act("cast_teach_cancel"), [*page.looking, page.here], page.shown, **QUIET)
        self.forget.click(forget, [page.here, page.window], page.board, **QUIET)
        self.edits(page, self.strength, [self.strength.input, self.strength.release], weigh)
        self.timer.tick(page.repaint, page.looking, page.shown, **QUIET)


def _left(window: Window, entry: str, job: Mapping[str, Any]) -> str:
    """How long it takes on, by the pace since this window saw it first; "" while that is not known."""
    own, step, since = window.paced
    now, ahead = time.monotonic(), job["step"] - step
    if own != entry or ahead < 0 or not step:
        window.paced = (entry, job["step"], now)
        return ""
    return f", about {duration((now - since) / ahead * (job['total'] - job['step']))} left" if ahead else ""
