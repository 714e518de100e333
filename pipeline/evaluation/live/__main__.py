"""python -m pipeline.evaluation.live: how near sketches of the student are to exact takes, and how soon they are there.

Held-out stories of four scenes, filmed from the same noise by the teacher, by the teacher in as few steps as the
student (the control), and by the student. Each film remembers its own clips. Beside that, what the reader sees in a
sketch and in the control is compared with what it sees in the exact take, all three with the exact film's past.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ... import loading
from ...backbones.checkpoints import digest, find
from ...defaults import HISTORY, STEPS, TEXT
from ...guidance import Guidance
from ...history import HistoryScene
from ...live.sketching import STEPS as FEW
from ...live.sketching import Sketcher, student_folder
from ...picturebook.reader import ClipReader, Reading, reader_folder
from ...picturebook.world import PLACE_SLOTS, WorldStory
from ...story_pipeline import StoryPipeline
from ..common.command import Parser, new_file, run, whole
from ..common.statistics import Tally, difference, estimate
from ..reporting.report import to_json, write_all
from ..story import measures
from ..story.benchmark import HeldOut
from ..story.systems import ABBA

Weights = tuple[float, float]  # w1 and w2
Maker = Callable[..., np.ndarray]  # prompt, past, seed, weights -> frames uint8 (F, H, W, 3)
USUAL, MOVED = (TEXT, HISTORY), (6.0, 1.0)  # weights; to where the sliders are moved
MEASURES = ("actor", "place", "prompt")
SEEN = ("actor", "place", "kind_and_action")  # what is compared with the exact take
BAR, MOST_MILLISECONDS = 0.03, 150.0


def makers_of(pipeline: StoryPipeline, sketcher: Sketcher) -> dict[str, Maker]:
    def exact(
        prompt: str, past: Sequence[HistoryScene], seed: int, weights: Weights = USUAL, steps: int = STEPS
    ) -> np.ndarray:
        return pipeline(prompt, past, Guidance(*weights), steps=steps, seed=seed).frames

    def sketched(prompt: str, past: Sequence[HistoryScene], seed: int, weights: Weights = USUAL) -> np.ndarray:
        return sketcher.begin(prompt, past, seed=seed)(*weights)

    return {"teacher": exact, "teacher_few": partial(exact, steps=FEW), "student": sketched}


def measured(pipeline: StoryPipeline, reader: ClipReader, held_out: HeldOut, makers: dict[str, Maker]) -> dict:
    """Tallies of one story: of every film, and of what is seen in single clips as in those of the teacher."""
    story, script = held_out.story, held_out.script
    films, pasts = dict[str, list[np.ndarray]](), dict[str, list[HistoryScene]]()
    for name, make in makers.items():
        films[name], pasts[name] = [], []
        for prompt, seed in zip(script.prompts, script.seeds, strict=True):
            films[name].append(make(prompt, pasts[name], seed))
            pasts[name].append(pipeline.encode_scene(prompt, films[name][-1]))
    readings = {name: reader.read(film) for name, film in films.items()}
    shots = [
        (prompt, pasts["teacher"][:place], seed)
        for place, (prompt, seed) in enumerate(zip(script.prompts, script.seeds, strict=True))
    ]
    beside = {name: [makers[name](*shot) for shot in shots] for name in makers if name != "teacher"}
    usual = {"teacher": films["teacher"][-1]} | {name: clips[-1] for name, clips in beside.items()}
    changes = {name: makers[name](*shots[-1], MOVED) - usual[name].astype(float) for name in usual}
    return {
        "films": {name: _told(story, found) for name, found in readings.items()},
        "seen": {name: _seen(story, reader.read(own), readings["teacher"]) for name, own in beside.items()},
        "follows": {name: follows(own, changes["teacher"]) for name, own in changes.items() if name != "teacher"},
    }


def follows(change: np.ndarray, exact: np.ndarray) -> Tally:
    """How far a clip goes the way that the exact take goes when the weights are moved: the product of both changes
    over the square of the exact one. 1 for all the way, 0 for a clip that stays or goes elsewhere."""
    return Tally(float((change * exact).mean()), float((exact * exact).mean()))


def _told(story: WorldStory, readings: Sequence[Reading]) -> dict[str, Tally]:
    return {
        "actor": measures.actor_tally(story, readings),
        "place": measures.place_tally(story, readings),
        "prompt": measures.prompt_tally(story, readings),
    }


def _seen(story: WorldStory, found: Sequence[Reading], exact: Sequence[Reading]) -> dict[str, Tally]:
    """In how much a clip looks as the exact one to the reader: unsaid looks of the actor, the place, what happens."""
    tallies = dict.fromkeys(SEEN, Tally())
    for scene, own, other in zip(story.scenes, found, exact, strict=True):
        slots = measures.unsaid_slots(scene.cast[0])
        tallies["actor"] += measures.agreement(own.actor, other.actor, slots)
        tallies["place"] += measures.agreement(own.place, other.place, PLACE_SLOTS)
        tallies["kind_and_action"] += measures.agreement(own.actor, other.actor, ("kind", "action"))
    return tallies


def timed(pipeline: StoryPipeline, sketcher: Sketcher, held_out: HeldOut, times: int) -> dict[str, float]:
    """Milliseconds from the weights to an encoded moving picture, of a scene that remembers one; and of a draft."""
    (first, second, *_), (seed, *_) = held_out.script.prompts, held_out.script.seeds
    past = [pipeline.encode_scene(first, pipeline(first, seed=seed).frames)]
    began = time.perf_counter()
    encoded(pipeline(second, past, seed=seed).frames, pipeline.frames_per_second)
    draft = (time.perf_counter() - began) * 1000
    began = time.perf_counter()
    sketch = sketcher.begin(second, past, seed=seed)
    prepared = (time.perf_counter() - began) * 1000
    sketch(TEXT, HISTORY)
    found = []
    for number in range(times):
        began = time.perf_counter()
        encoded(sketch(TEXT + 0.1 * number, HISTORY), pipeline.frames_per_second)
        found.append((time.perf_counter() - began) * 1000)
    median = statistics.median(found)
    return {
        "median_milliseconds": median,
        "slowest_milliseconds": max(found),
        "bar_milliseconds": MOST_MILLISECONDS,
        "preparing_milliseconds": prepared,
        "draft_milliseconds": draft,
        "share_of_a_draft": median / draft,
        "threads": torch.get_num_threads(),
    }


def encoded(frames: np.ndarray, frames_per_second: float) -> bytes:
    """As the page's previews are."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    duration = round(1000 / frames_per_second)
    first.save(file, "WEBP", save_all=True, append_images=rest, duration=duration, loop=0, quality=60, method=0)
    return file.getvalue()


def figures_of(stories: Sequence[dict]) -> dict:
    """Shares with their intervals; differences from the teacher's, paired by story."""
    names = list(stories[0]["films"])
    films = {
        name: {m: estimate(one["films"][name][m] for one in stories).to_dict() for m in MEASURES} for name in names
    }
    apart = {
        name: {
            m: difference((one["films"][name][m], one["films"]["teacher"][m]) for one in stories).to_dict()
            for m in MEASURES
        }
        for name in names
        if name != "teacher"
    }
    seen = {
        name: {m: estimate(one["seen"][name][m] for one in stories).to_dict() for m in SEEN}
        for name in stories[0]["seen"]
    }
    way = {name: estimate(one["follows"][name] for one in stories).to_dict() for name in stories[0]["follows"]}
    return {
        "films": films, "less_the_teacher": apart, "seen_as_in_the_exact_take": seen, "follows_the_sliders": way,
        "bar": BAR,
    }  # fmt: skip


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.live", description=__doc__)
    p.add_argument("--stories", type=whole(1, 1000), default=20, help="that are filmed (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=0, help="which stories (%(default)s)")
    p.add_argument("--times", type=whole(1, 1000), default=25, help="sketches that are timed (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    pipeline = loading.load()
    sketcher, reader = Sketcher.of(pipeline), ClipReader.from_pretrained(reader_folder()).eval()
    makers, found = makers_of(pipeline, sketcher), []
    for index in tqdm(range(a.stories), unit="story", file=sys.stderr):
        found.append(measured(pipeline, reader, HeldOut(ABBA, index, a.seed), makers))
    folder = student_folder(pipeline)
    settings = {
        "stories": a.stories,
        "seed": a.seed,
        "model": digest(find()),
        "student": digest(folder) if folder else "",
    }
    timing = timed(pipeline, sketcher, HeldOut(ABBA, 0, a.seed), a.times)
    figures = figures_of(found) | {"time": timing, "settings": settings}
    if a.json:
        write_all({a.json: to_json(figures)})
    print(to_json(figures).decode())


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
