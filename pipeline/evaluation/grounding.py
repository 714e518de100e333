"""python -m pipeline.evaluation.grounding: whether words are found in clips, when and where.

*Rendered*: held-out clips in which somebody comes, goes or begins to do something else, with questions of which two in
five are about something that is not there. *Generated*: scenes of held-out stories by the embedded model, asked for
what their prompt says and for something else; where the actor is, the benchmark's localiser says, and it is there in
every frame in which the localiser sees it. Beside them two controls: our boxes over the whole clip, and our times with
one box, the mean box of rendered clips.

tIoU = |∩| / |∪| of frames; vIoU the sum of the boxes' IoU over the frames of both, over |∪| (Yang et al. 2022).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .. import loading
from ..grounding.film import LEAST_SCORE, FilmLocator
from ..grounding.tubes import SeenClip, Tube
from ..picturebook.captions import ACTION_FORMS
from ..picturebook.localiser import PLACE, Localiser
from ..picturebook.world import KINDS, WorldScene
from ..story_pipeline import StoryPipeline
from ..training.dataset.tubes import AskedClip, asked_clip, noun_of
from .common.command import Parser, new_file, run, whole
from .common.statistics import Estimate, Tally, estimate, total
from .reporting.report import to_json, write_all
from .story.benchmark import HeldOut
from .story.filming import BATCH, Filming
from .story.systems import ABBA, SYSTEMS, Options

MIDDLE_BOX = (0.51, 0.63, 0.24, 0.62)  # centre x, centre y, width, height: the mean of the boxes of drawn clips
TUBES, ANSWERS = ("m_tiou", "m_viou", "viou_0.5"), ("precision", "recall")
CLIPS_A_STORY = 4  # rendered clips, so that both tables are of as many
LEAST_PIXELS = 30  # of an actor that the localiser sees

Scores = dict[str, dict[str, Tally]]


@dataclass(frozen=True, eq=False)
class Case:
    """A question and its answer: frames and boxes (n, 4), left, top, right, bottom; no frames if it is not there."""

    text: str
    frames: np.ndarray
    boxes: np.ndarray


def rendered_cases(clip: AskedClip) -> Iterator[Case]:
    for question in clip.questions:
        if question.actor is None:
            yield Case(question.text, np.zeros(0, np.int64), np.zeros((0, 4)))
            continue
        frames = np.arange(question.first, question.last + 1)
        frames = frames[clip.shown[question.actor, frames]]
        yield Case(question.text, frames, corners(clip.boxes[question.actor, frames]))


def generated_cases(scene: WorldScene, frames: np.ndarray, localiser: Localiser, rng: random.Random) -> Iterator[Case]:
    """What the prompt says is asked for by kind, and by kind and action; beside it a kind that it does not say."""
    actor, action = scene.cast[0], scene.actions[0]
    found = [_box(mask != PLACE) for mask in localiser.masks(list(frames))]
    seen = np.array([t for t, box in enumerate(found) if box is not None], np.int64)
    boxes = np.array([found[t] for t in seen], float).reshape(-1, 4)
    noun = noun_of(actor)
    other = rng.choice([kind for kind in KINDS[1:] if kind != actor.kind])
    if len(seen):
        yield Case(f"the {noun}", seen, boxes)
        yield Case(f"the {noun} {ACTION_FORMS[action][0][0]}", seen, boxes)
    yield Case(f"the {other}", np.zeros(0, np.int64), np.zeros((0, 4)))


def _box(mask: np.ndarray) -> tuple[float, ...] | None:
    rows, columns = np.nonzero(mask)
    if rows.size < LEAST_PIXELS:
        return None
    height, width = mask.shape
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


def corners(boxes: np.ndarray) -> np.ndarray:
    """Centre x, centre y, width, height (n, 4) to left, top, right, bottom."""
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)


def scores_of(film: FilmLocator, frames: np.ndarray, cases: Iterable[Case]) -> Scores:
    """Of one clip: tallies of every measure for ours and the controls, and those of "not there"."""
    scores: Scores = {name: dict.fromkeys(TUBES, Tally()) for name in ("ours", "whole_clip", "middle_box")}
    answers = dict.fromkeys(ANSWERS, Tally())
    clip = film.locator.see(frames, film.vision)
    for case in cases:
        tube = film.tube(clip, case.text)
        denied, absent = tube.score < LEAST_SCORE, not len(case.frames)
        answers["precision"] += Tally(denied and absent, denied)
        answers["recall"] += Tally(denied and absent, absent)
        if not absent:
            for name, answer in {"ours": tube, **controls(film, clip, tube, case.text)}.items():
                for measure, value in overlaps(answer, case).items():
                    scores[name][measure] += Tally(value, 1)
    return scores | {"not_there": answers}


def controls(film: FilmLocator, clip: SeenClip, tube: Tube, text: str) -> dict[str, Tube]:
    count = clip.frames
    everywhere = film.locator.boxes(clip, film.text.encode(text).hidden)
    middle = np.repeat(corners(np.array([MIDDLE_BOX])), tube.last - tube.first + 1, axis=0)
    return {
        "whole_clip": Tube(0, count - 1, everywhere, tube.score),
        "middle_box": Tube(tube.first, tube.last, middle, tube.score),
    }


def overlaps(tube: Tube, case: Case) -> dict[str, float]:
    """tIoU, vIoU and whether the latter is over one half."""
    own = np.arange(tube.first, tube.last + 1)
    both, either = np.intersect1d(own, case.frames), np.union1d(own, case.frames)
    ours, theirs = tube.boxes[both - tube.first], case.boxes[np.searchsorted(case.frames, both)]
    spatial = float(iou(ours, theirs).sum()) / len(either)
    return {"m_tiou": len(both) / len(either), "m_viou": spatial, "viou_0.5": float(spatial > 0.5)}


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4), left, top, right, bottom: (n)."""
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    both = sides.clip(min=0).prod(1)
    area = (a[:, 2:] - a[:, :2]).clip(min=0).prod(1) + (b[:, 2:] - b[:, :2]).clip(min=0).prod(1)
    return both / np.maximum(area - both, 1e-9)  # type: ignore[no-any-return]


def rendered_scores(film: FilmLocator, stories: int, seed: int) -> list[Scores]:
    found = []
    for index in tqdm(range(stories), "rendered", file=sys.stderr):
        rng = random.Random(f"grounding/{seed}/{index}")
        clips = [asked_clip(rng) for _ in range(CLIPS_A_STORY)]
        found.append(_together([scores_of(film, clip.frames, rendered_cases(clip)) for clip in clips]))
    return found


def generated_scores(film: FilmLocator, pipeline: StoryPipeline, stories: int, seed: int) -> list[Scores]:
    filming, localiser, found = Filming(pipeline, Options()), Localiser.load(), list[Scores]()
    drawn = [HeldOut(ABBA, index, seed) for index in range(stories)]
    for start in tqdm(range(0, stories, BATCH), "generated", file=sys.stderr):
        part = drawn[start : start + BATCH]
        films = filming.films([story.script for story in part], {"ours": SYSTEMS["ours"]})
        for held_out, takes in zip(part, films, strict=True):
            rng = random.Random(f"grounding/{seed}/{held_out.index}/generated")
            pairs = list(zip(held_out.story.scenes, (take.frames for take in takes["ours"]), strict=True))
            each = [scores_of(film, f, generated_cases(scene, f, localiser, rng)) for scene, f in pairs]
            found.append(_together(each))
    return found


def _together(parts: Sequence[Scores]) -> Scores:
    return {
        name: {measure: total(part[name][measure] for part in parts) for measure in own}
        for name, own in parts[0].items()
    }


def estimates(stories: Sequence[Scores], name: str) -> dict[str, Estimate]:
    return {measure: estimate(story[name][measure] for story in stories) for measure in stories[0][name]}


def figures(rendered: Sequence[Scores], generated: Sequence[Scores]) -> dict[str, dict[str, Estimate]]:
    return {
        "rendered": estimates(rendered, "ours"),
        "generated": estimates(generated, "ours"),
        "whole_clip": estimates(rendered, "whole_clip"),
        "middle_box": estimates(rendered, "middle_box"),
        "not_there": estimates(rendered, "not_there"),
        "not_there_generated": estimates(generated, "not_there"),
    }


def table(found: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Markdown."""
    rows = [f"| | {' | '.join(TUBES)} |", "|---" * (len(TUBES) + 1) + "|"]
    rows += [_row(name, own, TUBES) for name, own in found.items() if TUBES[0] in own]
    rows += ["", f"| | {' | '.join(ANSWERS)} |", "|---" * (len(ANSWERS) + 1) + "|"]
    rows += [_row(name, own, ANSWERS) for name, own in found.items() if ANSWERS[0] in own]
    return "\n".join(rows) + "\n"


def _row(name: str, own: Mapping[str, Estimate], measures: Sequence[str]) -> str:
    return f"| {name.replace('_', ' ')} | {' | '.join(_cell(own[measure]) for measure in measures)} |"


def _cell(found: Estimate) -> str:
    return "–" if found.mean is None else f"{found.mean:.2f} ({found.low:.2f}–{found.high:.2f})"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.grounding", description="Whether words are found in clips.")
    p.add_argument("--stories", type=whole(1, 10_000), default=40, help="held-out ones (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    torch.set_grad_enabled(False)
    film, pipeline = FilmLocator.shipped(), loading.load("picturebook")
    rendered = rendered_scores(film, a.stories, a.seed)
    found = figures(rendered, generated_scores(film, pipeline, a.stories, a.seed))
    if a.json:
        write_all({Path(a.json): to_json(found)})
    print(table(found), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
