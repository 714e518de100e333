"""python -m pipeline.evaluation.scenes.pictures: whether scenes keep what the pictures show with which they begin.

Held-out ABBA stories of which every scene begins with the picture that the renderer draws of it. One film remembers
earlier scenes alone; the other also each scene's own picture, by the scene's prompt, as the app does where it casts. Of
both: how many looks of the picture are read from the clip (*own looks*), and the benchmark's measures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from ... import loading
from ...history import HistoryScene
from ...picturebook import renderer
from ...picturebook.reader import ClipReader
from ...picturebook.world import PLACE_SLOTS
from ...story_pipeline import StoryPipeline
from ..common.command import run
from ..common.statistics import Estimate, Tally, estimate, total
from ..story.benchmark import HeldOut, score_film
from ..story.measures import unsaid_slots
from ..story.systems import ABBA, Film
from .command import parser_of, tell

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


def parser() -> argparse.ArgumentParser:
    return parser_of("pictures", "Whether clips keep what pictures show.")


def main(a: argparse.Namespace) -> None:
    tell(pictured(loading.load(a.model), a.stories, a.seed), MEASURES, a.json)


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
