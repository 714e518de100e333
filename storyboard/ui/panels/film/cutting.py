"""How the scenes follow one another in the film, and what of each is shown: seams, trim, speed, captions, voices."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import gradio as gr

from ...components.slider import Slider
from ...components.upload import Upload
from ...components.words import Words
from ...desk import QUIET, SLOW, Desk, Place, View, Window, news
from ..panel import Edit, Page, Panel, Updates
from .knobs import Knobs

CUT, CONTINUE = "cut", "continue"
AT_ONCE = (CUT, CONTINUE)  # seams that take no time
REFUSED = "“Continue” is not offered: the model that is in use does not go on from the frames of another clip."
SOUNDS = "audio/*,video/*"
PROMPT, OWN, NONE = "prompt", "own", "none"
CAPTIONS = [("The prompt", PROMPT), ("A line of its own", OWN), ("None", NONE)]
Scenes = list[Mapping[str, Any]]


def in_film(view: View) -> list[int]:
    """The places of the scenes that have a take."""
    scenes = view.story["scenes"]
    return [i for i, scene in enumerate(scenes) if any(take["id"] == scene["chosen"] for take in scene["takes"])]


class Seams(Panel):
    """How a scene follows the one before it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Column() as self.box:
            self.seam = gr.Dropdown([], label="Seam")
            self.kind = gr.Radio([], label="Kind of seam", show_label=False)
            self.refused = Words(elem_classes="quietly")
            self.lasts = Slider(0.1, 2, step=0.1, label="Lasts", info="seconds", buttons=[])

    def paint(self, view: View) -> Updates:
        scenes, shown = view.story["scenes"], in_film(view)
        seamed = [(f"Seam between scenes {a + 1} and {b + 1}", scenes[b]["id"]) for a, b in pairwise(shown)]
        looked = next((scenes[i] for i in shown[1:] if scenes[i]["id"] == view.window.seam), None)
        scene = looked or (scenes[shown[1]] if len(shown) > 1 else None)
        seam = scene["seam"] if scene else {"kind": CUT, "seconds": 0.5}
        goes_on = self.desk.studio.renderer.continues()
        kinds = [kind for kind in self.desk.served["seams"] if goes_on or kind != CONTINUE or kind == seam["kind"]]
        return {
            self.box: {"visible": bool(seamed)},
            self.seam: {"choices": seamed, "value": scene["id"] if scene else None},
            self.kind: {"choices": [(kind.capitalize(), kind) for kind in kinds], "value": seam["kind"]},
            self.refused: {"value": "" if goes_on else REFUSED},
            self.lasts: {"value": seam["seconds"], "interactive": bool(scene) and seam["kind"] not in AT_ONCE},
        }

    def wire(self, page: Page) -> None:
        def look_at(place: Place, window: Window, drafts: Any, scene: str) -> Updates:
            window.seam = scene
            return page.repaint(place, window, drafts)

        def join(name: str) -> Any:
            def joined(place: Place, window: Window, scene: str | None, value: Any) -> Any:
                group = window.group(f"seam:{scene}:{name}") if name == "seconds" else ""
                where = Place(place.owner, place.story, scene or "")
                return gr.update(news=news(self.desk.edit_scene(where, {"seam": {name: value}}, group)))

            return joined

        self.seam.input(look_at, [*page.looking, self.seam], page.shown, **QUIET)
        self.kind.input(join("kind"), [page.board, page.window, self.seam, self.kind], page.board, **QUIET)
        inputs = [page.board, page.window, self.seam, self.lasts]
        gr.on([self.lasts.input, self.lasts.release], join("seconds"), inputs, page.board, **QUIET)


class Shots(Panel):
    """What of a scene's take is in the film, and how."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Accordion("Shot", open=False):
            self.shot = gr.Dropdown([], label="Of scene")
            self.knobs = Knobs(desk, _shot, _shot_edit)
            self.skip = self.knobs.slider("skip", 0, 10, 0.05, "Left out at the beginning", "seconds of the take")
            self.cut = self.knobs.slider("cut", 0, 10, 0.05, "Left out at the end", "seconds of the take")
            self.knobs.slider("speed", 0.1, 4, 0.05, "Speed", "times as fast")
            self.knobs.slider("hold", 0, 10, 0.1, "Hold", "seconds that the last frame stands still")
            self.caption = gr.Radio(CAPTIONS, label="Caption")
            self.words = gr.Textbox(label="Caption of its own", max_length=desk.served["most"]["characters"], lines=2)
            self.level = self.knobs.slider("level", -60, 12, 1, "Level of its own sound", "decibels; -60 is silent")
            self.voice = Words(elem_classes="quietly")
            with gr.Row(elem_classes="acts"):
                self.speak = Upload("Import a voice-over", SOUNDS, desk.served["most"]["megabytes"])
                self.hush = gr.Button("Take the voice away", size="sm", visible=False)
            with gr.Column(visible=False) as self.spoken:
                self.knobs.slider("voice.delay", 0, 10, 0.1, "The voice begins after", "seconds")
                self.knobs.slider("voice.level", -60, 12, 1, "Level of the voice", "decibels")
                self.knobs.slider("voice.fade_in", 0, 5, 0.1, "The voice fades in", "seconds")
                self.knobs.slider("voice.fade_out", 0, 5, 0.1, "The voice fades out", "seconds")

    def paint(self, view: View) -> Updates:
        scene = _scene(view)
        if not scene:
            return {}
        view.window.shot = scene["id"]  # edits go to what is shown
        shot, scenes = scene["shot"], view.story["scenes"]
        take = next(take for take in scene["takes"] if take["id"] == scene["chosen"])
        longest, own = take["num_frames"] / take["frames_per_second"], shot["caption"]
        painted = self.knobs.paint(view)
        for slider in (self.skip, self.cut):
            painted[slider] = {**painted[slider], "maximum": max(round(longest, 2), painted[slider]["value"])}
        voice = shot["voice"]
        return painted | {
            self.shot: {"choices": [(f"Scene {i + 1}", scenes[i]["id"]) for i in in_film(view)], "value": scene["id"]},
            self.caption: {"value": PROMPT if own is None else OWN if own else NONE},
            self.words: {"value": own or "", "visible": bool(own)},
            self.voice: {"value": f"Voice: {voice['name']}, {voice['seconds']:.1f} s" if voice else ""},
            self.spoken: {"visible": bool(voice)},
            self.hush: {"visible": bool(voice)},
        }

    def wire(self, page: Page) -> None:
        def look_at(place: Place, window: Window, drafts: Any, scene: str) -> Updates:
            window.shot = window.seam = scene
            return page.repaint(place, window, drafts)

        def caption(place: Place, window: Window, kind: str) -> Edit:
            view = self.desk.look(place, window)
            scene = _scene(view) if view else None
            own = {PROMPT: None, NONE: ""}.get(kind, (scene or {}).get("prompt", ""))
            return _shot_edit(place, window, {"caption": own})

        def word(place: Place, window: Window, words: str) -> Edit:
            return _shot_edit(place, window, {"caption": words})

        def speak(place: Place, window: Window, event: gr.EventData) -> Any:
            reply = self.desk.ask("import_voice", place, scene=window.shot, data=event.data, name=event.name)
            return gr.update(news=news(reply))

        def hush(place: Place, window: Window) -> Any:
            return gr.update(news=news(self.desk.ask("edit", place, op=_shot_edit(place, window, {"voice": None}))))

        self.knobs.wire(page)
        self.shot.input(look_at, [*page.looking, self.shot], page.shown, **QUIET)
        self.edits(page, self.caption, [self.caption.input], caption, self.words)
        self.edits(page, self.words, [self.words.input, self.words.blur], word)
        self.speak.picked(speak, [page.board, page.window], page.board, **SLOW)
        self.hush.click(hush, [page.board, page.window], page.board, **QUIET)


def _scene(view: View) -> Mapping[str, Any] | None:
    """The scene whose shot is looked at."""
    scenes: Scenes = [view.story["scenes"][i] for i in in_film(view)]
    wanted = (view.window.shot, view.place.scene)
    found = (next((scene for scene in scenes if scene["id"] == each), None) for each in wanted)
    return next((scene for scene in found if scene), scenes[0] if scenes else None)


def _shot(view: View) -> Mapping[str, Any] | None:
    scene = _scene(view)
    return scene["shot"] if scene else None


def _shot_edit(place: Place, window: Window, changes: Mapping[str, Any]) -> Edit:
    return {"do": "edit_shot", "scene": window.shot, "changes": dict(changes)}
