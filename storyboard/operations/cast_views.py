"""What the page and the API see of the cast, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..document.cast.anchoring import Anchor, choice_of, known_states, name_places, state_at
from ..document.cast.castings import castings_of, casts
from ..document.cast.entries import CastChoice, CastEntry, CastPicture
from ..document.cast.proposals import proposals
from ..document.occurrences import named_in
from ..document.plan import Standing
from ..document.story import Board, Scene, Story
from ..finding.names import names_in
from ..store.blobs import media_url

View = dict[str, Any]


def cast_of_story(story: Story) -> View:
    """The entries and what the story makes of them, for the story's view."""
    return {"cast": [entry_view(entry) for entry in story.cast], "cast_choices": choices_view(story.cast_choices)}


def choices_view(choices: Sequence[CastChoice]) -> list[View]:
    return [choice.model_dump(mode="json") for choice in choices]


def entry_view(entry: CastEntry) -> View:
    own = entry.model_dump(mode="json", exclude={"pictures"})
    return {**own, "known_states": known_states(entry), "pictures": [picture_view(one) for one in entry.pictures]}


def picture_view(picture: CastPicture) -> View:
    return {**picture.model_dump(mode="json", exclude={"file"}), "picture": media_url(picture.file, "png")}


def anchor_view(anchor: Anchor) -> View:
    """Which picture of an entry a scene looks at, and why."""
    told = {"entry": anchor.entry.id, "name": anchor.entry.name, "picture": anchor.picture.id, "why": anchor.why}
    return {**told, "keyframe": media_url(anchor.keyframe, "png"), "last_seen": anchor.last_seen}


def who_view(story: Story, scene: Scene) -> list[View]:
    """Who is named in a scene: entries of the cast, by the name that its prompt has, and then other names."""
    prompt, cast = scene.prompt, list[View]()
    for entry in story.cast:
        if name := next((name for name in entry.names if named_in(prompt, name)), None):
            cast.append({"name": name, "entry": entry.id})
    known = {part for one in cast for part in (one["name"], *one["name"].split())}
    return [*cast, *({"name": name, "entry": None} for name in names_in(prompt) if name not in known)]


def proposed_view(story: Story) -> list[View]:
    """Who and what of a script may become an entry."""
    return [{"name": one.name, "kind": one.kind, "scenes": list(one.scenes)} for one in proposals(story)]


def cast_view(board: Board, shelf: Story, found: Mapping[str, Standing], able: bool = False) -> View:
    """The cast of a story: its entries, where each appears, how it stands to the owner's version, who of the script is
    no entry yet, and whom the model casts, if it is able to. found: how scenes stand, as far as it is known."""
    story = board.story
    entries = [{**entry_view(entry), "scenes": _appears(story, entry, found), "shared": _shared(entry, shelf)}
               for entry in story.cast]  # fmt: skip
    others = [entry_view(entry) for entry in shelf.cast if not story.has_entry(entry.id)]
    casting = {"on": casts(story), "able": able and story.id != shelf.id, "drawn": _drawn(board)}
    return {"story": story.id, "entries": entries, "choices": choices_view(story.cast_choices),
            "others": others if story.id != shelf.id else [], "proposed": proposed_view(story),
            "casting": casting}  # fmt: skip


def _drawn(board: Board) -> list[View]:
    """Whom the model casts, each by the picture of the first scene that names them."""
    seen, numbers = dict[str, View](), {scene.id: number for number, scene in enumerate(board.story.scenes, 1)}
    for scene, anchor in castings_of(board):
        own = {"id": anchor.id, "name": anchor.entry.name, "picture": media_url(anchor.keyframe, "png"), "scenes": []}
        seen.setdefault(anchor.id, own)["scenes"].append({"scene": scene.id, "number": numbers[scene.id]})
    return list(seen.values())


def _appears(story: Story, entry: CastEntry, found: Mapping[str, Standing]) -> list[View]:
    """The scenes that name an entry or remember it."""
    seen = []
    for number, scene in enumerate(story.scenes, 1):
        standing = found.get(scene.id)
        anchor = next((one for one in standing.cast if one.id == entry.id), None) if standing else None
        if anchor or name_places(entry, scene.prompt):
            seen.append({
                "scene": scene.id, "number": number, "state": state_at(story, scene, entry).name,
                "look": choice_of(story, scene, entry.id).look, "anchored": anchor is not None,
                "picture": anchor.picture.id if anchor else None, "why": anchor.why if anchor else "",
            })  # fmt: skip
    return seen


def _shared(entry: CastEntry, shelf: Story) -> str:
    """How an entry stands to the owner's cast: "no", "same" or "differs"."""
    if not shelf.has_entry(entry.id):
        return "no"
    return "same" if shelf.entry(entry.id) == entry else "differs"
