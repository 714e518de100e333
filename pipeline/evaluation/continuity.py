"""python -m pipeline.evaluation.continuity: how far the continuity meter can be trusted, on rendered clips.

The scales come from one set of drawn clips (`pipeline.continuity.calibration`), the figures here from another. With
--generated N also on films by the embedded model, with the benchmark's reader as truth.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from .. import loading
from ..continuity.calibration import Evidence, Pair, Presence, calibrate, draw
from ..continuity.facts import differences
from ..continuity.measurement import (
    CHANGED,
    PRESENT,
    Calibration,
    Gauge,
    Region,
    held,
    motion_score,
    presence,
    prompt_score,
    similarity,
)
from ..continuity.photometry import Light, light_of, out_of_line
from ..encoders import vision_models
from ..picturebook import renderer, world
from ..picturebook.reader import ClipReader, Reading
from ..picturebook.world import PLACE_SLOTS, Actor, Place
from ..story_pipeline import StoryPipeline
from .common.command import Parser, new_file, run, whole
from .reporting.report import to_json, write_all
from .story.benchmark import HeldOut
from .story.filming import BATCH, Filming
from .story.measures import agreement, unsaid_slots
from .story.systems import ABBA, SYSTEMS, Film, Options

STORIES, LIGHT_STORIES = 150, 40
FRAMES = (2, 8, 14)
Figures = dict[str, float]


def similarity_figures(scale: Calibration, pairs: Sequence[Pair]) -> Iterator[tuple[str, float]]:
    """Correlation of similarity with the true share of looks that agree, and the mean similarity by that share."""
    for case in ("actor", "place"):
        own = [pair for pair in pairs if pair.case == case]
        found = np.array([similarity(scale, pair.first, pair.again) for pair in own])
        shares = np.array([pair.share for pair in own])
        yield f"{case}: correlation with the true share", float(np.corrcoef(found, shares)[0, 1])
        for low, high in ((0, 0.01), (0.01, 0.5), (0.5, 0.99), (0.99, 1.1)):
            inside = (shares >= low) & (shares < high)
            if inside.any():
                name = f"{case}: mean similarity where {shares[inside].mean():.2f} agree"
                yield name, float(found[inside].mean())


def gate_figures(scale: Calibration, sights: Sequence[Presence]) -> Iterator[tuple[str, float]]:
    """Precision and recall of being there, and how often each kind of absence is taken for presence."""
    said = np.array([presence(scale, sight.region) >= PRESENT for sight in sights])
    there = np.array([sight.there for sight in sights])
    yield "gate: precision", float(there[said].mean())
    yield "gate: recall", float(said[there].mean())
    for case in ("nobody", "another kind", "another place"):
        yield f"gate: lets pass {case}", float(said[[sight.case == case for sight in sights]].mean())


def prompt_figures(scale: Calibration, drawn: Sequence[Evidence]) -> Iterator[tuple[str, float]]:
    scores = [(prompt_score(scale, each.own), prompt_score(scale, each.other)) for each in drawn]
    known = np.array([pair for pair in scores if None not in pair], float)
    if len(known):
        yield "prompt: mean score with its own", float(known[:, 0].mean())
        yield "prompt: mean score with another's", float(known[:, 1].mean())
        yield "prompt: own above another's", float((known[:, 0] > known[:, 1]).mean())


def frozen_figures(gauge: Gauge, scale: Calibration, stories: int) -> Iterator[tuple[str, float]]:
    """What a clip is worth whose actor was seen before: the true clip, and a still of the first one instead."""
    worth = defaultdict[str, list[float]](list)
    for index in range(stories):
        story = world.abba_story(index, "frozen")
        first, again = (renderer.render(story.scenes[i], masks=False).frames for i in (0, 3))
        still = np.repeat(first[len(first) // 2][None], len(first), axis=0)
        texts = [
            f"{story.scenes[i].cast[0].name} is {story.scenes[i].actions[0]} in the {story.scenes[i].place.kind}."
            for i in (0, 3)
        ]
        spans = [[(0, len(story.scenes[0].cast[0].name))]]
        before = gauge.read(first, texts[0], spans).regions[0]
        for name, clip in (("true clip", again), ("frozen frame", still)):
            now = gauge.read(clip, texts[1], spans)
            alike = similarity(scale, before, now.regions[0])
            worth[f"{name}: similarity"].append(alike)
            worth[f"{name}: held"].append(held([alike], prompt_score(scale, now), motion_score(now)) or 0.0)
    yield from ((name, float(np.mean(values))) for name, values in worth.items())


# Generated films


@dataclass(frozen=True)
class Return:
    """A mention of a generated film that was seen before. similarity, named: what the meter says of it, and whether it
    names a change. share: of its unsaid looks, how many the reader sees as before."""

    case: str  # "actor" or "place"
    similarity: float
    named: bool
    share: float


def generated_returns(
    pipeline: StoryPipeline, gauge: Gauge, scale: Calibration, stories: int, seed: int
) -> list[Return]:
    """Of ABBA stories, as the model films them."""
    filming, reader, found = Filming(pipeline, Options()), ClipReader.load(), list[Return]()
    held_out = [HeldOut(ABBA, index, seed) for index in range(stories)]
    for start in tqdm(range(0, stories, BATCH), "generated", file=sys.stderr):
        part = held_out[start : start + BATCH]
        films = filming.films([story.script for story in part], {"ours": SYSTEMS["ours"]})
        for one, takes in zip(part, films, strict=True):
            found += _returns(gauge, scale, reader, one, [take.frames for take in takes["ours"]])
    return found


def _returns(gauge: Gauge, scale: Calibration, reader: ClipReader, held_out: HeldOut, film: Film) -> Iterator[Return]:
    seen: dict[Actor | Place, tuple[Region, Reading]] = {}
    scenes = zip(held_out.story.scenes, held_out.captions, film, reader.read(film), strict=True)
    for scene, caption, clip, reading in scenes:
        spans = [[(s.start, s.end) for s in caption.spans if s.label == label] for label in ("actor 0", "place")]
        regions = gauge.read(clip, caption.text, spans).regions
        entities: tuple[Actor | Place, ...] = (scene.cast[0], scene.place)
        for entity, own, region in zip(entities, spans, regions, strict=True):
            before, first = seen.setdefault(entity, (region, reading))
            if first is not reading and first.sure and reading.sure:
                text = " ".join(caption.text[a:b] for a, b in own)
                alike = similarity(scale, before, region)
                named = alike < CHANGED or bool(differences(before.facts, region.facts, text))
                case, share = _share(entity, first, reading)
                yield Return(case, alike, named, share)


def _share(entity: Actor | Place, first: Reading, now: Reading) -> tuple[str, float]:
    place = isinstance(entity, Place)
    slots = PLACE_SLOTS if isinstance(entity, Place) else unsaid_slots(entity)
    tally = agreement(first.place, now.place, slots) if place else agreement(first.actor, now.actor, slots)
    return "place" if place else "actor", tally.hits / tally.counted


def generated_figures(found: Sequence[Return]) -> Iterator[tuple[str, float]]:
    """Correlation of similarity with the share of looks that the reader sees as before; of the mentions of which it
    sees a look changed, and of those of which it sees none, how many the meter names."""
    for case in ("actor", "place", ""):
        own = [each for each in found if case in ("", each.case)]
        shares, alike = np.array([each.share for each in own]), np.array([each.similarity for each in own])
        name = f"generated {case or 'both'}"
        yield f"{name}: how many", len(own)
        if shares.std() and alike.std():
            yield f"{name}: correlation with the reader's share", float(np.corrcoef(shares, alike)[0, 1])
        for word, chosen in (("changed", shares < 1), ("unchanged", shares == 1)):
            if chosen.any():
                yield f"{name}: {word}, named", float(np.array([each.named for each in own])[chosen].mean())


# Light


def blurred(frames: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of frames, uint8 (F, H, W, 3); sigma in pixels."""
    reach = torch.arange(-8, 9.0)
    kernel = torch.exp(-(reach**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    x = F.pad(torch.from_numpy(frames).movedim(-1, 1).float(), [8] * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, kernel, groups=3), kernel.transpose(-1, -2), groups=3)
    return x.clamp(0, 255).byte().movedim(1, -1).numpy()


def faded(frames: np.ndarray, share: float) -> np.ndarray:
    """Frames of which `share` of the distance from a light grey is left."""
    return (210 + (frames.astype(np.float32) - 210) * share).clip(0, 255).astype(np.uint8)


def greyed(frames: np.ndarray, share: float) -> np.ndarray:
    """Frames of which `share` of the colour is left."""
    grey = frames.mean(-1, keepdims=True)
    return (grey + (frames - grey) * share).astype(np.uint8)


SPOILED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "blurred by 1 pixel": ("sharpness", lambda frames: blurred(frames, 1.0)),
    "blurred by 2 pixels": ("sharpness", lambda frames: blurred(frames, 2.0)),
    "washed out to 0.4": ("contrast", lambda frames: faded(frames, 0.4)),
    "washed out to 0.6": ("contrast", lambda frames: faded(frames, 0.6)),
    "colours at 0.5": ("saturation", lambda frames: greyed(frames, 0.5)),
}


def light_figures(stories: int) -> Iterator[tuple[str, float]]:
    """Warnings in good rendered stories; how often a spoiled scene, and a slow fading over all scenes, is found."""
    rng, alarms, scenes, drifts = random.Random("light"), 0, 0, 0
    found, faded_out = defaultdict[str, list[bool]](list), list[bool]()
    for index in range(stories):
        story = world.long_story(index, "light")
        clips = [renderer.render(scene, masks=False, frames=FRAMES).frames for scene in story.scenes]
        lights = [light_of(frames) for frames in clips]
        told = list(out_of_line(lights))
        scenes, alarms = scenes + len(lights), alarms + len({each.scene for each in told if not each.drift})
        drifts += any(each.drift for each in told)
        at = rng.randrange(len(clips))
        for name, (measure, spoil) in SPOILED.items():
            found[name].append(_finds([*lights[:at], light_of(spoil(clips[at])), *lights[at + 1 :]], at, measure))
        fading = [light_of(faded(frames, 1 - 0.6 * i / (len(clips) - 1))) for i, frames in enumerate(clips)]
        faded_out.append(any(each.measure == "contrast" for each in out_of_line(fading)))
    yield "light: good scenes with a warning", alarms / scenes
    yield "light: good stories with a drift", drifts / stories
    yield from ((f"light: found, {name}", float(np.mean(each))) for name, each in found.items())
    yield "light: found, fading slowly to 0.4", float(np.mean(faded_out))


def _finds(lights: Sequence[Light], scene: int, measure: str) -> bool:
    return any(told.scene == scene and told.measure == measure for told in out_of_line(lights))


# The command


def examine(gauge: Gauge, scale: Calibration, stories: int, light_stories: int) -> Figures:
    drawn = [draw(gauge, index, "exam") for index in range(stories)]
    figures: Figures = dict(similarity_figures(scale, [pair for e in drawn for pair in e.pairs]))
    figures |= dict(gate_figures(scale, [sight for e in drawn for sight in e.sights]))
    figures |= dict(prompt_figures(scale, drawn)) | dict(frozen_figures(gauge, scale, stories // 3))
    return figures | dict(light_figures(light_stories))


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.continuity", description="The continuity meter on rendered clips.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder")
    p.add_argument("--looks", default="own", help="'own', 'dinov2', 'clip', or an image encoder's folder")
    p.add_argument("--stories", type=whole(6, 10_000), default=STORIES, help="how many examples (%(default)s)")
    p.add_argument("--generated", type=whole(1, 10_000), metavar="N", help="ABBA stories, filmed by the model, beside")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which of these stories (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    looks = None if a.looks == "own" else vision_models.load(a.looks)
    pipeline, began = loading.load(a.model), time.perf_counter()
    gauge = Gauge(pipeline, looks)
    scale = calibrate(gauge)
    figures = {"seconds to calibrate": time.perf_counter() - began} | examine(gauge, scale, a.stories, LIGHT_STORIES)
    if a.generated:
        figures |= dict(generated_figures(generated_returns(pipeline, gauge, scale, a.generated, a.seed)))
    if a.json:
        write_all({Path(a.json): to_json(figures)})
    print("| | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
