"""The Remembers tab: what the filter keeps of every earlier prompt, how strongly and why, and overruling that."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from ..components.part import Part
from ..components.remembers import FILTER, MUTED, PINNED, Past, Remembers, Word
from ..components.slider import Slider
from ..components.words import Words
from ..desk import QUIET, Desk, Place, View, Window, news
from ..wording import counted, sentence
from .panel import Page, Panel, Updates

NO_PAST = "Nothing to remember yet. Later scenes remember what their words share with the prompts of earlier scenes."
NO_PROMPT = "This scene has no prompt yet. What it remembers depends on its words: write them on its card."
IMPORTED = "It shows a clip of your own, which remembers nothing. A render would remember this:"
FORGOTTEN = (
    "At a history guidance of 0 (w2) none of this is used: the scene remembers nothing, and no change of it makes it "
    "stale."
)
LEGEND = """
<ul><li><span class="word kept">kept</span> the stronger the closer</li>
<li><span class="word kept pinned">pinned</span> always kept</li>
<li><span class="word dropped">dropped</span> not close enough</li>
<li><span class="word muted">muted</span> never kept</li></ul>
<p class="explain">Choose a word to overrule the filter or to see where it was looked at. On a word, P pins, M mutes, F
leaves it to the filter.</p>
"""
Refs = list[Mapping[str, Any]]


class Memory(Panel):
    tab = "remembers"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        Part("thread")
        self.nothing = Words(elem_classes="nothing-box")
        with gr.Column(elem_classes="memory") as self.body:
            with gr.Row(elem_classes="acts"):
                self.threshold = Slider(0, 1, step=0.01, label="Similarity needed to be kept", scale=3, buttons=[])
                self.default = gr.Button("Default", size="sm")
            self.own = gr.HighlightedText(
                label="Words of this scene that reach back", show_legend=False, show_inline_category=False,
                color_map={"kept": "#e29614"}, elem_classes="own",
            )  # fmt: skip
            self.aside = Words(elem_classes="quietly")
            self.summary = Words(elem_classes="summary")
            self.list = Remembers()
            gr.HTML(LEGEND, apply_default_css=False, elem_classes="legend")

    # --- what it shows

    def paint(self, view: View) -> Updates:
        if not view.scene:
            return {}
        before = view.story["scenes"][: view.number - 1]
        past, prompt = any(scene["prompt"].strip() for scene in before), view.scene["prompt"].strip()
        past = past or bool(view.scene["keep"]) or any(entry["pictures"] for entry in view.story["cast"])
        past = past or bool(prompt and view.story.get("casting") and self._has_more(view, view.scene))
        painted: Updates = {
            self.nothing: {"value": "" if past and prompt else NO_PAST if not past else NO_PROMPT},
            self.body: {"visible": bool(past and prompt)},
        }
        return painted | (self._kept(view, view.scene) if past and prompt else {})

    def _has_more(self, view: View, scene: Mapping[str, Any]) -> bool:
        """Whether the model casts somebody whom the scene names, or it remembers the picture with which it begins."""
        found = self.desk.ask("remembers", view.place, scene=scene["id"])
        return bool(found.get("cast") or found.get("past"))

    def _kept(self, view: View, scene: Mapping[str, Any]) -> Updates:
        found = self.desk.ask("remembers", view.place, scene=scene["id"])
        if not found["ok"]:
            return {self.summary: {"value": found["error"]}}
        maps = self.desk.ask("maps", view.place, scene=scene["id"]).get("maps", []) if scene["chosen"] else []
        own = [(piece["text"], "kept" if piece.get("kept") else None) for piece in found["prompt_pieces"]]
        aside = IMPORTED if view.take and view.take["source"] == "imported" else ""
        return {
            self.threshold: {"value": found["threshold"]},
            self.default: {"interactive": scene["threshold"] is not None},
            self.own: {"value": own},
            self.aside: {"value": aside or ("" if scene["guidance"]["history"] else FORGOTTEN)},
            self.summary: {"value": summed(found, bool(scene["guidance"]["history"]))},
            self.list: {"value": [shown(past, scene, maps) for past in pasts(found)]},
        }

    # --- what it does

    def wire(self, page: Page) -> None:
        def try_out(here: str, threshold: float, window: Window, drafts: Any) -> Updates:
            place = Place.read(here)
            with window.writing(self.threshold._id):
                group = window.group(f"{place.scene}:threshold")
                reply = self.desk.edit_scene(place, {"threshold": threshold}, group)
                window.shown[self.threshold._id] = {"value": threshold}
                told = page.repaint(place, window, drafts)
            return told | {page.board: gr.update(news=news(reply))}

        def forget_threshold(place: Place) -> Any:
            return gr.update(news=news(self.desk.edit_scene(place, {"threshold": None})))

        def forget(place: Place, event: gr.EventData) -> Any:
            op = {"do": "mute_scene", "scene": place.scene, "muted": event.scene, "on": event.on}
            return gr.update(news=news(self.desk.ask("edit", place, op=op)))

        def rule(place: Place, event: gr.EventData) -> Any:
            reply: Mapping[str, Any] = {}
            group = secrets.token_hex(4)  # all of it is one step of undo
            for op in self._rulings(place, event.scene, event.start, event.how):
                reply = self.desk.ask("edit", place, op=op, group=group)
            return gr.update(news=news(reply))

        moved = [self.threshold.input, self.threshold.release]
        gr.on(moved, try_out, [page.here, self.threshold, page.window, page.drafts], page.shown, **QUIET)
        self.default.click(forget_threshold, page.board, page.board, **QUIET)
        self.list.forget(forget, page.board, page.board, **QUIET)
        self.list.rule(rule, page.board, page.board, **(QUIET | {"trigger_mode": "multiple"}))

    def _rulings(self, place: Place, past_id: str, start: int, how: str) -> Iterator[dict[str, Any]]:
        """The edits that pin or mute a word, or leave it to the filter: other rulings of its mention go first."""
        view, found = self.desk.look(place), self.desk.ask("remembers", place, scene=place.scene)
        past = next((past for past in pasts(found) if past["scene"] == past_id), None)
        piece = next((piece for piece in past["pieces"] if piece.get("start") == start), None) if past else None
        if not view or not view.scene or not past or not piece:
            return
        word = {"scene": past_id, "text": piece["text"], "occurrence": piece["occurrence"]}
        for ref in rulings_of(view.scene, past, piece):
            if how == FILTER or not _same(ref, word):
                own = {name: ref[name] for name in ("scene", "text", "occurrence")}
                yield {"do": "release_word", "scene": place.scene, "word": own}
        if how != FILTER:
            yield {"do": "pin_word" if how == PINNED else "mute_word", "scene": place.scene, "word": word}


def pasts(found: Mapping[str, Any]) -> Refs:
    """What the verb `remembers` tells of: entries of the cast that are named in the scene, then earlier scenes."""
    cast = [past for past in found.get("cast", []) if past["kept"] or past["muted"] or _is_ruled(past)]
    return [*cast, *found.get("past", [])]


def _is_ruled(past: Mapping[str, Any]) -> bool:
    return any(piece.get("pinned") or piece.get("muted") for piece in past["pieces"])


def summed(found: Mapping[str, Any], used: bool = True) -> str:
    """How much is kept, in a sentence. found: what the verb `remembers` says. used: the history guidance is not 0."""
    own = [past for past in found["past"] if past["former"]]
    name = next((past["own"] for past in own), "").replace("this scene, before", "what it was before")
    earlier = [past for past in found["past"] if not past["former"]]
    before = [past for past in earlier if past["kept"]]
    words, rest = (sum(bool(p.get("kept")) for past in some for p in past["pieces"]) for some in (before, own))
    cast = " and ".join(past["name"] for past in found["cast"] if past["kept"])
    of = [f"{cast} of the cast"] if cast else []
    of += [f"{counted(words, 'word')} of {len(before)} of {counted(len(earlier), 'earlier scene')}"] if before else []
    told = [f"{'Remembers' if used else 'Would remember'} {', '.join(of)}"] if of else []
    told += [f"Keeps {counted(rest, 'word')} of {name}"] if rest else []
    if told:
        return ". ".join(told)
    if not earlier:
        return f"Keeps nothing of {name}" if own else "Remembers nothing of the cast"
    return f"Remembers nothing of {'the earlier scene' if len(earlier) == 1 else f'the {len(earlier)} earlier scenes'}"


def shown(past: Mapping[str, Any], scene: Mapping[str, Any], maps: Refs) -> Past:
    """An earlier scene, or an entry of the cast, as the component shows it."""
    own = {str(found["start"]): found for found in maps if found["scene"] == past["scene"]}
    return Past(
        scene=past["scene"],
        number=0 if past.get("former", True) else past["number"],
        entry=past.get("name", ""),
        own=past.get("own", ""),
        words=[_word(piece, past, scene) for piece in past["pieces"]],
        picture=past["keyframe"],
        kept=bool(past["kept"]) and not past["muted"],
        forgotten=bool(past["muted"]),
        maps=own,
    )


def _word(piece: Mapping[str, Any], past: Mapping[str, Any], scene: Mapping[str, Any]) -> Word:
    if not piece.get("content"):
        why = f"{sentence(piece['reason'])}: never remembered" if piece.get("reason") else ""
        return Word(piece["text"], why=why)
    refs = rulings_of(scene, past, piece)
    how = MUTED if any(ref in scene["mutes"] for ref in refs) else PINNED if refs else FILTER
    kind, why = _marked(piece, past, how)
    score = piece.get("score")
    strength = 1.0 if score is None else max(0.0, min(1.0, (score - 0.4) / 0.6))
    return Word(piece["text"], piece["start"], kind, why, strength, how)


def _marked(piece: Mapping[str, Any], past: Mapping[str, Any], how: str) -> tuple[str, str]:
    """How a word is marked, and why in words."""
    if past["muted"]:
        return "dropped", "Dropped: the whole scene is forgotten"
    if how == PINNED:
        return "kept pinned", "Kept: you pinned it"
    if how == MUTED:
        return "muted", "Dropped: you muted it"
    return ("kept" if piece["kept"] else "dropped"), _reason(piece, past)


def _reason(piece: Mapping[str, Any], past: Mapping[str, Any]) -> str:
    """Why the filter kept or dropped a word. A mention is kept or dropped whole, for the sake of its closest word."""
    mention = [other for other in past["pieces"] if other.get("content") and other["mention"] == piece["mention"]]
    closest = max([piece, *mention], key=lambda other: other.get("score") or 0.0)
    if piece["kept"] and closest["start"] != piece["start"]:
        return f"Kept with “{closest['text']}”: {closest['reason']}"
    match = f", matches “{piece['matched']}”" if piece.get("matched") else ""
    told = any(letter.isdigit() for letter in piece["reason"]) or piece.get("score") is None
    figure = "" if told else f" · similarity {piece['score']:.2f}"
    return sentence(f"{'kept' if piece['kept'] else 'dropped'}: {piece['reason']}{match}{figure}")


def rulings_of(scene: Mapping[str, Any], past: Mapping[str, Any], piece: Mapping[str, Any]) -> Refs:
    """The scene's pins and mutes of a word: its own, or of its mention, which is kept or dropped whole."""
    own = [ref for ref in (*scene["pins"], *scene["mutes"]) if ref["scene"] == past["scene"]]
    mention = [other for other in past["pieces"] if other.get("content") and other["mention"] == piece["mention"]]
    words = [{**word, "scene": past["scene"]} for word in (mention or [piece])]
    return [
        ref
        for ref in own
        if any(_same(ref, word) for word in words) or (piece["text"] in ref["text"] and ref["text"] != piece["text"])
    ]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("scene", "text", "occurrence"))
