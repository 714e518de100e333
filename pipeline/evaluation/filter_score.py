"""How good the text filter is on labelled examples, the curve behind its default threshold, and how long it takes.

    python -m pipeline.evaluation.filter_score tests/pipeline/filter_cases*.json --curve curve.png --json curve.json

A file holds {"cases": [{"id", "past": [prompt], "prompt", "keep": [[word]], "free": [[word]]}]}: per past prompt the
words that must be kept and those that count neither way. Words are compared without regard to capitals.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..encoders.text import TextEncoder
from ..errors import ThroughlineError
from ..language.matching import DEFAULT_THRESHOLD
from ..language.mentions import analyse
from ..text_filter import FilteredScene, TextFilter
from .common.command import Parser, new_file, run
from .reporting.report import to_json, write_all

THRESHOLDS = tuple(round(float(t), 3) for t in np.arange(0.3, 0.8001, 0.025))
FLAT = 0.005  # thresholds whose F1 is this near to the best count as equally good
PAST = 20  # scenes of the speed figure
REPEATS = 15


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

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)

    def to_dict(self) -> dict[str, float]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


def load_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a file. Raises ThroughlineError if it is not one of labelled cases."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ThroughlineError(f"{str(path)!r} given, expected a JSON file of labelled cases") from error


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


# The curve


def curve(text_filter: TextFilter, cases: Sequence[dict[str, Any]]) -> dict[float, Score]:
    """The score on `cases` for every threshold of THRESHOLDS."""
    return {threshold: score_cases(text_filter, cases, threshold) for threshold in THRESHOLDS}


def plateau(scores: dict[float, Score]) -> tuple[float, float]:
    """The lowest and the highest threshold whose F1 is within FLAT of the best, without a worse one between."""
    best = max(scores, key=lambda threshold: scores[threshold].f1)
    good = [t for t in scores if scores[t].f1 >= scores[best].f1 - FLAT]
    steps = sorted(scores)
    low = high = steps.index(best)
    while low > 0 and steps[low - 1] in good:
        low -= 1
    while high + 1 < len(steps) and steps[high + 1] in good:
        high += 1
    return steps[low], steps[high]


def plot(scores: dict[float, Score], cases: int) -> bytes:
    """A PNG of precision, recall and F1 over the threshold, the default marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    lines = {"precision": "#3454d1", "recall": "#e08a1e", "f1": "#2b2833"}
    for name, colour in lines.items():
        axes.plot(
            list(scores),
            [score.to_dict()[name] for score in scores.values()],
            color=colour,
            label={"f1": "F1"}.get(name, name),
        )
    axes.axvspan(*plateau(scores), color="#e8e6ec", zorder=0, label=f"F1 within {FLAT} of the best")
    axes.axvline(DEFAULT_THRESHOLD, color="#8a8694", linestyle="--", linewidth=1, label="default")
    axes.set(xlabel="threshold (cosine similarity)", title=f"The text filter on {cases} labelled cases")
    axes.legend(frameon=False, fontsize=8, loc="lower center")
    axes.spines[["top", "right"]].set_visible(False)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return data.getvalue()


# Speed


def speed(cases: Sequence[dict[str, Any]], past: int = PAST, repeats: int = REPEATS) -> dict[str, float]:
    """Milliseconds for one prompt against the longest `past` prompts of `cases`, on the clock and of processor time.

    cold: nothing has been read. new: the past prompts have, this one not. warm: all have.
    """
    encoder = TextEncoder.minilm()
    prompts = sorted({p for case in cases for p in case["past"]}, key=len)[-past:]
    current = sorted({case["prompt"] for case in cases}, key=len)[-repeats:]
    text_filter = TextFilter(encoder)
    analyse.cache_clear()
    times = {
        "cold": [_milliseconds(text_filter, prompts, current[0])],
        "new_prompt": [_milliseconds(text_filter, prompts, prompt) for prompt in current[1:] or current],
        "warm": [_milliseconds(text_filter, prompts, prompt) for prompt in current],
    }
    clocks = ("ms", "processor_ms")
    return {
        f"{name}_{clock}": median(t[k] for t in found)
        for name, found in times.items()
        for k, clock in enumerate(clocks)
    }


def _milliseconds(text_filter: TextFilter, past: Sequence[str], prompt: str) -> tuple[float, float]:
    """On the clock, and of processor time: the second does not depend on what else the machine does."""
    since, processor = time.perf_counter(), time.process_time()
    text_filter(past, prompt)
    return 1000 * (time.perf_counter() - since), 1000 * (time.process_time() - processor)


# The command


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.filter_score", description="The text filter on labelled cases.")
    p.add_argument("files", type=Path, nargs="+", metavar="FILE", help="labelled cases")
    p.add_argument("--curve", type=new_file, metavar="PNG", help="where the plot over thresholds goes")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    p.add_argument("--speed", action="store_true", help=f"also time the longest {PAST} past prompts")
    p.add_argument("--mistakes", action="store_true", help="also print the scenes that the filter gets wrong")
    return p


def main(a: argparse.Namespace) -> None:
    files = {path.name: load_cases(path) for path in a.files}
    text_filter = TextFilter.from_backbone()
    by_file = {name: score_cases(text_filter, cases) for name, cases in files.items()}
    together = [case for cases in files.values() for case in cases]
    scores = curve(text_filter, together)
    figures: dict[str, Any] = {
        "default": DEFAULT_THRESHOLD,
        "plateau": plateau(scores),
        "files": {name: score.to_dict() for name, score in by_file.items()},
        "curve": {threshold: score.to_dict() for threshold, score in scores.items()},
    }
    if a.speed:
        figures["speed"] = speed(together)
    _print(figures, [line for score in by_file.values() for line in score.mistakes] if a.mistakes else [])
    files_out = {a.json: to_json(figures)} if a.json else {}
    write_all(files_out | ({a.curve: plot(scores, len(together))} if a.curve else {}))


def _print(figures: dict[str, Any], mistakes: Sequence[str]) -> None:
    print(*mistakes, sep="\n", end="\n" if mistakes else "")
    print(f"{'precision':>44} {'recall':>8} {'F1':>8}")
    rows = figures["files"] | {f"threshold {t:.3f}": score for t, score in figures["curve"].items()}
    for name, score in rows.items():
        print(f"{name:<34}" + "".join(f"{value:>9.3f}" for value in score.values()))
    print("F1 is flat from {} to {}; the default is {}".format(*figures["plateau"], figures["default"]))
    for name, value in figures.get("speed", {}).items():
        print(f"{name:<34}{value:>9.1f}")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
