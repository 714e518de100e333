"""python -m pipeline.evaluation.clarity: whether it can be told what somebody in a clip looks like.

How often the two witnesses (`story.witnesses`) say the same of every part of a look, by where the clip comes from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import loading
from ..picturebook import renderer
from ..picturebook.localiser import Localiser
from ..picturebook.reader import ClipReader
from ..story_pipeline import StoryPipeline
from .common.command import Parser, new_file, run, whole
from .common.statistics import Estimate, Tally, estimate
from .reporting.report import cell, to_json, write_all
from .story.benchmark import HeldOut
from .story.detail import rebuilt
from .story.filming import Filming
from .story.systems import ABBA, SYSTEMS, Options
from .story.witnesses import TRAINING_STORIES, Line, witness_tallies

SOURCES = {
    "rendered": "rendered",
    "rebuilt": "rendered, encoded and decoded",
    "first": "generated, first appearance",
    "again": "generated, second appearance",
}
FIRST, AGAIN = (0, 1), (2, 3)  # scenes of an ABBA story


def clarity(pipeline: StoryPipeline, stories: int, seed: int) -> dict[str, dict[str, Estimate]]:
    """Of every source, by slot, how often the witnesses agree; intervals are over stories."""
    encoder = pipeline.image_encoder.float()
    reader, line = ClipReader.load(), Line.trained(encoder, Localiser.load(), TRAINING_STORIES)
    drawn = [HeldOut(ABBA, index, seed) for index in range(stories)]
    films = Filming(pipeline, Options()).films([story.script for story in drawn], {"ours": SYSTEMS["ours"]})
    tallies: dict[str, list[dict[str, Tally]]] = {source: [] for source in SOURCES}
    for story, made in zip(drawn, films, strict=True):
        scenes, film = story.story.scenes, [take.frames for take in made["ours"]]
        rendered = [renderer.render(scenes[i], masks=False).frames for i in FIRST]
        clips = {
            "rendered": (FIRST, rendered),
            "rebuilt": (FIRST, rebuilt(pipeline.vae, rendered)),
            "first": (FIRST, [film[i] for i in FIRST]),
            "again": (AGAIN, [film[i] for i in AGAIN]),
        }
        for source, (places, shown) in clips.items():
            tallies[source].append(witness_tallies([scenes[i] for i in places], shown, reader, line))
    return {source: _estimates(found) for source, found in tallies.items()}


def _estimates(found: Sequence[Mapping[str, Tally]]) -> dict[str, Estimate]:
    return {slot: estimate(one[slot] for one in found) for slot in found[0]}


def markdown(figures: Mapping[str, Mapping[str, Estimate]]) -> str:
    slots = list(next(iter(figures.values())))
    lines = ["| both witnesses say the same | " + " | ".join(slot.replace("_", " ") for slot in slots) + " |"]
    lines.append("|---" * (len(slots) + 1) + "|")
    for source, row in figures.items():
        rest = (f"{row[slot].mean:.2f}" if row[slot].n else "–" for slot in slots[1:])
        lines.append(f"| {SOURCES[source]} | " + " | ".join((cell(row["all"]), *rest)) + " |")
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.clarity", description="Whether looks in generated clips can be told.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=100, help="held-out ones to film (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    pipeline = loading.load(a.model)
    pipeline.set_progress_bar_config(disable=True)
    figures = clarity(pipeline, a.stories, a.seed)
    if a.json:
        rows = {source: {slot: value.to_dict() for slot, value in row.items()} for source, row in figures.items()}
        write_all({Path(a.json): to_json(rows)})
    print(markdown(figures), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
