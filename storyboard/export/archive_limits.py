"""What a story in an archive may hold, counted in its JSON before any value is made of it.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.errors import ThroughlineError

from ..document.story import MOST_OF_A_SCENE, MOST_SCENES, TOLD
from ..store.memory import bytes_in_memory

MOST_STORY_BYTES = 128 << 20  # of memory, by estimate: the story with its takes, which stay there while it is open
MOST_PAST_BYTES = 256 << 20  # of memory, by estimate: all steps of undo, while they are brought in
MOST_STEPS, MOST_STEP_SCENES = 10_000, 60_000  # of undo, and the scenes of all of them


def check_story(story: Any) -> None:
    """Raises ThroughlineError, which names the number and how many may be, for a story with too many scenes or with a
    scene that holds too much. What is no story passes: `parse` refuses it."""
    scenes = _list(story, "scenes")
    _check(len(scenes), "scenes", MOST_SCENES)
    for scene in scenes:
        for name, most in MOST_OF_A_SCENE.items():
            where = f" in scene {str(scene.get('id'))[:32]!r}" if isinstance(scene, dict) else ""
            _check(len(_list(scene, name)), f"{TOLD.get(name, name)}{where}", most)


def check_steps(steps: list[Any]) -> None:
    """The same for the steps of undo."""
    _check(len(steps), "steps of undo", MOST_STEPS)
    stories = list(_stories(steps))
    _check(sum(len(_list(story, "scenes")) for story in stories), "scenes in all steps of undo", MOST_STEP_SCENES)
    for story in stories:
        check_story(story)


def check_memory(texts: Iterable[bytes], what: str, most: int) -> None:
    """Raises ThroughlineError if what these texts of JSON say would take too much."""
    needed = sum(bytes_in_memory(text.decode(errors="replace")) for text in texts)
    if needed > most:
        _refuse(f"needs about {needed >> 20} MB of memory for {what}: expected at most {most >> 20}")


def _stories(steps: list[Any]) -> Iterator[Any]:
    return (step.get("story") for step in steps if isinstance(step, dict))


def _list(content: Any, name: str) -> list[Any]:
    found = content.get(name) if isinstance(content, dict) else None
    return found if isinstance(found, list) else []


def _check(number: int, what: str, most: int) -> None:
    if number > most:
        _refuse(f"has {number} {what}: expected at most {most}")


def _refuse(problem: str) -> None:
    raise ThroughlineError(f"story archive {problem}")
