"""Edits of the cast: pure functions Story -> Story, as in `edits`. Where a name changes, what mentions it follows:
prompts, captions, scripts, and the words that scenes pin or mute.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ThroughlineError

from ..conditioning import find_word, word_ref
from ..occurrences import capital, named_in
from ..script import DialogueLine, Script
from ..story import Board, Scene, Story, WordRef
from ..values import new_id, parse
from .castings import casting_named
from .entries import CastChoice, CastEntry, CastPicture, CastTaught, Seeds, first_twice

ENTRY_FIELDS = frozenset(["others", "kind", "words", "notes", "colour", "states"])
PICTURE_FIELDS = frozenset(["caption", "state", "view", "source"])
CHOICE_FIELDS = frozenset(["look", "state", "picture"])


def cast_by_model(story: Story, **changes: bool) -> Story:
    """Whether the model casts whom nobody describes (`on`), and can (`able`); the same people for the same story."""
    seeds = story.casting or Seeds(seed=int(hashlib.sha256(story.id.encode()).hexdigest()[:8], 16))
    return _with(story, casting=parse(Seeds, {**dict(seeds), **changes}))


def fitted(story: Story, able: bool) -> Story:
    """For another model. A story that casts nobody goes on so."""
    return cast_by_model(story, able=able) if story.casting else story


def recast(board: Board, name: str) -> Story:
    """Somebody else for a name that the model cast. Raises ThroughlineError if it casts nobody of that name."""
    role, seeds = casting_named(board, name)[1].role, board.story.casting or Seeds()
    return _with(board.story, casting=parse(Seeds, seeds.anew(role.title, role.name)))


def add_entry(story: Story, name: str, entry_id: str | None = None, **fields: Any) -> Story:
    """A new entry at the end of the cast. Raises ThroughlineError for a name that another one has."""
    _only(fields, ENTRY_FIELDS, "cast entry")
    entry = parse(CastEntry, {"id": entry_id or new_id(), "name": name, **fields})
    return _with(story, cast=(*story.cast, entry))


def put_entry(story: Story, entry: CastEntry) -> Story:
    """An entry as it is elsewhere: instead of this story's version of it, or as a new one."""
    if story.has_entry(entry.id):
        return rename_entry(_replaced(story, entry.model_copy(update={"name": story.entry(entry.id).name})), entry.id,
                            entry.name)  # fmt: skip
    return _with(story, cast=(*story.cast, entry))


def edit_entry(story: Story, entry_id: str, **changes: Any) -> Story:
    """Changes fields of an entry but for its name, which `rename_entry` changes, and its pictures."""
    _only(changes, ENTRY_FIELDS, "cast entry")
    return _replaced(story, parse(CastEntry, {**dict(story.entry(entry_id)), **changes}))


def remove_entry(story: Story, entry_id: str) -> Story:
    """The story without an entry and without what scenes said about it. Prompts stay."""
    story.entry(entry_id)
    scenes = [_about_another(scene, entry_id, None) for scene in story.scenes]
    choices = _choices_about(story.cast_choices, entry_id, None)
    return _with(story, cast=_others(story, entry_id), scenes=tuple(scenes), cast_choices=choices)


def rename_entry(story: Story, entry_id: str, name: str) -> Story:
    """Another name; what mentions the old one follows."""
    entry = story.entry(entry_id)
    if name == entry.name:
        return story
    others = tuple(other for other in entry.others if other.casefold() != name.casefold())
    renaming = _Renaming.of(story, entry, name)
    renamed = parse(CastEntry, {**dict(entry), "name": name, "others": others})
    return renaming.applied(_replaced(story, renamed))


def merge_entries(story: Story, entry_id: str, into: str) -> Story:
    """Two entries that are one: the second keeps its name and gets the pictures, states and names of the first; what
    mentions the first by its name follows."""
    gone, kept = story.entry(entry_id), story.entry(into)
    if gone.id == kept.id:
        raise ThroughlineError(f"cast entry {kept.name!r} can't be merged with itself: expected another one")
    renaming = _Renaming.of(story, gone, kept.name)
    states = (*kept.states, *(state for state in gone.states if state.name not in {s.name for s in kept.states}))
    merged = parse(CastEntry, {
        **dict(kept), "others": (*kept.others, *gone.names), "pictures": (*kept.pictures, *gone.pictures),
        "states": states, "kind": kept.kind or gone.kind, "words": kept.words or gone.words,
        "notes": "\n".join(filter(None, [kept.notes, gone.notes])),
    })  # fmt: skip
    cast = tuple(merged if entry.id == into else entry for entry in _others(story, gone.id))
    scenes = tuple(_about_another(scene, gone.id, into) for scene in story.scenes)
    choices = _choices_about(story.cast_choices, gone.id, into)
    return renaming.applied(_with(story, cast=cast, scenes=scenes, cast_choices=choices))


# --- pictures --------------------------------------------------------------------------------------------------------


def add_picture(story: Story, entry_id: str, picture: CastPicture) -> Story:
    """One more picture of an entry."""
    entry = story.entry(entry_id)
    return _replaced(story, parse(CastEntry, {**dict(entry), "pictures": (*entry.pictures, picture)}))


def edit_picture(story: Story, entry_id: str, picture_id: str, **changes: Any) -> Story:
    """Changes what is said of a picture."""
    _only(changes, PICTURE_FIELDS, "cast picture")
    picture = parse(CastPicture, {**dict(picture_of(story, entry_id, picture_id)), **changes})
    return _pictures(story, entry_id, lambda now: [picture if other.id == picture_id else other for other in now])


def remove_picture(story: Story, entry_id: str, picture_id: str) -> Story:
    """An entry without one of its pictures. A choice of it is left to what fits best again."""
    picture_of(story, entry_id, picture_id)
    story = _pictures(story, entry_id, lambda now: [other for other in now if other.id != picture_id])

    def left(choices: Sequence[CastChoice]) -> tuple[CastChoice, ...]:
        own = (c.model_copy(update={"picture": None}) if c.picture == picture_id else c for c in choices)
        return tuple(choice for choice in own if choice != CastChoice(entry=choice.entry))

    scenes = tuple(scene.model_copy(update={"cast_choices": left(scene.cast_choices)}) for scene in story.scenes)
    return _with(story, scenes=scenes, cast_choices=left(story.cast_choices))


def first_picture(story: Story, entry_id: str, picture_id: str) -> Story:
    """The picture that is looked at where none fits better."""
    first = picture_of(story, entry_id, picture_id)
    return _pictures(story, entry_id, lambda now: [first, *(other for other in now if other.id != picture_id)])


def picture_of(story: Story, entry_id: str, picture_id: str) -> CastPicture:
    """Raises ThroughlineError if the entry has none of that id."""
    entry = story.entry(entry_id)
    found = next((picture for picture in entry.pictures if picture.id == picture_id), None)
    if found is None:
        raise ThroughlineError(f"picture {picture_id!r} does not exist in cast entry {entry.name!r}")
    return found


def _pictures(story: Story, entry_id: str, change: Callable[[tuple[CastPicture, ...]], Sequence[CastPicture]]) -> Story:
    entry = story.entry(entry_id)
    return _replaced(story, entry.model_copy(update={"pictures": tuple(change(entry.pictures))}))


# --- what was taught -------------------------------------------------------------------------------------------------


def teach_entry(story: Story, entry_id: str, file: str, model: str) -> Story:
    """With what a model was taught of an entry, as strong as what it was taught before."""
    before = story.entry(entry_id).taught
    taught = {"file": file, "model": model, "strength": before.strength if before else 1.0}
    return _replaced(story, story.entry(entry_id).model_copy(update={"taught": parse(CastTaught, taught)}))


def weigh_entry(story: Story, entry_id: str, strength: float) -> Story:
    """How strongly what was taught of an entry counts. Raises ThroughlineError if nothing was."""
    entry = story.entry(entry_id)
    if entry.taught is None:
        raise ThroughlineError(f"cast entry {entry.name!r} was not taught: expected one that was")
    taught = parse(CastTaught, {**dict(entry.taught), "strength": strength})
    return _replaced(story, entry.model_copy(update={"taught": taught}))


def untaught_entry(story: Story, entry_id: str) -> Story:
    """Without what was taught of an entry."""
    return _replaced(story, story.entry(entry_id).model_copy(update={"taught": None}))


# --- choices ---------------------------------------------------------------------------------------------------------


def choose_look(story: Story, entry_id: str, scene_id: str | None = None, **changes: Any) -> Story:
    """What a scene, or, for None, the whole story makes of an entry: see `CastChoice`."""
    _only(changes, CHOICE_FIELDS, "cast choice")
    story.entry(entry_id)
    if changes.get("picture"):
        picture_of(story, entry_id, changes["picture"])
    scene = story.scene(scene_id) if scene_id is not None else None
    if scene is None and changes.get("state") is not None:
        raise ThroughlineError(f"state is {changes['state']!r} for the whole story: expected a scene from which on")
    choices = _chosen(scene.cast_choices if scene else story.cast_choices, entry_id, changes)
    if scene is None:
        return _with(story, cast_choices=choices)
    changed = scene.model_copy(update={"cast_choices": choices})
    return _with(story, scenes=tuple(changed if other.id == scene.id else other for other in story.scenes))


def _chosen(choices: Sequence[CastChoice], entry_id: str, changes: Mapping[str, Any]) -> tuple[CastChoice, ...]:
    before = next((choice for choice in choices if choice.entry == entry_id), CastChoice(entry=entry_id))
    after = parse(CastChoice, {**dict(before), **changes})
    others = tuple(choice for choice in choices if choice.entry != entry_id)
    return others if after == CastChoice(entry=entry_id) else (*others, after)


# --- names in texts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Renaming:
    """Where `old` stands, `new` is to stand, but not within the longer names of other entries."""

    old: str
    new: str
    longer: tuple[str, ...]

    @classmethod
    def of(cls, story: Story, entry: CastEntry, new: str) -> _Renaming:
        others = (name for other in story.cast for name in other.names if other.id != entry.id)
        return cls(entry.name, new, tuple(name for name in others if entry.name.casefold() in name.casefold()))

    def applied(self, story: Story) -> Story:
        scenes = tuple(map(self._scene, story.scenes))
        texts = {scene.id: (before.prompt, scene) for before, scene in zip(story.scenes, scenes, strict=True)
                 if before.prompt != scene.prompt}  # fmt: skip
        scenes = tuple(self._words_of(scene, texts) for scene in scenes)
        return _with(story, scenes=scenes, cast=tuple(map(self._entry, story.cast)))

    def text(self, text: str) -> str:
        parts, place = list[str](), 0
        for start, end in self._places(text):
            large = text[start] != self.old[0]  # a small name that begins a sentence
            parts += [text[place:start], capital(self.new) if large else self.new]
            place = end
        return "".join([*parts, text[place:]]) if parts else text

    def _places(self, text: str) -> list[tuple[int, int]]:
        found = named_in(text, self.old)
        covered = [place for name in self.longer for place in named_in(text, name)] if found else []
        return [(s, e) for s, e in found if not any(a <= s and e <= b for a, b in covered)]

    def _scene(self, scene: Scene) -> Scene:
        new = {"prompt": self.text(scene.prompt), "negative_prompt": self.text(scene.negative_prompt)}
        caption = scene.shot.caption and self.text(scene.shot.caption)
        changes: dict[str, Any] = {name: text for name, text in new.items() if text != getattr(scene, name)}
        if caption != scene.shot.caption:
            changes["shot"] = scene.shot.model_copy(update={"caption": caption})
        keep = scene.keep and scene.keep.model_copy(update={"prompt": self.text(scene.keep.prompt)})
        if keep != scene.keep:
            changes["keep"] = keep
        script = self._script(scene.script)
        if script != scene.script:
            changes["script"] = script
        return parse(Scene, {**dict(scene), **changes}) if changes else scene

    def _script(self, script: Script) -> Script:
        if script == Script():
            return script
        cast = tuple(dict.fromkeys(map(self._whole, script.cast)))
        said = tuple(map(self._line, script.dialogue))
        return script.model_copy(update={"cast": cast, "dialogue": said, "notes": self.text(script.notes)})

    def _line(self, line: DialogueLine) -> DialogueLine:
        return line.model_copy(update={"speaker": self._whole(line.speaker), "text": self.text(line.text)})

    def _whole(self, name: str) -> str:
        return self.new if name.casefold() == self.old.casefold() else self.text(name)

    def _entry(self, entry: CastEntry) -> CastEntry:
        pictures = tuple(p.model_copy(update={"caption": self.text(p.caption)}) for p in entry.pictures)
        return entry.model_copy(update={"pictures": pictures})

    def _words_of(self, scene: Scene, texts: Mapping[str, tuple[str, Scene]]) -> Scene:
        """A scene whose pins and mutes point to the same words as before."""
        if not (scene.pins or scene.mutes):
            return scene
        moved = {name: tuple(self._word(ref, texts) for ref in getattr(scene, name)) for name in ("pins", "mutes")}
        return scene.model_copy(update=moved)

    def _word(self, ref: WordRef, texts: Mapping[str, tuple[str, Scene]]) -> WordRef:
        if ref.scene not in texts:
            return ref if not self._places(ref.text) else ref.model_copy(update={"text": self.text(ref.text)})
        before, after = texts[ref.scene]
        place = find_word(before, ref)
        if place is None:
            return ref
        names = self._places(before)
        touched = [at for name in names if name[0] < place[1] and name[1] > place[0] for at in name]
        grown = len(self.new) - len(self.old)
        first, last = min([place[0], *touched]), max([place[1], *touched])
        start, end = (at + grown * sum(name[1] <= at for name in names) for at in (first, last))
        return word_ref(after, start, end)


# --- parts -----------------------------------------------------------------------------------------------------------


def _only(changes: Mapping[str, Any], names: frozenset[str], what: str) -> None:
    for name in sorted(changes.keys() - names):
        raise ThroughlineError(f"{name[:60]!r} of a {what} can't be edited: expected one of {', '.join(sorted(names))}")


def _with(story: Story, **changes: Any) -> Story:
    """Raises ThroughlineError for a name that two entries have, and for what is no story."""
    if twice := first_twice(changes.get("cast", ())):
        raise ThroughlineError(f"two entries of the cast are called {twice!r}, expected a name each")
    return parse(Story, {**dict(story), **changes})


def _replaced(story: Story, entry: CastEntry) -> Story:
    return _with(story, cast=tuple(entry if other.id == entry.id else other for other in story.cast))


def _others(story: Story, entry_id: str) -> tuple[CastEntry, ...]:
    return tuple(entry for entry in story.cast if entry.id != entry_id)


def _about_another(scene: Scene, gone: str, now: str | None) -> Scene:
    """A scene whose pins, mutes and choices about an entry are about another one, or about none."""

    def moved(words: Sequence[WordRef]) -> tuple[WordRef, ...]:
        own = (word.model_copy(update={"scene": now}) if word.scene == gone else word for word in words)
        return tuple(dict.fromkeys(word for word in own if word.scene is not None))

    muted = (now if other == gone else other for other in scene.muted_scenes)
    return scene.model_copy(
        update={
            "pins": moved(scene.pins),
            "mutes": moved(scene.mutes),
            "muted_scenes": tuple(dict.fromkeys(other for other in muted if other is not None)),
            "cast_choices": _choices_about(scene.cast_choices, gone, now),
        }
    )


def _choices_about(choices: Sequence[CastChoice], gone: str, now: str | None) -> tuple[CastChoice, ...]:
    there = {choice.entry for choice in choices}
    kept = (choice for choice in choices if choice.entry != gone or (now is not None and now not in there))
    return tuple(choice.model_copy(update={"entry": now}) if choice.entry == gone else choice for choice in kept)
