"""Who and what might be in the cast of a story: the names of its script, with where each of them is.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..occurrences import named_in
from ..story import Scene, Story
from .entries import Kind

HEADING = re.compile(r"^\s*(?:INT\.?/EXT|EXT\.?/INT|I/E|INT|EXT|EST)[. ]+\s*(.+?)(?:\s+[-–—]\s+[^-–—]*)?\s*$", re.I)


@dataclass(frozen=True)
class Proposal:
    """An entry that could be made."""

    name: str
    kind: Kind
    scenes: tuple[str, ...]  # ids of those that name it


def proposals(story: Story) -> list[Proposal]:
    """The people of a story's script and the places of its headings that are in more than one scene, if no entry of its
    cast is called so; the most frequent first."""
    found: dict[tuple[str, Kind], dict[str, None]] = {}
    for scene in story.scenes:
        for name, kind in _named(scene):
            found.setdefault((name, kind), {})[scene.id] = None
    known = {name.casefold() for entry in story.cast for name in entry.names}
    made = [
        Proposal(name, kind, tuple(scenes))
        for (name, kind), scenes in found.items()
        if name.casefold() not in known and (kind == "person" or len(scenes) > 1)
    ]
    return sorted(made, key=lambda one: -len(one.scenes))


def _named(scene: Scene) -> list[tuple[str, Kind]]:
    people: list[tuple[str, Kind]] = [(name.strip(), "person") for name in scene.script.cast if name.strip()]
    place = HEADING.match(scene.script.heading)
    words = f"the {place[1].lower()}" if place else ""
    return [*people, (words, "place")] if words and named_in(scene.prompt.lower(), words) else people
