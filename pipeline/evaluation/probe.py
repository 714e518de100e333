"""python -m pipeline.evaluation.probe: what a straight line can read off the image encoder's patch features.

A fresh linear layer is trained on the features of rendered keyframes and tested on held-out ones: every attribute at
the place of its entity. "patch" reads every patch of the entity by itself, "entity" the mean of its patches.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import CLIPVisionModelWithProjection

from ..backbones.checkpoints import NAMES, find
from ..errors import ThroughlineError
from ..picturebook.facts import ACTOR_FACTS, PLACE_FACTS
from ..training.models.image_encoder import FactHeads
from .common.command import Parser, new_file, run, whole
from .reporting.report import to_json, write_all
from .story.witnesses import TRAINING_STORIES, Examples, examples, fit, held_out_scenes

TEST_STORIES = 100


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
