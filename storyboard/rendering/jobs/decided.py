"""What a scene, or a trial of one, is made from: what the filter decided about its past, and what a trial changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...document import edits
from ...document.conditioning import conditioning_of, remembers
from ...document.story import Board, Conditioning, RememberedScene, WordRef

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.text_filter import FilterResult, TextFilter


@dataclass(frozen=True)
class Trial:
    """What to change for a clip that is only looked at."""

    history: bool = True  # whether it remembers anything
    without: WordRef | None = None  # a word of an earlier scene to drop
    text_weight: float | None = None  # w1, w2 and steps instead of the scene's
    history_weight: float | None = None
    steps: int | None = None
    against: str = ""  # id of the take that it is compared with
    sheet: str = ""  # name of the sheet of which it is a cell

    def weights(self) -> dict[str, float]:
        """The weights of the guidance that differ from the scene's."""
        asked = {"text": self.text_weight, "history": self.history_weight if self.history else 0.0}
        return {name: weight for name, weight in asked.items() if weight is not None}

    def board(self, board: Board, scene: str) -> Board:
        """The board with what the trial changes of a scene."""
        story = edits.edit_scene(board.story, scene, guidance=self.weights())
        return replace(board, story=edits.mute_word(story, scene, self.without) if self.without else story)


@dataclass(frozen=True, eq=False)
class Decided:
    """What the filter decided about a scene's past: the one decision that is rendered, and that the digest of the take
    describes."""

    decision: FilterResult
    conditioning: Conditioning

    @classmethod
    def of(cls, board: Board, scene: str, filter: TextFilter, now: Conditioning) -> Decided:
        """Asks the filter, though nothing enters at a history guidance of 0. now: of the scene, which says by which
        model. Raises ThroughlineError as the filter does."""
        decision = remembers(board, scene, filter)
        enters = decision if board.story.scene(scene).guidance.history else decision.only(())
        return cls(enters, conditioning_of(board, scene, decision, now.model, now.continuation))

    @classmethod
    def of_trial(cls, trial: Trial, board: Board, scene: str, filter: TextFilter, now: Conditioning) -> list[Decided]:
        """What a trial is made from, and what it is compared with: all that the scene would remember."""
        whole = Trial(history_weight=board.story.scene(scene).guidance.history or 1.0)
        return [cls.of(one.board(board, scene), scene, filter, now) for one in (trial, whole)]

    @property
    def keyframes(self) -> list[tuple[int, RememberedScene]]:
        """The past scenes that enter, by their place in the decision: those that have a keyframe; the others would
        change nothing."""
        memories = zip(self.decision.contributing, self.conditioning.memories, strict=True)
        return [(index, memory) for index, memory in memories if memory.keyframe]

    def about_keyframes(self) -> FilterResult:
        return self.decision.only([index for index, _ in self.keyframes])
