"""The What if tab: the same take without its history or without one word, beside the chosen one; and the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from ..components.pair import Pair, Side
from ..components.words import Words
from ..desk import QUIET, SAVED_FIRST, Desk, Place, View, Window, news
from ..wording import sentence
from .panel import Page, Panel, Updates, chips
from .remembers import pasts
from .sheet import Sheet

NO_TAKE = "Render the scene first. Then it can be rendered again without what it remembers, and shown beside it."
IMPORTED = (
    "A clip of your own is not rendered again: choose a take that was rendered to see it without what it remembers."
)
EXPLAINED = "Renders the chosen take again from the same seed, without what you take away, and shows both in step."
NOTHING_KEPT = "This scene remembers nothing, so there is nothing to take away."
FORGOTTEN = "At a history guidance of 0 (w2) it remembers nothing, so there is nothing to take away."
STALE = "The chosen take is stale: part of the difference comes from what changed since."
OVER = ("done", "failed", "cancelled")


class WhatIf(Panel):
    tab = "whatif"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.nothing = Words(elem_classes="nothing-box")
        with gr.Column(elem_classes=["group", "first"]) as self.asking:
            gr.Markdown("### What if it did not remember?")
            gr.Markdown(EXPLAINED, elem_classes="quietly")
            self.history = gr.Button("Without any history", size="sm", elem_classes="lone")
            self.words = gr.Dataset(
                components=[gr.Textbox(visible=False)], samples=[], type="index", label="Without a word",
                layout="gallery", samples_per_page=100, elem_classes="chips",
            )  # fmt: skip
            self.note = Words(elem_classes="quietly")
            self.earlier = gr.Radio([], label="Trials", visible=False)
            with gr.Row(elem_classes="acts"):
                self.line = Words(elem_classes="making-line")
                self.stop = gr.Button("Cancel the trial", size="sm", visible=False)
            self.pair = Pair(difference=True)
            self.caution = Words(elem_classes="quietly")
        self.sheet = Sheet(desk)

    # --- what they show

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        take = view.take
        able = bool(take) and take["source"] != "imported" if take else False
        used = bool(view.scene["guidance"]["history"])
        remembered = self._remembered(view.place)
        kept = _kept(remembered) if able and used else []
        trials = [trial for trial in self._trials(view.place) if not trial["sheet"]]
        picked = next((trial for trial in trials if trial["id"] == view.window.picked), trials[-1] if trials else None)
        sources = _sources(view.story, remembered)
        labels = {trial["id"]: _label(trial, sources) for trial in trials}
        return {
            self.nothing: {"value": "" if able else NO_TAKE if not take else IMPORTED},
            self.asking: {"visible": able},
            self.history: {"interactive": bool(kept)},
            self.words: chips([f"Without “{word['text']}” of {word['of']}" for word in kept])
            | {"visible": bool(kept)},
            self.note: {"value": "" if kept else NOTHING_KEPT if used else FORGOTTEN},
            self.earlier: {"choices": [(label, trial) for trial, label in labels.items()],
                           "value": picked["id"] if picked else None, "visible": len(trials) > 1},
            **self._result(view, picked, labels[picked["id"]] if picked else ""),
            **self.sheet.paint(view),
        }  # fmt: skip

    def busy(self, view: View) -> bool:
        """Whether a trial of the scene is under way."""
        return any(trial["state"] not in OVER for trial in self._trials(view.place))

    def _result(self, view: View, trial: Mapping[str, Any] | None, label: str) -> Updates:
        takes = view.scene["takes"] if view.scene else []
        take = next((take for take in takes if trial and take["id"] == trial["against"]), None)
        done = bool(trial and trial["state"] == "done" and take)
        pair = (Side.of(take, "As it is"), Side.of(trial, sentence(label))) if trial and take and done else None
        return {
            self.line: {"value": "" if done or not trial else _said(trial, label)},
            self.stop: {"visible": bool(trial and trial["state"] not in OVER)},
            self.pair: {"value": pair},
            self.caution: {"value": STALE if take and done and not take["fresh"] else ""},
        }

    def _trials(self, place: Place) -> list[Mapping[str, Any]]:
        return list(self.desk.ask("trials_of", place, scene=place.scene).get("trials", []))

    def _remembered(self, place: Place) -> list[Mapping[str, Any]]:
        return list(pasts(self.desk.ask("remembers", place, scene=place.scene)))

    # --- what they do

    def wire(self, page: Page) -> None:
        self.sheet.wire(page)

        def attempt(place: Place, window: Window, drafts: Any, without: Mapping[str, Any]) -> Updates:
            reply = self.desk.ask("what_if", place, scene=place.scene, without=without)
            window.picked = reply["trials"][0] if reply["ok"] else window.picked
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news(reply))}

        def without_history(place: Place, window: Window, drafts: Any) -> Updates:
            return attempt(place, window, drafts, {"history": True})

        def without_word(place: Place, window: Window, drafts: Any, index: int) -> Updates:
            kept = _kept(self._remembered(place))
            if index >= len(kept):
                return page.repaint(place, window, drafts)
            return attempt(
                place, window, drafts, {"word": {name: kept[index][name] for name in ("scene", "start", "end")}}
            )

        def pick(place: Place, window: Window, drafts: Any, trial: str) -> Updates:
            window.picked = trial
            return page.repaint(place, window, drafts)

        def stop(place: Place, window: Window) -> Any:
            trials = [t["id"] for t in self._trials(place) if not t["sheet"] and t["state"] not in OVER]
            return gr.update(news=news(self.desk.ask("cancel_trials", place, ids=trials)))

        self.history.click(without_history, page.looking, page.shown, js=SAVED_FIRST, **QUIET)
        self.words.click(without_word, [*page.looking, self.words], page.shown, js=SAVED_FIRST, **QUIET)
        self.earlier.input(pick, [*page.looking, self.earlier], page.shown, **QUIET)
        self.stop.click(stop, [page.board, page.window], page.board, **QUIET)


def _kept(remembered: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What counts of it, phrase by phrase."""
    return [phrase for past in remembered if past["kept"] and not past["muted"] for phrase in phrases(past)]


def phrases(past: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Kept mentions of an earlier scene, each with the characters from its first word to its last."""
    found: dict[str, Any] | None = None
    gap = ""
    for piece in past["pieces"]:
        if not piece.get("kept"):
            gap += piece["text"]
            continue
        if found and found["mention"] == piece["mention"]:
            found |= {"text": found["text"] + gap + piece["text"], "end": piece["end"]}
        else:
            if found:
                yield found
            of = f"{past['name']} of the cast" if "name" in past else f"scene {past['number']}"
            found = {"scene": past["scene"], "of": of, **piece}
        gap = ""
    if found:
        yield found


def _sources(story: Mapping[str, Any], remembered: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """What words may come from, by id: scenes, entries of the cast, and whom the model cast."""
    scenes = {scene["id"]: f"scene {number}" for number, scene in enumerate(story["scenes"], 1)}
    cast = {one["id"]: one["name"] for one in story["cast"]}
    cast |= {past["scene"]: past["name"] for past in remembered if "name" in past}
    return scenes | {entry: f"{name} of the cast" for entry, name in cast.items()}


def _label(trial: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    without = trial["without"]
    if not without:
        return "without any history"
    return f"without “{without['text']}” of {sources.get(without['scene'], 'a scene that is gone')}"


def _said(trial: Mapping[str, Any], label: str) -> str:
    if trial["state"] == "running" and trial["total"]:
        return f"Rendering {label}: step {trial['step']} of {trial['total']}"
    return {
        "queued": f"Queued: {label}",
        "running": f"Rendering {label}",
        "failed": f"Failed: {trial['error'] or 'try again'}",
        "cancelled": "Cancelled",
        "done": "The take that it was compared with was deleted.",
    }.get(str(trial["state"]), "")
