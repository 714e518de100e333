"""python -m pipeline.evaluation.scenes.pictures: whether scenes keep what the pictures show with which they begin.

Held-out ABBA stories of which every scene begins with the picture that the renderer draws of it. One film remembers
earlier scenes alone; the other also each scene's own picture, by the scene's prompt, as the app does where it casts. Of
both: how many looks of the picture are read from the clip (*own looks*), and the benchmark's measures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ... import loading
from ...history import HistoryScene
from ...picturebook import renderer
from ...picturebook.reader import ClipReader
from ...picturebook.world import PLACE_SLOTS
from ...story_pipeline import StoryPipeline
from ..common.command import Parser, new_file, run, whole
from ..common.statistics import Estimate, Tally, estimate, total
from ..reporting.report import cell, to_json, write_all
from ..story.benchmark import HeldOut, score_film
from ..story.measures import unsaid_slots
from ..story.systems import ABBA, Film

WAYS = {"begins": False, "begins, and remembers it": True}
MEASURES = ("own looks", "own place", "actor", "prompt", "place", "cross_talk", "motion")


def pictured(pipeline: StoryPipeline, stories: int, seed: int) -> dict[str, dict[str, Estimate]]:
    """The figures of both ways."""
    reader, found = ClipReader.load(), {way: dict[str, list[Tally]]() for way in WAYS}
    for index in tqdm(range(stories), "pictures", file=sys.stderr):
        held_out = HeldOut(ABBA, index, seed)
        story, rendered = held_out.story, [renderer.render(s, masks=False).frames for s in held_out.story.scenes]
        for way, remembers in WAYS.items():
            film = list(filmed(pipeline, held_out, rendered, remembers))
            readings = reader.read(film)
            own = dict(score_film(story, film, rendered, readings).tallies)
            pairs = list(zip(story.scenes, readings, strict=True))
            own["own looks"] = total(
                Tally(r.actor[slot] == getattr(s.cast[0].look, slot), 1)
                for s, r in pairs
                for slot in unsaid_slots(s.cast[0])
            )
            own["own place"] = total(
                Tally(r.place[slot] == getattr(s.place.look, slot), 1) for s, r in pairs for slot in PLACE_SLOTS
            )
            for name in MEASURES:
                found[way].setdefault(name, []).append(own[name])
    return {way: {name: estimate(tallies) for name, tallies in own.items()} for way, own in found.items()}


def filmed(pipeline: StoryPipeline, held_out: HeldOut, rendered: Film, remembers: bool) -> Iterator[np.ndarray]:
    """Scene after scene, uint8 (F, H, W, 3)."""
    past = list[HistoryScene]()
    for prompt, seed, clip in zip(held_out.script.prompts, held_out.script.seeds, rendered, strict=True):
        first = clip[:1]
        own = [pipeline.encode_scene(prompt, first)] if remembers else []
        frames = pipeline(prompt, [*past, *own], seed=seed, beginning=first).frames
        past.append(pipeline.encode_scene(prompt, frames))
        yield frames


def table(figures: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Markdown: a row for either way."""
    rows = [f"| | {' | '.join(MEASURES)} |", "|---" * (len(MEASURES) + 1) + "|"]
    rows += [f"| {way} | {' | '.join(cell(found[name]) for name in MEASURES)} |" for way, found in figures.items()]
    return "\n".join(rows) + "\n"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.scenes.pictures", description="Whether clips keep what pictures show.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=20, help="held-out ones (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go, by way")
    return p


def main(a: argparse.Namespace) -> None:
    figures = pictured(loading.load(a.model), a.stories, a.seed)
    if a.json:
        flat = {f"{way}/{name}": value for way, own in figures.items() for name, value in own.items()}
        write_all({Path(a.json): to_json(flat)})
    print(table(figures), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
