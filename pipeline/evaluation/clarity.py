"""python -m pipeline.evaluation.clarity: whether it can be told what somebody in a clip looks like.

Two witnesses say what an actor looks like: the benchmark's reader, which sees the whole clip, and a straight line on
the image encoder's patch features of the keyframe, where the localiser sees the actor. All were trained on rendered
clips, where they agree. A look on which they do not agree lies between two values, and such a look is read now as one
and now as the other, however well it is remembered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from .. import loading
from ..encoders.image import patch_features, to_pixels
from ..picturebook import renderer
from ..picturebook.facts import ACTOR_FACTS, patch_coverage
from ..picturebook.localiser import PLACE, Localiser
from ..picturebook.reader import ClipReader
from ..picturebook.world import ACTOR_SLOTS, WorldScene
from ..story_pipeline import StoryPipeline
from ..training.frames import to_video
from ..training.models.image_encoder import FactHeads
from .command import Parser, new_file, run, whole
from .probe import TRAINING_STORIES, examples, fit, held_out_scenes
from .reporting.report import cell, to_json, write_all
from .statistics import Estimate, Tally, estimate
from .story.benchmark import HeldOut
from .story.filming import Filming
from .story.measures import unsaid_slots
from .story.systems import ABBA, SYSTEMS, Film, Options, keyframes

SOURCES = {
    "rendered": "rendered",
    "rebuilt": "rendered, encoded and decoded",
    "first": "generated, first appearance",
    "again": "generated, second appearance",
}
FIRST, AGAIN = (0, 1), (2, 3)  # scenes of an ABBA story
OWNED = 0.4  # of a patch, from which it shows the actor, as in `picturebook.facts`


@dataclass(frozen=True, eq=False)
class Line:
    """The witness that sees a keyframe through the image encoder."""

    model: CLIPVisionModelWithProjection
    localiser: Localiser
    heads: FactHeads

    @classmethod
    def trained(cls, model: CLIPVisionModelWithProjection, localiser: Localiser, stories: int) -> Line:
        """On the mean patch of every actor in held-out rendered stories."""
        actors, _ = examples(model, held_out_scenes(stories, "clarity"))
        return cls(model, localiser, fit(actors.pooled(), ACTOR_FACTS))

    @torch.no_grad()
    def looks(self, film: Film) -> list[dict[str, str]]:
        """What each clip's keyframe shows of its actor, by slot; nothing where the localiser sees nobody."""
        pictures = np.stack(keyframes(film))
        pixels = to_pixels(torch.from_numpy(pictures), self.model.config.image_size)
        features = patch_features(self.model, pixels)
        found = []
        for mask, patches in zip(self.localiser.masks(list(pictures)), features, strict=True):
            own = torch.from_numpy(patch_coverage(mask[None] != PLACE)[0]) > OWNED
            found.append(self._read(patches[own].mean(0)) if own.any() else {})
        return found

    def _read(self, features: Tensor) -> dict[str, str]:
        logits = zip(ACTOR_FACTS.items(), self.heads(features), strict=True)
        return {fact: values[int(row.argmax())] for (fact, values), row in logits}


def witness_tallies(scenes: Sequence[WorldScene], film: Film, reader: ClipReader, line: Line) -> dict[str, Tally]:
    """By slot, and "all": the unsaid slots of lone actors about which both witnesses say the same, where both see
    somebody."""
    found = dict.fromkeys(("all", *ACTOR_SLOTS), Tally())
    for scene, reading, look in zip(scenes, reader.read(film), line.looks(film), strict=True):
        for slot in unsaid_slots(scene.cast[0]) if reading.sure and look else ():
            same = Tally(reading.actor[slot] == look[slot], 1)
            found[slot], found["all"] = found[slot] + same, found["all"] + same
    return found


@torch.no_grad()
def rebuilt(pipeline: StoryPipeline, film: Film) -> Film:
    """Clips, encoded and decoded by the autoencoder."""
    vae, clips = pipeline.vae, []
    for frames in film:
        video = to_video(frames[None]).to(vae.device, vae.dtype)
        decoded = vae.decode(vae.encode(video, return_dict=False)[0].mode(), return_dict=False)[0]
        pixels = (decoded[0].float().clamp(-1, 1) + 1) * 127.5
        clips.append(pixels.round().byte().movedim(0, -1).cpu().numpy())
    return clips


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
            "rebuilt": (FIRST, rebuilt(pipeline, rendered)),
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
