"""The Scene tab: what decides the scene's picture, and the buttons that make it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.events import Dependency

from ...operations.views import keeps_rest
from ..components.part import Part
from ..components.sketch import LiveSketch
from ..components.slider import WHOLE, Slider
from ..components.upload import Upload
from ..components.words import Words
from ..desk import NO_SKETCH, QUIET, SAVED_FIRST, SLOW, Desk, Place, View, Window, news
from ..wording import counted, duration, sentence
from .film.ends import Ends
from .panel import Edit, Page, Panel, Updates

LARGEST_SEED = 2**53 - 1
VARIANTS = 4  # takes with different seeds, to choose from
SHORTEST = 1  # k of 4 k + 1 frames
SHORT = 40  # characters that are always far from the limit of tokens
# Runs in the browser at every letter: what is typed outlasts a crash, whether or not the server answers.
KEEP_DRAFT = "(here, text, drafts) => ({...drafts, [here]: {text, reason: ''}})"


class Scene(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        most = desk.served["most"]
        Part("viewer", elem_classes="viewer-box")
        with gr.Row(elem_classes="acts"):
            self.render = gr.Button("Render this scene", variant="primary", size="sm")
            self.another = gr.Button("New take", size="sm")
            self.variants = gr.Button("Four variants", size="sm")
            self.change = gr.Button("Change part of it", size="sm")
            self.cancel = gr.Button("Cancel", size="sm", visible=False)
            self.line = Words(elem_classes="making-line")
        self.keep = gr.Checkbox(label="Keep the rest", info=KEEPS, visible=False, elem_classes="keep")
        with gr.Column(elem_classes="group"):
            gr.Markdown("### Guidance")
            self.text = Slider(0, 10, step=0.1, label="Text guidance", info=FOLLOWS, buttons=[])
            self.history = Slider(0, 10, step=0.1, label="History guidance", info=REMEMBERS, buttons=[])
            self.sketch = LiveSketch(elem_classes="sketch-box")
            self.sketched = Words(spoken=False, elem_classes="quietly")
            with gr.Row():
                self.start = Slider(
                    0, 100, step=5, label="Guidance starts at", info="% of the steps", min_width=120, buttons=[]
                )
                self.end = Slider(
                    0, 100, step=5, label="Guidance ends at", info="% of the steps", min_width=120, buttons=[]
                )
            schedules = [(name.capitalize(), name) for name in desk.served["schedules"]]
            self.schedule = gr.Radio(schedules, label="Schedule")
        with gr.Column(elem_classes="group"):
            gr.Markdown("### Making")
            self.size = gr.Dropdown([], label="Size of all scenes", info=RESIZED, visible=False)
            self.steps = Slider(4, 60, step=1, label="Steps", buttons=[], elem_classes=WHOLE)
            self.length = Slider(0, 1, step=0.5, label="Seconds", info=" ", buttons=[], elem_classes=WHOLE)
            self.streamed = gr.Checkbox(label="Watch it while it is made", info=STREAMED, visible=False)
            with gr.Row(elem_classes="seed"):
                self.seed = gr.Number(label="Seed", min_width=110)
                self.dice = gr.Button("Draw another seed", size="sm", elem_classes=["sign", "dice"])
                self.renewed = gr.Radio([("This seed", False), ("A new one", True)], label="Each render", min_width=180)
        self.ends = Ends(desk)
        with gr.Column(elem_classes="group"):
            gr.Markdown("### More")
            self.negative = gr.Textbox(label="Negative prompt", placeholder="What it should not show", lines=2)
            self.room = Words(elem_classes="room-box")
            self.lock = gr.Checkbox(label="Lock this scene", info="It keeps its take whatever changes before it.")
            self.fit = gr.Radio(FITS, value="fit", label="A clip of your own, into the frame", info=FITTED)
            with gr.Row(visible=False) as self.crop:
                self.across = Slider(
                    0, 100, 50, step=1, label="Cut across", info="% from the left", min_width=120, buttons=[]
                )
                self.down = Slider(
                    0, 100, 50, step=1, label="Cut down", info="% from the top", min_width=120, buttons=[]
                )
            self.clip = Upload(
                "Import a clip of your own", "video/*,image/*", most["megabytes"], elem_classes="clip-upload"
            )
            gr.Markdown(
                f"It becomes this scene, and later scenes remember it. At most {most['megabytes']} MB.",
                elem_classes="quietly",
            )

    # --- what they show

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        keeps = keeps_rest(view.scene)
        keep: Updates = {self.keep: {"visible": keeps is not None, "value": bool(keeps)}}
        painted = self._controls(view, view.scene) | self._making(view, view.scene) | self._sketched(view)
        return keep | painted | self.ends.paint(view)

    def _controls(self, view: View, scene: Mapping[str, Any]) -> Updates:
        guidance, rate = scene["guidance"], _rate(scene, self.desk.served["frames_per_second"])
        draft = _draft_of(view)
        words = draft["text"] if draft else scene["negative_prompt"]
        typing = draft is not None and view.window.field_of == view.place  # the field is newer than any draft
        view.window.field_of = view.place
        written: Updates = {self.negative: {"value": words}, self.room: self._room(words, draft)}
        return ({} if typing else written) | {
            self.text: _wide(guidance["text"], 0, 10) | {"info": PLAIN if guidance["text"] == 1 else FOLLOWS},
            self.history: _wide(guidance["history"], 0, 10) | {"info": REMEMBERS if guidance["history"] else FORGETS},
            self.start: {"value": round(guidance["start"] * 100)},
            self.end: {"value": round(guidance["end"] * 100)},
            self.schedule: {"value": guidance["schedule"]},
            self.size: self._size(view.story),
            self.steps: _wide(scene["steps"], 4, 60),
            self.length: _lasting(scene["num_frames"], self.desk.served["most"]["frames"], rate),
            self.streamed: {
                "value": scene.get("streamed", False),
                "visible": self.desk.studio.renderer.streams(scene["num_frames"]),
            },
            self.seed: {"value": scene["seed"]},
            self.renewed: {"value": scene["new_seed"]},
            self.lock: {"value": scene["locked"]},
        }

    def _size(self, story: Mapping[str, Any]) -> dict[str, Any]:
        """What the model offers, and what the story has; nothing to choose while it is not loaded."""
        now, offered = (story["width"], story["height"]), self.desk.studio.renderer.sizes
        choices = [(_size_words(*size), f"{size[0]}x{size[1]}") for size in dict.fromkeys([*offered, now])]
        return {"choices": choices, "value": f"{now[0]}x{now[1]}", "visible": len(offered) > 1}

    def _room(self, words: str, draft: Mapping[str, Any] | None) -> dict[str, Any]:
        """What is said under the negative prompt: why it was refused, or how much room is left."""
        if draft:
            return {
                "value": f"Not saved: {draft['reason'] or 'the server did not answer; it is sent as you write on'}",
                "kind": "alarm",
            }
        told = self.desk.studio.lengths(NOBODY, [words])["lengths"] if len(words) >= SHORT else []
        return {"value": told[0]["note"] if told else "", "kind": ""}

    def _making(self, view: View, scene: Mapping[str, Any]) -> Updates:
        job, why = view.job, _why_not(view, scene)
        active = job.get("state") in ("queued", "running")
        steps = view.standing["plan"]["steps"] if view.standing else []
        step = next((step for step in steps if step["scene"] == scene["id"]), None)
        same = not step and _is_rendered(view, scene)
        rest = SAME if same else ""
        time = f"About {duration(step['seconds'])}" if step and step.get("seconds") else ""
        return {
            self.render: {"visible": not active, "interactive": not why and not same},
            self.another: {"visible": not active, "interactive": not why and bool(scene["takes"])},
            self.variants: {"visible": not active, "interactive": not why},
            self.change: {"visible": not active and bool(scene["takes"])},
            self.cancel: {"visible": active},
            self.line: {"value": why or said(job) or time or rest, "kind": job.get("state", "")},
        }

    def _sketched(self, view: View) -> Updates:
        """The live sketch, until its scene is left, rendered, or shows another take."""
        same = view.window.sketched[:2] == (view.place, _take_of(view.scene))
        if not same or view.job.get("state") in ("queued", "running"):
            view.window.sketched = NO_SKETCH
        _, _, picture, told = view.window.sketched
        return {self.sketch: {"value": picture}, self.sketched: {"value": told}}

    # --- what they do

    def wire(self, page: Page) -> None:
        for slider, changed in (
            (self.text, lambda value: {"guidance": {"text": value}}),
            (self.history, lambda value: {"guidance": {"history": value}}),
        ):
            saved = self.changes(page, slider, (slider.input, slider.release), changed, *self._follows(slider))
            self._wire_sketch(page, saved)
        self.changes(page, self.steps, (self.steps.input, self.steps.release), lambda value: {"steps": int(value)})
        self.edits(page, self.length, [self.length.input, self.length.release], self._last, self.length)
        for handle, name in ((self.start, "start"), (self.end, "end")):
            self.changes(page, handle, (handle.input, handle.release), _share(name))
        self.edits(page, self.size, [self.size.input], _resized)
        self.changes(page, self.schedule, [self.schedule.input], lambda value: {"guidance": {"schedule": value}})
        self.changes(page, self.renewed, [self.renewed.input], lambda value: {"new_seed": value})
        self.changes(page, self.streamed, [self.streamed.input], lambda value: {"streamed": value})
        self.changes(page, self.lock, [self.lock.input], lambda value: {"locked": value})
        self.edits(
            page, self.keep, [self.keep.input],
            lambda place, window, on: {"do": "keep_rest", "scene": place.scene, "on": on},
        )  # fmt: skip
        self.changes(page, self.seed, [self.seed.blur, self.seed.submit], _seeded)
        self.dice.click(self._draw, [page.here, page.window], [page.board, self.seed], **QUIET)
        self.fit.input(lambda mode: gr.update(visible=mode == "fill"), self.fit, self.crop, **QUIET)
        self.clip.picked(self._bring, [page.here, self.fit, self.across, self.down], page.board, **SLOW)
        self.ends.wire(page)
        self._wire_words(page)
        for button, asked in (
            (self.render, {"again": False}), (self.another, {"again": True}), (self.variants, {"variants": VARIANTS})
        ):  # fmt: skip
            button.click(self._render(asked), page.here, page.board, js=SAVED_FIRST, **QUIET)
        self.cancel.click(self._cancel, page.here, page.board, **QUIET)

    def _follows(self, slider: Slider) -> list[Any]:
        return [slider] if slider is self.history else []  # what it says beside its value

    def _wire_sketch(self, page: Page, saved: Dependency) -> None:
        """While a weight moves, the student shows the scene with it, once that is saved; the last value wins."""

        def sketch(here: str, w1: float, w2: float, window: Window) -> Updates:
            place, told = Place.read(here), SKETCHED.format(w1=w1, w2=w2)
            if (window.sketched[0], window.sketched[3]) == (place, told):  # let go where it was moved to
                return {self.sketch: gr.skip()}
            reply = self.desk.ask("sketch", place, scene=place.scene, **_weights(w1, w2))
            view = self.desk.look(place, window)
            if not view or not view.scene:
                return {self.sketch: gr.skip()}
            told = told if reply["ok"] else f"No live sketch: {reply['error']}"
            with window.painting:
                window.sketched = (place, _take_of(view.scene), reply.get("sketch", ""), told)
                painted = self._sketched(view)
                window.shown |= {part._id: update for part, update in painted.items()}
            return {part: gr.update(**update) for part, update in painted.items()}

        inputs, outputs = [page.here, self.text, self.history, page.window], [self.sketch, self.sketched]
        saved.then(sketch, inputs, outputs, **QUIET)

    def _draw(self, here: str, window: Window) -> tuple[Any, Any]:
        seed, place = random.randrange(10**6), Place.read(here)
        return gr.update(news=news(self.desk.edit_scene(place, {"seed": seed, "new_seed": False}))), seed

    def _bring(self, here: str, fit: str, across: float, down: float, event: gr.EventData) -> Any:
        place, name = Place.read(here), str(event.name)
        if not str(event.kind).startswith(("video/", "image/")):
            return gr.update(news=news({"error": f"{name} is no video or picture: {KNOWN}"}))
        cut = {"fit": fit, "across": across / 100, "down": down / 100}
        reply = self.desk.ask("import_clip", place, scene=place.scene, data=event.data, name=name, **cut)
        said = {"note": f"{name} is this scene now; later scenes remember it."} if reply["ok"] else {}
        return gr.update(news=news(reply | said))

    def _last(self, place: Place, window: Window, seconds: float) -> Edit | None:
        view = self.desk.look(place, window)
        if not view or not view.scene:
            return None
        k = round(seconds * _rate(view.scene, self.desk.served["frames_per_second"]) / 4)
        return {"do": "edit_scene", "scene": place.scene, "changes": {"num_frames": 4 * k + 1}}

    def _wire_words(self, page: Page) -> None:
        """The negative prompt: a draft from the first letter on, until the server has accepted it."""

        def write(here: str, text: str, drafts: Any, window: Window) -> Updates:
            place = Place.read(here)
            kept = {name: other for name, other in (drafts or {}).items() if name != here}
            view = self.desk.look(place)
            if not view or not view.scene or view.scene["negative_prompt"] == text:
                return {page.drafts: kept, self.room: gr.update(**self._room(text, None))}
            with window.writing(self.negative._id):
                reply = self.desk.edit_scene(place, {"negative_prompt": text}, window.group(f"{place.scene}:negative"))
                draft = None if reply["ok"] else {"text": text, "reason": reply["error"]}
                room = window.shown[self.room._id] = self._room(text, draft)
                window.shown[self.negative._id] = {"value": text}
            told = {name: value for name, value in reply.items() if name != "error"}  # its field says it
            drafts = kept | ({here: draft} if draft else {})
            return {page.board: gr.update(news=news(told)), page.drafts: drafts, self.room: gr.update(**room)}

        own = [page.here, self.negative, page.drafts]
        typed = [self.negative.input, self.negative.blur]  # keys; what is pasted or cut
        gr.on(typed, None, own, page.drafts, js=KEEP_DRAFT, **QUIET)
        gr.on(typed, write, [*own, page.window], [page.board, page.drafts, self.room], **QUIET)

    def _render(self, asked: Mapping[str, Any]) -> Any:
        def render(here: str) -> Any:
            place = Place.read(here)
            return gr.update(news=news(self.desk.ask("render", place, scenes=[place.scene], **asked)))

        return render

    def _cancel(self, here: str) -> Any:
        place = Place.read(here)
        return gr.update(news=news(self.desk.ask("cancel", place, scenes=[place.scene])))


RESIZED = "Takes of another size become stale; they stay."
KEEPS = "What its changed words don't say stays as it was in the take before."
STREAMED = (
    "Second by second: finished ones play while the rest is made. It takes longer, and keeps less to its beginning."
)
FITTED = "Fit: all of it, with bars. Fill: no bars, cut where you say. Stretch: neither."
FITS = [("Fit", "fit"), ("Fill", "fill"), ("Stretch", "stretch")]  # as in `storyboard.media.fit`
KNOWN = "choose an MP4, WebM, MOV or GIF file, or a picture."
FOLLOWS = "How closely it follows its own prompt (w1)"
PLAIN = "At 1 the negative prompt has no part: only what it remembers guides (w1)"
REMEMBERS = "How closely it follows what it remembers (w2)"
FORGETS = "At 0 it remembers nothing, neither earlier scenes nor the cast (w2)"
SAME = "Fresh: there is nothing to render. New take draws another seed."
SKETCHED = "Live sketch: w1 {w1:g}, w2 {w2:g}. A take changes the same way, and more: render to see it."
NOBODY = "0" * 32  # an owner for what is nobody's


def _take_of(scene: Mapping[str, Any] | None) -> str:
    """Id of the chosen take, "" for none."""
    return str((scene or {}).get("chosen") or "")


def _weights(w1: float, w2: float) -> dict[str, float]:
    return {"text_weight": float(w1), "history_weight": float(w2)}


def _share(name: str) -> Callable[[float], dict[str, Any]]:
    return lambda percent: {"guidance": {name: percent / 100}}


def _wide(value: float, low: float, high: float) -> dict[str, Any]:
    """A slider's value, with room for one that came from elsewhere and lies outside."""
    return {"value": value, "minimum": min(low, value), "maximum": max(high, math.ceil(value))}


def _lasting(frames: int, most: int, rate: float) -> dict[str, Any]:
    """The slider of a scene's seconds, in steps of four frames, without the first one, which every clip has besides."""
    ends = SHORTEST * 4 / rate, (most - 1) / rate
    return _wide((frames - 1) / rate, *ends) | {"step": 4 / rate, "info": f"{frames} frames"}


def _rate(scene: Mapping[str, Any], usual: float) -> float:
    made = (take["frames_per_second"] for take in scene["takes"] if take["source"] == "generated")
    return float(next(made, usual))


def _draft_of(view: View) -> Mapping[str, Any] | None:
    """What was typed into the negative prompt and is not saved."""
    draft = view.drafts.get(view.place.written())
    known = isinstance(draft, dict) and isinstance(draft.get("text"), str) and isinstance(draft.get("reason"), str)
    return draft if draft and known and view.scene and draft["text"] != view.scene["negative_prompt"] else None


def _resized(place: Place, window: Window, size: str) -> Edit:
    width, height = (int(side) for side in size.split("x"))
    return {"do": "edit_story", "changes": {"width": width, "height": height}}


def _size_words(width: int, height: int) -> str:
    shape = "Square" if width == height else "Wide" if width > height else "Tall"
    return f"{shape}, {width} × {height}"


def _seeded(value: Any) -> dict[str, Any] | None:
    """None, and so no edit, for what is no seed."""
    return {"seed": value} if isinstance(value, int) and 0 <= value <= LARGEST_SEED else None


def _why_not(view: View, scene: Mapping[str, Any]) -> str:
    """Why a scene can't be rendered; "" if it can."""
    if scene["locked"]:
        return "Locked: unlock it to render it again."
    if not scene["prompt"].strip():
        return "Write a prompt on its card to render it."
    if view.stands.get("state") == "blank" and view.stands["reasons"]:
        return sentence("; ".join(view.stands["reasons"]))
    own = view.take and view.take["source"] == "imported"
    return "It shows a clip of your own. To render it, choose another take or delete that one." if own else ""


def _is_rendered(view: View, scene: Mapping[str, Any]) -> bool:
    """Whether a render would give the take that is chosen already."""
    take, own = view.take, (scene["seed"], scene["steps"])
    return bool(take and take["fresh"] and not scene["new_seed"] and (take["seed"], take["steps"]) == own)


def how_far(job: Mapping[str, Any]) -> str:
    """How far a job that runs is, in words: in seconds, if some are finished before others."""
    if job["lasts"]:
        return f"{job['seconds']:.0f} of {job['lasts']:.0f} s finished"
    return f"Step {job['step']} of {job['total']}"


def said(job: Mapping[str, Any]) -> str:
    """How a job is doing, in words."""
    if not job:
        return ""
    ahead = max(job["position"] - 1, 0)
    words = {
        "queued": f"Queued, {counted(ahead, 'scene')} before it" if ahead else "Queued, next in line",
        "running": how_far(job) if job["total"] else "Starting",
        "failed": f"Failed: {job['error']}",
        "cancelled": "Cancelled",
    }.get(job["state"], "")
    return f"{words}. {job['notice']}" if job["notice"] and job["state"] == "running" else words
