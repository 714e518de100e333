"""Captions in free English. What they say is true of the picture; most of a look they leave unsaid."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .world import PREPOSITION, Actor, WorldScene, WorldStory

# (gerund, third person singular, plural); the first form is the usual one
ACTION_FORMS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "running": (("running", "runs", "run"), ("jogging", "jogs", "jog")),
    "walking": (("walking", "walks", "walk"), ("strolling", "strolls", "stroll")),
    "jumping": (("jumping", "jumps", "jump"), ("hopping", "hops", "hop")),
    "waving": (("waving", "waves", "wave"), ("waving hello", "waves hello", "wave hello")),
    "dancing": (("dancing", "dances", "dance"),),
    "skiing": (("skiing", "skis", "ski"),),
    "cycling": (
        ("riding a bicycle", "rides a bicycle", "ride bicycles"),
        ("riding a bike", "rides a bike", "ride bikes"),
        ("cycling", "cycles", "cycle"),
    ),
    "playing": (
        ("playing with a ball", "plays with a ball", "play with balls"),
        ("bouncing a ball", "bounces a ball", "bounce balls"),
    ),
}
PLACE_FORMS: dict[str, tuple[str, ...]] = {
    "playground": ("playground",),
    "snow": ("snow",),
    "beach": ("beach", "seaside"),
    "forest": ("forest", "woods"),
    "street": ("street", "road"),
    "kitchen": ("kitchen",),
    "desert": ("desert",),
    "farm": ("farm", "farmyard"),
}
SHOT_FORMS: dict[str, tuple[str, ...]] = {
    "wide": ("wide shot", "long shot"),
    "medium": ("medium shot",),
    "close": ("close shot", "close-up"),
}
PLACE_PREPOSITION = PREPOSITION | {"seaside": "at", "woods": "in", "road": "on", "farmyard": "in"}
GARMENT = {"person": "coat", "cat": "sweater", "dog": "sweater"}


# While a sentence is put together, what it says of whom is enclosed in these characters; `_spans` takes them out.
_OPEN = {label: chr(0xE000 + i) for i, label in enumerate(("place", "actor 0", "actor 1", "action 0", "action 1"))}
_CLOSE = chr(0xE0FF)


@dataclass(frozen=True)
class CaptionSpan:
    """Characters start to end of a caption speak of the place, of an actor or of what the actor does."""

    start: int
    end: int
    label: str  # "place", "actor 0", "actor 1", "action 0", "action 1"


@dataclass(frozen=True)
class Caption:
    text: str
    spans: tuple[CaptionSpan, ...]


def _marked(text: str, label: str) -> str:
    return f"{_OPEN[label]}{text}{_CLOSE}"


def _spans(marked: str) -> Caption:
    """A sentence with marks to the sentence and the spans, the first letter made a capital."""
    text, spans, opened = "", [], {}
    labels = {char: label for label, char in _OPEN.items()}
    for char in marked:
        if char in labels:
            opened[labels[char]] = len(text)
        elif char == _CLOSE:
            label, start = opened.popitem()
            spans.append(CaptionSpan(start, len(text), label))
        else:
            text += char
    return Caption(text[0].upper() + text[1:], tuple(spans))


def caption(
    scene: WorldScene, rng: random.Random, *, seen: frozenset[str] = frozenset(), plain: bool = False
) -> Caption:
    """One sentence for `scene`. `seen` holds the names of actors that earlier captions introduced.

    plain=True gives the commonest form and says nothing of anybody's look (the benchmark's captions).
    """
    who = [_marked(_call(actor, rng, actor.name in seen, plain), f"actor {i}") for i, actor in enumerate(scene.cast)]
    where = _where(scene, rng, plain)
    forms = [
        tuple(_marked(form, f"action {i}") for form in _form(action, rng, plain))
        for i, action in enumerate(scene.actions)
    ]
    if len(who) == 2 and scene.actions[0] != scene.actions[1]:
        text = f"{who[0]} is {forms[0][0]} and {who[1]} is {forms[1][0]} {where}."
    elif len(who) == 2:
        text = f"{who[0]} and {who[1]} {forms[0][2]} {where}." if rng.random() < 0.3 and not plain else ""
        text = text or f"{who[0]} and {who[1]} are {_several(forms[0][0])} {where}."
    else:
        style = 0 if plain else rng.choice((0, 0, 0, 1, 2))
        text = (
            f"{who[0]} is {forms[0][0]} {where}.",
            f"{who[0]} {forms[0][1]} {where}.",
            f"{where}, {who[0]} is {forms[0][0]}.",
        )[style]
    if not scene.shot:
        return _spans(text)
    shot = SHOT_FORMS[scene.shot][0] if plain else rng.choice(SHOT_FORMS[scene.shot])
    if len(who) == 1 and rng.random() < 0.5:
        return _spans(f"{shot} of {who[0]} {forms[0][0]} {where}.")
    return _spans(f"{shot}: {text}")


def story_captions(story: WorldStory, *, plain: bool = False, domain: str = "train") -> list[Caption]:
    """One caption a scene; an actor's first caption may introduce it ("Mia, a girl in a red coat, ...")."""
    rng, seen, texts = random.Random(f"caption/{domain}/{story.seed}"), frozenset[str](), list[Caption]()
    for scene in story.scenes:
        texts.append(caption(scene, rng, seen=seen, plain=plain))
        seen |= {actor.name for actor in scene.cast}
    return texts


def _call(actor: Actor, rng: random.Random, seen: bool, plain: bool) -> str:
    said = "" if plain or rng.random() < 0.75 else _description(actor, rng)
    if actor.kind != "person":
        return f"{'the' if seen else 'a'} {actor.name} {said}".strip()
    noun = "a girl" if actor.look.hair_style == "long" else "a boy"
    if not said:
        return actor.name
    return f"{actor.name}, {noun} {said}," if rng.random() < 0.5 else f"{actor.name} {said}"


def _description(actor: Actor, rng: random.Random) -> str:
    look, garment = actor.look, GARMENT.get(actor.kind)
    choices = []
    if garment:
        choices += [f"in {_article(look.top)} {look.top} {garment}", f"in {look.bottom} trousers"]
    if look.hat != "none":
        choices.append(f"with {_article(look.hat)} {look.hat} {'lamp' if actor.kind == 'robot' else 'hat'}")
    if look.hair:
        choices.append(f"with {look.hair} hair")
    return rng.choice(choices or [f"with {look.bottom} legs"])


def _several(gerund: str) -> str:
    """ "riding a bicycle" to "riding bicycles", inside its marks."""
    return gerund.replace(" a ", " ").replace(_CLOSE, "s" + _CLOSE) if " a " in gerund else gerund


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _where(scene: WorldScene, rng: random.Random, plain: bool) -> str:
    forms = PLACE_FORMS[scene.place.kind]
    word = forms[0] if plain or rng.random() < 0.85 else rng.choice(forms)
    return f"{PLACE_PREPOSITION[word]} the {_marked(word, 'place')}"


def _form(action: str, rng: random.Random, plain: bool) -> tuple[str, str, str]:
    forms = ACTION_FORMS[action]
    return forms[0] if plain or rng.random() < 0.8 else rng.choice(forms)
