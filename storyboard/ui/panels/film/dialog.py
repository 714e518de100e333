"""The film: all chosen takes in order, as they play, what of that can be changed, and what can be saved of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...components.media import Clip, Download
from ...components.player import Player, Reel, Shown
from ...components.words import Words
from ...desk import QUIET, SAVED_FIRST, SLOW, Desk, Place, View, Window, news
from ...wording import counted
from ..overlay import Overlay
from ..panel import Edit, Page, Panel, Updates
from .cutting import Seams, Shots, in_film
from .finishing import LOOK_AGAIN, Finishing
from .sound import Cards, Sound

FORMATS: dict[str, dict[str, str]] = {  # what to call what the server can write, by what it is for
    "To show": {
        "mp4": "Film, MP4", "finished.mp4": "Finished film, MP4 drawn larger", "gif": "Film, GIF",
        "page.html": "Page to share, HTML", "srt": "Subtitles, SRT", "vtt": "Subtitles, WebVTT",
    },
    "On paper": {
        "board.pdf": "Storyboard, PDF", "ekonte.pdf": "E-konte, PDF",
        "sheet.pdf": "Contact sheet, PDF", "sheet.png": "Contact sheet, PNG",
    },
    "To cut elsewhere": {
        "otio.zip": "OTIO", "fcp7.zip": "Premiere and FCP 7, XML", "fcpxml.zip": "Final Cut, FCPXML",
        "edl.zip": "EDL", "shots.csv": "Shot list, CSV", "clips.zip": "Single clips, ZIP",
    },
    "To keep": {"story.zip": "Story archive, imports again"},
}  # fmt: skip
FINISHED = "finished.mp4"
NO_FILM = "No film yet. Render at least one scene. The film is all chosen takes in their order."
WHERE = [("Burnt in", "burnt in"), ("Beside", "beside")]
RATES: list[tuple[str, float]] = [
    ("As the takes have", 0),
    *((f"{rate}", rate) for rate in (12, 16, 24, 25, 30, 32, 48, 60)),
]
RATE_INFO = "Of MP4 files. The film lasts as long at any rate; in-betweens are drawn for clips up to 240 pixels wide."


class Film(Overlay):
    name = "Film"

    def __init__(self, desk: Desk) -> None:
        self.timer = gr.Timer(LOOK_AGAIN, active=False)  # not within the box: while that is hidden nothing in it lives
        super().__init__(desk)

    def fill(self) -> None:
        self.nothing = Words(elem_classes="nothing-box")
        with gr.Row(elem_classes="film-body") as self.body:
            with gr.Column(scale=3, min_width=280, elem_classes="film-stage"):
                self.player = Player()
                self.missing = Words(elem_classes="missing")
            with gr.Column(scale=1, min_width=280, elem_classes="film-options"):
                self.captions = gr.Checkbox(label="Captions", info="The prompts, or lines of their own.")
                self.where = gr.Radio(WHERE, label="Where captions are", show_label=False)
                self.seams = Seams(self.desk)
                self.shots, self.cards, self.sound = Shots(self.desk), Cards(self.desk), Sound(self.desk)
                gr.Markdown("### Export")
                self.rate = gr.Dropdown(RATES, value=0, label="Frames a second", info=RATE_INFO)
                self._exports = dict[str, gr.Button]()
                for purpose, names in FORMATS.items():
                    gr.Markdown(f"#### {purpose}")
                    if FINISHED in names:
                        self.finishing = Finishing(self.desk)
                    with gr.Row(elem_classes="formats"):
                        self._exports |= {name: _export(words) for name, words in names.items()}
                self.told = Words(elem_classes="exports")
                self.saved = Download("Save it again", visible=False, size="sm", elem_classes="saving")
                self.written = Clip(label="The film as it was written", visible=False, height=180, buttons=[])

    # --- what it shows

    def paint(self, view: View) -> Updates:
        painted = super().paint(view)
        seen = painted.get(self.finishing.stop, {}).get("visible", False)  # something is made, and this is open
        return {self.timer: {"active": seen or bool(view.window.finishing)}} | painted

    def paint_open(self, view: View) -> Updates:
        scenes, shown = view.story["scenes"], in_film(view)
        left = len(scenes) - len(shown)
        told = f"{counted(left, 'scene')} without a take {'is' if left == 1 else 'are'} left out." if left else ""
        painted: Updates = {
            self.nothing: {"value": "" if shown else NO_FILM},
            self.body: {"visible": bool(shown)},
            self.player: {"value": self._reel(view) if shown else None},
            self.captions: {"value": view.story["captions"]},
            self.where: {"value": view.story["film"]["captions"], "visible": bool(view.story["captions"])},
            self.rate: {"value": _rate(view.story["film"]["rate"]), "choices": _rates(view.story["film"]["rate"])},
            self.missing: {"value": " ".join(filter(None, (told, _stale(view))))},
        }
        for panel in self._panels:
            painted |= panel.paint(view)
        return painted

    @property
    def _panels(self) -> tuple[Panel, ...]:
        return self.seams, self.shots, self.cards, self.sound, self.finishing

    def _reel(self, view: View) -> Reel | None:
        reply = self.desk.ask("timeline", view.place)
        if not reply["ok"]:
            return None
        timeline = {name: value for name, value in reply.items() if name != "ok"}
        shown = {
            scene["id"]: Shown(number, scene["prompt"], scene["keyframe"])
            for number, scene in enumerate(view.story["scenes"], 1)
        }
        return Reel(timeline, shown, view.story["width"] / view.story["height"], view.window.seam)

    # --- what it does

    def wire(self, page: Page) -> None:
        def caption(place: Place, window: Window, on: bool) -> Edit:
            return {"do": "edit_story", "changes": {"captions": on}}

        def put(place: Place, window: Window, where: str) -> Edit:
            return {"do": "edit_film", "changes": {"captions": where}}

        def pace(place: Place, window: Window, rate: float) -> Edit:
            return {"do": "edit_film", "changes": {"rate": rate or None}}

        self.edits(page, self.rate, [self.rate.input], pace)
        self.edits(page, self.captions, [self.captions.input], caption, self.where)
        self.edits(page, self.where, [self.where.input], put)
        for panel in self._panels:
            panel.wire(page)
        for name, button in self._exports.items():
            button.click(None, js=WRITING, outputs=self.told, **QUIET)
            if name != FINISHED:
                button.click(self._write(page, name), page.board, self._made(page), js=SAVED_FIRST, **SLOW)
        self._wire_finished(page)

    def _made(self, page: Page) -> list[Any]:
        """The outputs of `_write`."""
        return [self.saved, self.written, self.told, page.board]

    def _wire_finished(self, page: Page) -> None:
        """Its clips are made first, in line with renders; the film is written once they are there."""
        write = self._write(page, FINISHED)

        def ask(place: Place, window: Window, drafts: Any) -> Updates:
            reply = self.finishing.begin(place, window)
            if not reply["ok"]:
                return {self.told: "", page.board: gr.update(news=news(reply))}
            now = self.finishing.due(place, window)
            return page.repaint(place, window, drafts) | (write(now) if now else {self.told: ""})

        def finished(place: Place, window: Window) -> Updates:
            now = self.finishing.due(place, window)
            return write(now) if now else {page.board: gr.skip()}

        self._exports[FINISHED].click(ask, page.looking, page.shown, js=SAVED_FIRST, **SLOW)
        seen = self.timer.tick(page.repaint, page.looking, page.shown, **QUIET)
        seen.then(finished, [page.board, page.window], self._made(page), **SLOW)

    def _write(self, page: Page, name: str) -> Any:
        def write(place: Place) -> Updates:
            reply = self.desk.ask("film", place, format=name)
            if not reply["ok"]:
                return {self.told: "", page.board: gr.update(news=news(reply))}
            film: Any = (
                gr.update(value=reply["url"], visible=True) if name.endswith("mp4") else gr.update(visible=False)
            )
            file = gr.update(value=(reply["url"], reply["name"]), visible=True)
            told = gr.update(news=news({"save": {"url": reply["url"], "name": reply["name"]}}))
            return {self.saved: file, self.written: film, self.told: f"{reply['name']} is ready.", page.board: told}

        return write


WRITING = "() => 'Writing it…'"


def _export(words: str) -> gr.Button:
    return gr.Button(words, size="sm", elem_classes=["with-sign", "export"])


def _stale(view: View) -> str:
    """A warning of clips that are not what their scenes say now."""
    if not view.standing:
        return ""
    stands = view.standing["scenes"]
    old = [str(i) for i, scene in enumerate(view.story["scenes"], 1) if _is_old(stands.get(scene["id"], {}))]
    return f"Stale, made before the last changes: scene{'s' * (len(old) > 1)} {', '.join(old)}." if old else ""


def _is_old(standing: Mapping[str, Any]) -> bool:
    return standing.get("state") in ("stale", "waiting")


def _rate(rate: float | None) -> float:
    """As the list of rates has it."""
    return rate or 0


def _rates(rate: float | None) -> list[tuple[str, float]]:
    """With one that was chosen elsewhere."""
    return RATES if _rate(rate) in [value for _, value in RATES] else [*RATES, (f"{rate:g}", _rate(rate))]
