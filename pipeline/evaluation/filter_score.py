"""How good the text filter is on labelled examples, and the curve behind its default threshold.

    python -m pipeline.evaluation.filter_score tests/pipeline/filter_cases.json
    tests/pipeline/filter_cases_reference.json

A file holds {"cases": [{"id", "past": [prompt], "prompt", "keep": [[word]], "free": [[word]]}]}: per past prompt the
words that must be kept and those that count neither way. Words are compared without regard to capitals.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.text_filter import FilteredScene, TextFilter


@dataclass(frozen=True)
class Score:
    """Counts over (past scene, word)."""

    right: int  # kept and to be kept
    wrong: int  # kept and to be dropped
    missed: int  # dropped and to be kept
    mistakes: tuple[str, ...]  # a line for each scene with a mistake

    @property
    def precision(self) -> float:
        """Share of the kept words that had to be kept."""
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        """Share of the words to be kept that were kept."""
        return self.right / max(1, self.right + self.missed)


def load_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a file."""
    return json.loads(path.read_text(encoding="utf-8"))["cases"]


def score_cases(text_filter: TextFilter, cases: Sequence[dict[str, Any]], threshold: float | None = None) -> Score:
    """The score of a filter on `cases`; the default threshold without one."""
    right = wrong = missed = 0
    mistakes = []
    for case in cases:
        result = text_filter(case["past"], case["prompt"], threshold=threshold)
        for scene, keep, free in zip(result.scenes, case["keep"], case["free"], strict=True):
            kept, bad, lost = _compare(scene, keep, free)
            right, wrong, missed = right + len(kept), wrong + len(bad), missed + len(lost)
            if bad or lost:
                mistakes.append(f"{case['id']}: {scene.prompt!r}: wrongly kept {sorted(bad)}, missed {sorted(lost)}")
    return Score(right, wrong, missed, tuple(mistakes))


def _compare(scene: FilteredScene, keep: list[str], free: list[str]) -> tuple[set[str], set[str], set[str]]:
    expected, ignored = {word.casefold() for word in keep}, {word.casefold() for word in free}
    kept = {word.text.casefold() for word in scene.words if word.kept}
    return kept & expected, kept - expected - ignored, expected - kept - ignored


def main(paths: Sequence[str]) -> None:
    """Prints precision and recall of each file over thresholds."""
    text_filter = TextFilter.from_backbone()
    files = [load_cases(Path(path)) for path in paths]
    print("threshold  precision / recall of", *paths)
    for threshold in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8):
        scores = [score_cases(text_filter, cases, threshold) for cases in files]
        print(f"{threshold:9.2f}", *(f"  {score.precision:.3f} / {score.recall:.3f}" for score in scores))


if __name__ == "__main__":
    main(sys.argv[1:])
