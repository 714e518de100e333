"""What the film has besides its scenes: captions, cards before and after them, music, and how loud it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...components.upload import Upload
from ...components.words import Words
from ...desk import QUIET, SLOW, Desk, Place, View, Window, news
from ..panel import Edit, Page, Panel, Updates
from .cutting import SOUNDS
from .knobs import Knobs

CARDS = {"title": "Title card", "end": "End card"}
SEAMS = [("Cut", "cut"), ("Cross-fade", "cross-fade"), ("Dip to black", "dip to black")]
USUAL = -16.0  # LUFS


class Cards(Panel):
    """Words on black before the first scene and after the last."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Accordion("Cards", open=False):
            self.knobs = Knobs(desk, _film, _film_edit)
            for name, label in CARDS.items():
                self.knobs.text(f"{name}.text", label, 400, lines=2)
                self.knobs.slider(f"{name}.seconds", 0.5, 10, 0.5, f"{label}: seconds")
            self.knobs.choice("end.seam.kind", "The end card follows by", SEAMS)

    def paint(self, view: View) -> Updates:
        return self.knobs.paint(view)

    def wire(self, page: Page) -> None:
        self.knobs.wire(page)


class Sound(Panel):
    """Music, and how loud all of it is."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Accordion("Sound", open=False):
            self.knobs = Knobs(desk, _film, _film_edit)
            self.music = Words(elem_classes="quietly")
            with gr.Row(elem_classes="acts"):
                self.play = Upload("Import music", SOUNDS, desk.served["most"]["megabytes"])
                self.stop = gr.Button("Take the music away", size="sm", visible=False)
            with gr.Column(visible=False) as self.playing:
                self.knobs.slider("music.level", -60, 12, 1, "Level of the music", "decibels")
                self.knobs.slider("music.skip", 0, 60, 0.5, "Left out of the music at its beginning", "seconds")
                self.knobs.slider("music.fade_in", 0, 10, 0.5, "The music fades in", "seconds")
                self.knobs.slider("music.fade_out", 0, 10, 0.5, "The music fades out", "seconds")
                self.knobs.switch("music.loop", "Again from its beginning where it is shorter than the film")
            self.knobs.slider("ducking", 0, 30, 1, "Softer under a voice", "decibels")
            self.even = gr.Checkbox(label="Even loudness", info="Of the whole film, when it is written.")
            self.knobs.slider("loudness", -40, -9, 1, "Loudness", "LUFS")

    def paint(self, view: View) -> Updates:
        film = view.story["film"]
        music = film["music"]
        told = f"Music: {music['name']}, {music['seconds']:.0f} s" if music else "No music."
        return self.knobs.paint(view) | {
            self.music: {"value": told},
            self.playing: {"visible": bool(music)},
            self.stop: {"visible": bool(music)},
            self.even: {"value": film["loudness"] is not None},
        }

    def wire(self, page: Page) -> None:
        def play(place: Place, event: gr.EventData) -> Any:
            return gr.update(news=news(self.desk.ask("import_music", place, data=event.data, name=event.name)))

        def stop(place: Place) -> Any:
            return gr.update(news=news(self.desk.ask("edit", place, op=_film_edit(place, Window(), {"music": None}))))

        def even(place: Place, window: Window, on: bool) -> Edit:
            return _film_edit(place, window, {"loudness": USUAL if on else None})

        self.knobs.wire(page)
        self.edits(page, self.even, [self.even.input], even)
        self.play.picked(play, page.board, page.board, **SLOW)
        self.stop.click(stop, page.board, page.board, **QUIET)


def _film(view: View) -> Mapping[str, Any]:
    found: Mapping[str, Any] = view.story["film"]
    return found


def _film_edit(place: Place, window: Window, changes: Mapping[str, Any]) -> Edit:
    return {"do": "edit_film", "changes": dict(changes)}
