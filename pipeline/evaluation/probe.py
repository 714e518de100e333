"""python -m pipeline.evaluation.probe: what a straight line can read off the image encoder's patch features.

A fresh linear layer is trained on the features of rendered keyframes and tested on held-out ones: every attribute at
the place of its entity. "patch" reads every patch of the entity by itself, "entity" the mean of its patches.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import trange
from transformers import CLIPVisionModelWithProjection

from ..backbones.checkpoints import NAMES, find
from ..encoders.image import patch_features, to_pixels
from ..errors import ThroughlineError
from ..picturebook import renderer, world
from ..picturebook.facts import ACTOR_FACTS, PLACE, PLACE_FACTS, truth_of
from ..training.models.image_encoder import FactHeads
from .command import Parser, new_file, run, whole
from .reporting.report import to_json, write_all

KEYFRAME = 8
TRAINING_STORIES, TEST_STORIES = 300, 100
STEPS, BATCH, RATE = 1200, 2048, 0.02


@dataclass(frozen=True)
class Examples:
    """Patches of one sort of entity."""

    features: Tensor  # float32 (n, d)
    facts: Tensor  # int64 (n, k)
    entity: Tensor  # int64 (n), whose patch it is

    def pooled(self) -> Examples:
        """The mean patch of every entity."""
        _, entity, count = self.entity.unique(return_inverse=True, return_counts=True)
        features = torch.zeros(len(count), self.features.shape[1]).index_add(0, entity, self.features)
        facts = torch.zeros(len(count), self.facts.shape[1], dtype=torch.int64)
        facts[entity] = self.facts
        return Examples(features / count[:, None], facts, torch.arange(len(count)))


def held_out_scenes(stories: int, domain: str) -> list[world.WorldScene]:
    return [scene for index in range(stories) for scene in world.abba_story(index, domain).scenes]


@torch.no_grad()
def examples(model: CLIPVisionModelWithProjection, scenes: list[world.WorldScene]) -> tuple[Examples, Examples]:
    """Patches of actors and of places on the keyframes of `scenes`."""
    clips = [renderer.render(scene, frames=(KEYFRAME,)) for scene in scenes]
    truth = truth_of(scenes, np.concatenate([clip.masks for clip in clips if clip.masks is not None]))
    pictures = torch.from_numpy(np.concatenate([clip.frames for clip in clips]))
    batches = (to_pixels(batch, model.config.image_size) for batch in pictures.split(100))
    features = torch.cat([patch_features(model, batch) for batch in batches])
    owner = torch.from_numpy(truth.owner)
    row, patch = torch.nonzero(owner > PLACE, as_tuple=True)
    index = owner[row, patch] - 1
    actors = Examples(features[row, patch], torch.from_numpy(truth.actors)[row, index], 2 * row + index)
    row, patch = torch.nonzero(owner == PLACE, as_tuple=True)
    return actors, Examples(features[row, patch], torch.from_numpy(truth.places)[row], row)


def fit(train: Examples, facts: dict[str, tuple[str, ...]], steps: int = STEPS, seed: int = 0) -> FactHeads:
    """A linear layer from standardised features to all facts, by Adam; the standardising is folded into it."""
    torch.manual_seed(seed)
    mean, std = train.features.mean(0), train.features.std(0) + 1e-6
    heads, x = FactHeads(train.features.shape[1], facts), (train.features - mean) / std
    optimizer = torch.optim.Adam(heads.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in trange(steps, desc="probe", leave=False, file=sys.stderr):
        rows = torch.randint(len(x), (BATCH,))
        optimizer.zero_grad()
        heads.loss(x[rows], train.facts[rows]).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        heads.linear.weight.div_(std)
        heads.linear.bias.sub_(heads.linear.weight @ mean)
    return heads.requires_grad_(False)


def accuracy(heads: FactHeads, test: Examples, facts: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """The share that is right of each fact, where there is such a thing (only people have hair)."""
    shares = {}
    for i, ((name, values), logits) in enumerate(zip(facts.items(), heads(test.features), strict=True)):
        truth = test.facts[:, i]
        there = truth != values.index("") if "" in values else torch.ones_like(truth, dtype=torch.bool)
        shares[name] = float((logits.argmax(-1) == truth)[there].float().mean())
    return shares


def probe(model: CLIPVisionModelWithProjection, train: int, test: int, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yields (attribute, accuracy on single patches, accuracy on the mean patch of the entity)."""
    training = examples(model, held_out_scenes(train, f"probe/{seed}"))
    testing = examples(model, held_out_scenes(test, f"probe/{seed}/test"))
    sorts = (("actor", ACTOR_FACTS), ("place", PLACE_FACTS))
    for (sort, facts), learned, unseen in zip(sorts, training, testing, strict=True):
        patch = accuracy(fit(learned, facts), unseen, facts)
        entity = accuracy(fit(learned.pooled(), facts), unseen.pooled(), facts)
        for name in facts:
            yield f"{sort} {name}", patch[name], entity[name]


def load_image_encoder(name: str) -> CLIPVisionModelWithProjection:
    """The image encoder of a model, or one in a folder of its own."""
    folder = find(name) if name in NAMES else Path(name)
    folder = folder / "image_encoder" if (folder / "image_encoder").is_dir() else folder
    if not (folder / "config.json").is_file():
        raise ThroughlineError(f"model is {name!r}: expected 'picturebook' or the folder of an image encoder")
    model = CLIPVisionModelWithProjection.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    return model.float().eval()  # it ships in half precision


def parser() -> argparse.ArgumentParser:
    p = Parser(
        "python -m pipeline.evaluation.probe", description="A linear probe on the image encoder's patch features."
    )
    p.add_argument("--model", default="picturebook", help="a model's name or folder, or an image encoder's folder")
    p.add_argument("--stories", type=whole(1, 10_000), default=TRAINING_STORIES, help="to train on (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=0, help="which stories (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    rows = list(probe(load_image_encoder(a.model), a.stories, TEST_STORIES, a.seed))
    if a.json:
        write_all({Path(a.json): to_json({name: {"patch": patch, "entity": entity} for name, patch, entity in rows})})
    print("| attribute | patch | entity |\n|---|---|---|")
    for name, patch, entity in rows:
        print(f"| {name} | {patch:.3f} | {entity:.3f} |")
    print(f"| lowest | {min(row[1] for row in rows):.3f} | {min(row[2] for row in rows):.3f} |")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
