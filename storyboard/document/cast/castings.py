"""Whom no prompt describes, a story casts: the model's world draws them, and scenes remember that drawing beside
earlier scenes.

Like an entry of the cast, a casting is a past scene that the film does not show; but nobody made it, it is worked out
from the words of the story and a seed, and it gives way: to an entry with a picture, and to a scene whose clip was
edited, is one's own, or begins or ends with a picture of one's own. From there on that clip says how they look.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from pipeline.errors import ThroughlineError
from pipeline.picturebook.casting import Casting, Company, Role, roles_in

from ..story import Board, Scene, Story
from ..values import CASTING
from .anchoring import Anchor
from .entries import CastEntry, CastPicture, Seeds

IDS = re.compile(rf"{CASTING}[0-9a-f]{{16}}")


@dataclass
class Castings:
    """What the scenes gone by say of whom."""

    _company: Company = field(default_factory=Company)
    _shown: set[str] = field(default_factory=set)  # names of those whose looks a clip of one's own shows

    def pass_by(self, board: Board, scene: Scene) -> None:
        """The next scene of the story."""
        if not casts(board.story):
            return
        self._company.pass_by(scene.prompt)
        if _shows_its_own(board, scene):
            self._shown.update(role.name.casefold() for role in roles_in(scene.prompt))

    def of(self, story: Story, scene: Scene) -> list[Anchor]:
        """The castings of the scene after these."""
        if story.casting is None or not casts(story):
            return []
        if not scene.prompt.strip() or scene.first_picture or scene.last_picture:
            return []
        taken = self._shown | _entry_names(story)
        roles, found = self._company.of(scene.prompt), dict[str, Anchor]()
        for role in roles:
            if taken.isdisjoint(name.casefold() for name in _names(role)):
                anchor = _anchor(role, _told_apart(role, roles), story.casting, found)
                found[anchor.id] = anchor
        return list(found.values())


def castings_of(board: Board) -> Iterator[tuple[Scene, Anchor]]:
    """All of a story, scene by scene; nobody in one that shows a clip of one's own, which no render replaces."""
    castings = Castings()
    for scene in board.story.scenes:
        take = board.chosen(scene)
        if take is None or take.source != "imported":
            yield from ((scene, anchor) for anchor in castings.of(board.story, scene))
        castings.pass_by(board, scene)


def casting_named(board: Board, name: str) -> tuple[Anchor, Casting]:
    """The first casting of that name or id. Raises ThroughlineError if there is none."""
    names = dict[str, None]()
    for _, anchor in castings_of(board):
        if name in (anchor.id, anchor.entry.name) and anchor.drawn:
            return anchor, anchor.drawn
        names[anchor.entry.name] = None
    known = f"a name that the model has cast in this story: {', '.join(names) or 'it has cast nobody'}"
    raise ThroughlineError(f"{name[:40]!r} is nobody's name: expected {known[:300]}")


def casts(story: Story) -> bool:
    """Whether the model casts whom nobody describes."""
    return story.casting is not None and story.casting.on and story.casting.able


def _shows_its_own(board: Board, scene: Scene) -> bool:
    take = board.chosen(scene)
    own = take is not None and (take.source == "imported" or bool(take.conditioning and take.conditioning.edits))
    return own or scene.first_picture is not None or scene.last_picture is not None


def _entry_names(story: Story) -> set[str]:
    """Of those whom pictures or an adapter show, in small letters, without their articles."""
    shown = [entry for entry in story.cast if entry.pictures or entry.taught]
    names = {name.casefold() for entry in shown for name in entry.names}
    return names | {name.removeprefix(article) for name in names for article in ("the ", "a ", "an ")}


def _names(role: Role) -> tuple[str, ...]:
    """By which it may be known, the shortest first: "cat", "ginger cat", "ginger cat in a red sweater"."""
    return role.name, role.title, role.described


def _told_apart(role: Role, roles: Sequence[Role]) -> str:
    """The shortest name that no other role of the scene has."""
    others = {name for other in roles if other != role for name in _names(other)}
    return next((name for name in _names(role) if name not in others), role.described)


def _anchor(role: Role, name: str, seeds: Seeds, others: Container[str]) -> Anchor:
    """name: it is shown by. others: ids of those before it in the scene. A ginger cat and a grey one are two."""
    number = next(number for number in count() if _id(role.title, number) not in others)
    own, drawn = _id(role.title, number), Casting(role, seeds.seed_of(role.title, role.name))
    (height, width, _), digest = drawn.picture.shape, hashlib.sha256(drawn.png).hexdigest()
    picture = CastPicture(id=own, file=digest, caption=role.caption, width=width, height=height)
    why = "nobody has said how they look" if not role.said else "of what nobody has said"
    return Anchor(CastEntry(id=own, name=name), picture, role.caption, why, beside=True, drawn=drawn)


def is_casting(past_id: str) -> bool:
    """Whether a past scene of this id is a casting."""
    return IDS.fullmatch(past_id) is not None


def _id(name: str, number: int) -> str:
    """The same whatever is said of their clothes."""
    return CASTING + hashlib.sha256(f"{name}/{number}".encode()).hexdigest()[:16]
