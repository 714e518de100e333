"""python -m pipeline.evaluation.cast: whether a cast picture keeps looks through long stories and across two.

Of held-out long stories the scenes of the hero are filmed, once as they remember one another and once anchored: a take
of another scene was kept as the hero's picture, which outranks earlier scenes for its mention. A second story of the
same hero uses the same picture. The reader says which unsaid looks agree.

Scenes in which others act are left out: they would give the hero's scenes nothing but places.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ... import loading
from ...adapters.teaching import Recipe
from ...picturebook.reader import ClipReader, Reading
from ...picturebook.taught import SUBJECTS
from ...picturebook.world import Actor
from ...story_pipeline import StoryPipeline
from ..common.command import Parser, new_file, run, whole
from ..common.statistics import LEVEL, NOTHING, RESAMPLES, Estimate, Tally, estimate, total
from ..reporting.report import to_json, write_all
from ..story.benchmark import HeldOut
from ..story.measures import agreement, unsaid_slots
from ..story.systems import LONG
from . import taught
from .films import Casting, film, picture_of, track_of

MEASURES = ("actor_with", "actor_without", "pairs_with", "pairs_without", "slope", "two_stories")


@dataclass(frozen=True, eq=False)
class Filmed:
    """What the reader says of the films of one hero."""

    casting: Casting
    with_cast: Sequence[Reading]
    without: Sequence[Reading]
    second: Sequence[Reading]


def filmed(pipeline: StoryPipeline, reader: ClipReader, casting: Casting, beside: bool = False) -> Filmed:
    anchor = picture_of(pipeline, casting, beside)
    tracks = [track_of(casting.story, anchor), track_of(casting.story, None), track_of(casting.second, anchor)]
    film(pipeline, tracks)
    return Filmed(casting, *(reader.read(track.clips) for track in tracks))


# --- measures --------------------------------------------------------------------------------------------------------


def alike(hero: Actor, a: Reading, b: Reading) -> Tally:
    """Unsaid looks that agree; nothing counts where the reader is not sure that anybody is there."""
    return agreement(a.actor, b.actor, unsaid_slots(hero)) if a.sure and b.sure else Tally()


def last_to_first(hero: Actor, read: Sequence[Reading]) -> Tally:
    return alike(hero, read[0], read[-1])


def all_pairs(hero: Actor, read: Sequence[Reading]) -> Tally:
    return total(alike(hero, a, b) for a, b in combinations(read, 2))


def points(found: Filmed) -> Iterator[tuple[int, float]]:
    """How many scenes a scene with the cast is after the first one, and its agreement with that."""
    for place, reading in zip(found.casting.places[1:], found.with_cast[1:], strict=True):
        tally = alike(found.casting.hero, found.with_cast[0], reading)
        if tally.counted:
            yield place - found.casting.places[0], tally.hits / tally.counted


def slope(stories: Sequence[Sequence[tuple[int, float]]]) -> Estimate:
    """Change of agreement a scene by least squares; a percentile bootstrap over stories."""
    kept = [story for story in stories if story]
    if len({place for story in kept for place, _ in story}) < 2:
        return NOTHING
    drawn = np.random.default_rng(0).integers(len(kept), size=(RESAMPLES, len(kept)))
    values = [value for row in drawn if (value := _fitted([kept[i] for i in row])) is not None]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(_fitted(kept), float(low), float(high), len(kept))


def _fitted(stories: Sequence[Sequence[tuple[int, float]]]) -> float | None:
    x, y = np.array([point for story in stories for point in story], float).T
    spread = x - x.mean()
    return float(spread @ y / (spread @ spread)) if spread.any() else None


def figures(found: Sequence[Filmed]) -> dict[str, Estimate]:
    heroes = [one.casting.hero for one in found]
    across = [
        total(alike(hero, a, b) for a, b in product(one.with_cast, one.second))
        for hero, one in zip(heroes, found, strict=True)
    ]
    sides = {"with": [one.with_cast for one in found], "without": [one.without for one in found]}
    told = {f"actor_{side}": estimate(map(last_to_first, heroes, read)) for side, read in sides.items()}
    told |= {f"pairs_{side}": estimate(map(all_pairs, heroes, read)) for side, read in sides.items()}
    told |= {"slope": slope([list(points(one)) for one in found]), "two_stories": estimate(across)}
    return {name: told[name] for name in MEASURES}


def table(found: Mapping[str, Estimate]) -> str:
    """Markdown: a row a measure."""
    rows = [f"| {name} | {_cell(value)} | {value.n} |" for name, value in found.items()]
    return "\n".join(["| measure | mean (95%) | stories |", "|---|---|---|", *rows]) + "\n"


def _cell(found: Estimate) -> str:
    return "–" if found.mean is None else f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.cast", description="Whether a cast picture keeps somebody's looks.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=20, help="held-out long ones (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--beside", action="store_true", help="earlier scenes are remembered beside the picture")
    p.add_argument("--taught", type=whole(1, SUBJECTS), metavar="N", help="instead: teach so many subjects, film them")
    p.add_argument("--teaching-steps", type=whole(1, 10_000), default=Recipe.steps, help="of each (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def story_figures(pipeline: StoryPipeline, reader: ClipReader, a: argparse.Namespace) -> dict[str, Estimate]:
    castings = [Casting.of(HeldOut(LONG, index, a.seed)) for index in range(a.stories)]
    return figures([filmed(pipeline, reader, casting, a.beside) for casting in tqdm(castings, "cast", file=sys.stderr)])


def taught_figures(pipeline: StoryPipeline, reader: ClipReader, a: argparse.Namespace) -> dict[str, Estimate]:
    judges, recipe = taught.Judges.trained(pipeline, reader), Recipe(steps=a.teaching_steps)
    subjects = tqdm(range(a.taught), "teaching", file=sys.stderr)
    return taught.figures([taught.judged(pipeline, judges, index, recipe) for index in subjects])


def main(a: argparse.Namespace) -> None:
    pipeline, reader = loading.load(a.model), ClipReader.load()
    found = taught_figures(pipeline, reader, a) if a.taught else story_figures(pipeline, reader, a)
    if a.json:
        write_all({Path(a.json): to_json(found)})
    print(table(found), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
