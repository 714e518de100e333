"""The film: all chosen takes in order, with the seams between them, captions, and what can be saved of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import gradio as gr

from ..components.media import Clip, Download
from ..components.part import Part
from ..components.words import Words
from ..desk import QUIET, SAVED_FIRST, SLOW, Place, View, Window, news
from ..wording import counted
from .overlay import Overlay
from .panel import Page, Updates

FORMATS = {  # what to call what the server can write
    "mp4": "Film, MP4", "finished.mp4": "Finished film, MP4 drawn larger", "gif": "Film, GIF",
    "sheet.png": "Contact sheet, PNG", "sheet.pdf": "Contact sheet, PDF", "clips.zip": "Single clips, ZIP",
    "story.zip": "Story archive, imports again", "srt": "Subtitles, SRT", "vtt": "Subtitles, WebVTT",
    "otio.zip": "Cut for editors, OTIO", "fcp7.zip": "Cut for editors, Premiere and FCP 7",
    "fcpxml.zip": "Cut for editors, Final Cut", "edl.zip": "Cut for editors, EDL", "shots.csv": "Shot list, CSV",
    "board.pdf": "Storyboard, PDF", "ekonte.pdf": "E-konte, PDF", "page.html": "Page to share, HTML",
}  # fmt: skip
NO_FILM = "No film yet. Render at least one scene. The film is all chosen takes in their order."
CUT = "cut"
AT_ONCE = (CUT, "continue")  # seams that take no time


class Film(Overlay):
    name = "Film"

    def fill(self) -> None:
        self.nothing = Words(elem_classes="nothing-box")
        with gr.Row(elem_classes="film-body") as self.body:
            with gr.Column(scale=3, min_width=280, elem_classes="film-stage"):
                Part("film")
            with gr.Column(scale=1, min_width=280, elem_classes="film-options"):
                self.captions = gr.Checkbox(label="Captions", info="The prompts, under the picture.")
                self.missing = Words(elem_classes="missing")
                with gr.Column() as self.seams:
                    kinds = [(kind.capitalize(), kind) for kind in self.desk.served["seams"]]
                    self.seam = gr.Dropdown([], label="Seam")
                    self.kind = gr.Radio(kinds, label="Kind of seam", show_label=False)
                    self.lasts = gr.Slider(0.1, 2, step=0.1, label="Lasts", info="seconds", buttons=[])
                gr.Markdown("### Export")
                with gr.Row(elem_classes="formats"):
                    self._exports = {
                        name: gr.Button(FORMATS.get(name, name), size="sm", elem_classes=["with-sign", "export"])
                        for name in self.desk.served["formats"]
                    }
                self.told = Words(elem_classes="exports")
                self.saved = Download("Save it again", visible=False, size="sm", elem_classes="saving")
                self.written = Clip(label="The film as it was written", visible=False, height=180, buttons=[])

    # --- what it shows

    def paint_open(self, view: View) -> Updates:
        scenes = view.story["scenes"]
        shown = [i for i, scene in enumerate(scenes) if any(take["id"] == scene["chosen"] for take in scene["takes"])]
        left = len(scenes) - len(shown)
        told = f"{counted(left, 'scene')} without a take {'is' if left == 1 else 'are'} left out." if left else ""
        seamed = [(f"Seam between scenes {a + 1} and {b + 1}", scenes[b]["id"]) for a, b in pairwise(shown)]
        seam = next((scenes[i] for i in shown[1:] if scenes[i]["id"] == view.window.seam), None)
        seam = seam or (scenes[shown[1]] if len(shown) > 1 else None)
        return {
            self.nothing: {"value": "" if shown else NO_FILM},
            self.body: {"visible": bool(shown)},
            self.captions: {"value": view.story["captions"]},
            self.missing: {"value": " ".join(filter(None, (told, _stale(view))))},
            self.seams: {"visible": bool(seamed)},
            self.seam: {"choices": seamed, "value": seam["id"] if seam else None},
            self.kind: {"value": seam["seam"]["kind"] if seam else CUT},
            self.lasts: {"value": seam["seam"]["seconds"] if seam else 0.5,
                         "interactive": bool(seam) and seam["seam"]["kind"] not in AT_ONCE if seam else False},
        }  # fmt: skip

    # --- what it does

    def wire(self, page: Page) -> None:
        def caption(place: Place, on: bool) -> Any:
            op = {"do": "edit_story", "changes": {"captions": on}}
            return gr.update(news=news(self.desk.ask("edit", place, op=op)))

        def look_at(place: Place, window: Window, drafts: Any, scene: str) -> Updates:
            window.seam = scene
            return page.repaint(place, window, drafts)

        def join(name: str) -> Any:
            def joined(place: Place, window: Window, scene: str | None, value: Any) -> Any:
                group = window.group(f"seam:{scene}:{name}") if name == "seconds" else ""
                changed = self.desk.edit_scene(
                    Place(place.owner, place.story, scene or ""), {"seam": {name: value}}, group
                )
                return gr.update(news=news(changed))

            return joined

        self.captions.input(caption, [page.board, self.captions], page.board, **QUIET)
        self.seam.input(look_at, [*page.looking, self.seam], page.shown, **QUIET)
        self.kind.input(join("kind"), [page.board, page.window, self.seam, self.kind], page.board, **QUIET)
        inputs = [page.board, page.window, self.seam, self.lasts]
        gr.on([self.lasts.input, self.lasts.release], join("seconds"), inputs, page.board, **QUIET)
        for name, button in self._exports.items():
            button.click(None, js=WRITING, outputs=self.told, **QUIET)
            outputs = [self.saved, self.written, self.told, page.board]
            button.click(self._write(page, name), page.board, outputs, js=SAVED_FIRST, **SLOW)

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


def _stale(view: View) -> str:
    """A warning of clips that are not what their scenes say now."""
    if not view.standing:
        return ""
    stands = view.standing["scenes"]
    old = [str(i) for i, scene in enumerate(view.story["scenes"], 1) if _is_old(stands.get(scene["id"], {}))]
    return f"Made from something else than they say now: scene {', '.join(old)}." if old else ""


def _is_old(standing: Mapping[str, Any]) -> bool:
    return standing.get("state") in ("stale", "waiting")
