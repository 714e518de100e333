"""What a scene makes of the cast: for the method an entry is a past scene that the film does not show.

Its prompt is the caption of one of its pictures, its keyframe that picture; the filter keeps its name wherever a prompt
mentions it. Looks are anchored: earlier scenes give nothing for that mention, unless the story or the scene asks for
"both", the picture and earlier scenes, or for the entry "as last seen".

Imports neither torch nor gradio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from pipeline.picturebook.casting import Casting

from ..decisions import Decision, Dropped, KeptWord, WordPlace
from ..former import Former
from ..occurrences import named_in
from ..story import Conditioning, Scene, Story
from .entries import CastChoice, CastEntry, CastPicture, CastTaught

USUAL = ("usual", "as usual")  # states that end another one


class Span(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True)
class Anchor:
    """A cast entry as the past of one scene."""

    entry: CastEntry
    picture: CastPicture
    prompt: str
    why: str  # this picture, in words
    last_seen: bool = False
    beside: bool = False  # earlier scenes are remembered too
    since: str = ""  # id of the scene that named the state that holds: what was before gives nothing
    drawn: Casting | None = None  # which picture that is not in the cast: see `castings`

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def keyframe(self) -> str:
        return self.picture.file


@dataclass(frozen=True)
class _State:
    name: str = ""
    scene: str = ""  # id of the one from which on it holds


def anchors(story: Story, scene: Scene) -> list[Anchor]:
    """Of every entry with a picture, in the order of the cast."""
    return [_anchor(story, scene, entry) for entry in story.cast if entry.pictures] if scene.prompt.strip() else []


def _anchor(story: Story, scene: Scene, entry: CastEntry) -> Anchor:
    choice, state = choice_of(story, scene, entry.id), state_at(story, scene, entry)
    picture, why = _looked_at(entry, scene.prompt, state, choice)
    shown = picture.state == state.name
    last_seen = choice.look == "last seen" or (not shown and state.scene not in ("", scene.id))
    caption, beside = _caption(entry, picture, scene.prompt), choice.look == "both" and not last_seen
    return Anchor(entry, picture, caption, why, last_seen, beside, state.scene)


def choice_of(story: Story, scene: Scene, entry: str) -> CastChoice:
    """A scene's choice about an entry; what it leaves open is the story's."""
    own, whole = (_choice(choices, entry) for choices in (scene.cast_choices, story.cast_choices))
    return own.model_copy(update={"look": own.look or whole.look or "cast", "picture": own.picture or whole.picture})


def _choice(choices: Sequence[CastChoice], entry: str) -> CastChoice:
    return next((choice for choice in choices if choice.entry == entry), CastChoice(entry=entry))


def state_at(story: Story, scene: Scene, entry: CastEntry) -> _State:
    """The costume state that holds in a scene: the last that was chosen or named, "Mia, wet" or "wet Mia"."""
    names, found = known_states(entry), _State()
    if not names:
        return found
    for earlier in islice(story.scenes, story.index(scene.id) + 1):
        chosen = _choice(earlier.cast_choices, entry.id).state
        named = chosen if chosen is not None else _named_state(entry, names, earlier.prompt)
        if named is not None and named != found.name:
            found = _State(named, earlier.id)
    return found


def known_states(entry: CastEntry) -> list[str]:
    """Those with words or pictures of their own."""
    found = [state.name for state in entry.states] + [picture.state for picture in entry.pictures]
    return [name for name in dict.fromkeys(found) if name]


def _named_state(entry: CastEntry, names: Sequence[str], prompt: str) -> str | None:
    """None if the prompt names none; "" for as usual."""
    for start, end in name_places(entry, prompt):
        for name in (*names, *USUAL):
            said = re.escape(name)
            after, before = rf"\s*,\s*{said}(?!\w)", rf"(?<!\w){said}\s+$"
            if re.match(after, prompt[end:], re.IGNORECASE) or re.search(before, prompt[:start], re.IGNORECASE):
                return "" if name in USUAL else name
    return None


def name_places(entry: CastEntry, text: str) -> list[tuple[int, int]]:
    """Characters of a text where any of an entry's names stands."""
    return sorted(place for name in entry.names for place in named_in(text, name))


def _looked_at(entry: CastEntry, prompt: str, state: _State, choice: CastChoice) -> tuple[CastPicture, str]:
    """Which picture, and why it is that one."""
    own = next((picture for picture in entry.pictures if picture.id == choice.picture), None)
    if own:
        return own, "it was chosen"
    fitting = [picture for picture in entry.pictures if picture.state == state.name]
    why = f"it shows {entry.name}, {state.name}" if state.name and fitting else ""
    pictures = fitting or [picture for picture in entry.pictures if not picture.state] or list(entry.pictures)
    for picture in pictures:
        if picture.view and named_in(prompt, picture.view):
            return picture, f"the prompt says *{picture.view}*"
    shared = [len(_words(picture.caption) & _words(prompt)) for picture in pictures]
    best = shared.index(max(shared))
    if len(pictures) > 1 and shared[best] > shared[0]:
        words = sorted(_words(pictures[best].caption) & _words(prompt) - _words(pictures[0].caption))
        return pictures[best], f"its caption has *{' '.join(words)}* too"
    return pictures[0], why or ("it is the first one" if len(pictures) > 1 else "it is the only one")


def _words(text: str) -> frozenset[str]:
    """Without short ones such as "the"."""
    return frozenset(word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3 or not word.isascii())


def _caption(entry: CastEntry, picture: CastPicture, prompt: str) -> str:
    """What the picture shows, with the entry named as in the prompt, where that names it."""
    said = [name for name in entry.names if named_in(prompt, name)]
    name = said[0] if said else entry.name
    if not picture.caption.strip():
        state = next((state for state in entry.states if state.name == picture.state), None)
        about = state.words if state and state.words else entry.words
        return f"{name}, {about}." if about.strip() else f"{name}."
    places = name_places(entry, picture.caption)
    if not places:
        return f"{name}, {picture.caption}"
    start, end = places[0]
    return picture.caption[:start] + name + picture.caption[end:]


def taught_in(story: Story, scene: Scene, model: str) -> Iterator[tuple[CastEntry, CastTaught]]:
    """The entries that a scene's prompt names and that its model, by the digest of its weights, was taught."""
    for entry in story.cast:
        taught = entry.taught
        if taught and taught.model == model and taught.strength and name_places(entry, scene.prompt):
            yield entry, taught


def changed_adapters(story: Story, old: Conditioning, new: Conditioning) -> Iterator[str]:
    """In words, how what was taught differs between two takes."""
    before, now = ({adapter.entry: adapter for adapter in made.adapters} for made in (old, new))
    for entry, adapter in now.items():
        was = before.get(entry)
        if was is None or was.file != adapter.file:
            yield f"{_entry_name(story, entry)} was taught{' again' if was else ''}"
        elif was.strength != adapter.strength:
            yield f"how strongly {_entry_name(story, entry)} was taught {was.strength:g} → {adapter.strength:g}"
        elif was.followed != adapter.followed:
            yield f"how scenes follow what {_entry_name(story, entry)} was taught changed"
    for entry in before.keys() - now.keys():
        yield f"what was taught of {_entry_name(story, entry)} does not count any more"


def _entry_name(story: Story, entry: str) -> str:
    return f"*{story.entry(entry).name}*" if story.has_entry(entry) else "an entry that was deleted"


# --- what outranks what ----------------------------------------------------------------------------------------------


def strays(found: Sequence[Anchor], decision: Decision, first: int) -> Iterator[tuple[int, int, int]]:
    """Kept words of captions that are no name of their entry: (scene, start, end). Of an entry nothing else is kept.
    first: where in the decision the anchors begin."""
    for index, anchor in enumerate(found, first):
        names = name_places(anchor.entry, anchor.prompt)
        for words in _mentions(decision, index).values():
            if not any(_meets(word, *place) for word in words for place in names):
                yield index, words[0].start, words[-1].end


def outranked(
    past: Sequence[Scene | Former | Anchor], found: Sequence[Anchor], decision: Decision, pins: Sequence[WordPlace]
) -> Dropped:
    """The mentions that a scene drops, for the cast says how they look, or for an entry is shown as last seen. past:
    that of the decision, which ends with the anchors. What is pinned stays."""
    first, gone = len(past) - len(found), dict[tuple[int, int], str]()
    for place, anchor in enumerate(found, first):
        own = _mentions(decision, place)
        targets = {word.matched for words in own.values() for word in words if word.matched}
        if targets:
            seen = {index: _about(decision, index, targets) for index in range(first)}
            gone |= _drops(past, anchor, place, {i: mentions for i, mentions in seen.items() if mentions}, set(own))
    return {key: why for key, why in gone.items() if not _pinned(decision, key, pins)}


def _drops(
    past: Sequence[Scene | Former | Anchor], anchor: Anchor, place: int, seen: Mapping[int, set[int]], own: set[int]
) -> Dropped:
    """seen: the mentions of past scenes that mean what the anchor means."""
    shown = [scene.id for scene in past if isinstance(scene, Scene)]  # in the film, before all the rest
    begin = shown.index(anchor.since) if anchor.since in shown else 0
    latest = max((index for index in seen if begin <= index < len(shown)), default=None) if anchor.last_seen else None
    if latest is None:
        why = f"the cast says how {anchor.entry.name} looks"
        if anchor.since and anchor.since not in shown:  # the scene itself begins the state
            begin = len(shown)
        gone = {index: mentions for index, mentions in seen.items() if not anchor.beside or index < begin}
        return {(index, mention): why for index, mentions in gone.items() for mention in mentions}
    why = f"{anchor.entry.name} is shown as last seen"
    others = {index: mentions for index, mentions in seen.items() if index != latest} | {place: own}
    return {(index, mention): why for index, mentions in others.items() for mention in mentions}


def _about(decision: Decision, index: int, targets: set[str]) -> set[int]:
    return {
        word.mention
        for word in decision.scenes[index].words
        if word.kept and word.mention is not None and word.matched in targets
    }


def _mentions(decision: Decision, index: int) -> dict[int, list[KeptWord]]:
    """The kept mentions of a past scene."""
    mentions: dict[int, list[KeptWord]] = {}
    for word in decision.scenes[index].words:
        if word.kept and word.mention is not None:
            mentions.setdefault(word.mention, []).append(word)
    return mentions


def _pinned(decision: Decision, key: tuple[int, int], pins: Sequence[WordPlace]) -> bool:
    words = _mentions(decision, key[0]).get(key[1], []) if pins else []
    return any(pin.scene == key[0] and _meets(word, pin.start, pin.end) for word in words for pin in pins)


def _meets(word: Span, start: int, end: int) -> bool:
    return word.start < end and word.end > start
