"""What an archive tells of a story besides its board: the revisions of undo and redo, and the models that were used.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from pipeline.errors import ThroughlineError

from ..document.story import Board, Story, Value, canonical, parse
from ..store.memory import FIELD_BYTES, bytes_in_memory
from ..store.schema import Revision
from .archive_limits import MOST_PAST_BYTES, MOST_STEP_SCENES, MOST_STEPS, check_steps

MOST_BYTES, MOST_VALUES = 24 << 20, 1_400_000  # of the steps that are written
DIGEST = re.compile(r"[0-9a-f]{64}")


class UndoStep(Value):
    told_as = "step"
    label: Annotated[str, Field(max_length=400)]  # what undo would take back
    story: Story


class UndoSteps(Value):
    told_as = "steps"
    present: Annotated[int, Field(ge=0)]
    steps: tuple[UndoStep, ...]


@dataclass(frozen=True)
class UndoHistory:
    steps: tuple[UndoStep, ...] = ()  # what undo and redo go through, oldest first; () if unknown
    present: int = 0  # which of them is the board's story
    weights: tuple[str, ...] = ()  # digests of the models that were used

    @property
    def revisions(self) -> list[Revision]:
        return [Revision(number, step.label, "", step.story) for number, step in enumerate(self.steps)]


NOTHING = UndoHistory()


def named(past: UndoHistory, story_id: str) -> UndoHistory:
    """The past of a story that now has another id."""
    new = {"id": story_id}
    steps = (step.model_copy(update={"story": step.story.model_copy(update=new)}) for step in past.steps)
    return replace(past, steps=tuple(steps))


# --- steps -----------------------------------------------------------------------------------------------------------


def recent(past: UndoHistory) -> UndoHistory:
    """What an archive can hold: the present step, then those after it, then as many before it as there is room for."""
    sizes, first, last = [_size(step) for step in past.steps], past.present, past.present + 1
    room = tuple(most - size for most, size in zip(_MOST, sizes[first], strict=True))

    def takes(size: Sequence[int]) -> bool:
        nonlocal room
        left = tuple(most - more for most, more in zip(room, size, strict=True))
        room = left if min(left) >= 0 else room
        return room == left

    while last < len(sizes) and takes(sizes[last]):
        last += 1
    while first > 0 and takes(sizes[first - 1]):
        first -= 1
    return replace(past, steps=past.steps[first:last], present=past.present - first)


_MOST = (MOST_BYTES, MOST_VALUES, MOST_STEPS, MOST_STEP_SCENES, MOST_PAST_BYTES - (1 << 20))


def _size(step: UndoStep) -> tuple[int, int, int, int, int]:
    text = canonical(step.model_dump(mode="json"))
    return len(text) + 1, values_in(text) + 1, 1, len(step.story.scenes), bytes_in_memory(text.decode()) + FIELD_BYTES


def values_in(text: bytes) -> int:
    """At most so many values are in a JSON text."""
    return sum(map(text.count, (b",", b"[", b"{")))


def read_steps(content: Any, story: Story) -> tuple[tuple[UndoStep, ...], int]:
    """UndoSteps from JSON, and which of them is `story`. Raises ThroughlineError if none is where it should be, or for
    more than there is room for in memory."""
    steps = content.get("steps") if isinstance(content, dict) else None
    if not isinstance(steps, list):
        raise ThroughlineError("story archive has no list of the steps of undo")
    check_steps(steps)
    parsed = tuple(parse(UndoStep, step) for step in steps)
    present = parse(UndoSteps, {**content, "steps": ()}).present
    if present >= len(parsed) or parsed[present].story != story:
        raise ThroughlineError(f"story archive has another story as step {str(present)[:20]} of its past")
    if any(step.story.id != story.id for step in parsed):
        raise ThroughlineError("story archive has several stories in one past")
    return parsed, present


# --- weights ---------------------------------------------------------------------------------------------------------


def weights_of(board: Board) -> tuple[str, ...]:
    """Digests of the models that made its takes."""
    made = {take.conditioning.model for take in board.takes.values() if take.conditioning}
    return tuple(sorted(digest for digest in made if DIGEST.fullmatch(digest)))


def about_weights(past: UndoHistory, here: str) -> str:
    """What a user should know who has another model than the story was made with; '' if it is the same."""
    others = [digest[:12] for digest in past.weights if digest != here]
    if not others:
        return ""
    named = f"{', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"
    return f"This story was made with other weights ({named}) than those here ({here[:12]}): new renders will differ."
