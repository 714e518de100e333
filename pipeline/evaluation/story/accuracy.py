"""How well the reader reads and the localiser finds: their accuracy on held-out rendered clips."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...picturebook import renderer
from ...picturebook.facts import NOTHING
from ...picturebook.localiser import ACTOR, PLACE, THINGS, Localiser
from ...picturebook.reader import READ_FACTS, SURE, ClipReader, to_input
from ...training.models.localiser import lone_scene
from ...training.models.reader import render_example
from .pointing import entity_patches

CLIPS, KEYFRAMES = 400, 300
KEYFRAME = 8
GRID = (12, 12)  # patches of the image encoder, on which pointing is decided
NAMES = {"place": PLACE, "actor": ACTOR, "things": THINGS}


@torch.no_grad()
def reader_accuracy(reader: ClipReader, seed: int, clips: int = CLIPS) -> dict[str, float]:
    """The share that is right of each fact, where there is such a thing, and of "presence".

    Presence is right if the reader is sure of a clip that shows somebody, or not sure of one that shows nobody.
    """
    examples = [render_example(random.Random(f"reader/bench/{seed}/{i}")) for i in range(clips)]
    facts = torch.tensor([truth for _, truth in examples])
    parts = [reader(to_input(np.stack([f for f, _ in examples[i : i + 64]]))) for i in range(0, clips, 64)]
    logits = [torch.cat(rows) for rows in zip(*parts, strict=True)]
    accuracy = {name: _share(logits[i], facts[:, i], values) for i, (name, values) in enumerate(READ_FACTS.items())}
    sure = 1 - logits[0].softmax(-1)[:, 0] >= SURE
    return accuracy | {"presence": float((sure == (facts[:, 0] > 0)).float().mean())}


def _share(logits: Tensor, truth: Tensor, values: tuple[str, ...]) -> float:
    """Without rows where nothing is to be read: no lone actor, or one that has no hair."""
    there = truth != NOTHING
    if "" in values:
        there &= truth != values.index("")
    return float((logits.argmax(-1) == truth)[there].float().mean())


def localiser_accuracy(localiser: Localiser, seed: int, clips: int = KEYFRAMES) -> dict[str, float]:
    """On held-out rendered keyframes of a lone actor: intersection over union of each label over all pixels, and the
    share of the patches of "actor 0" and of "place" (the two things that are pointed at) that it decides rightly."""
    scenes = [lone_scene(random.Random(f"localiser/bench/{seed}/{i}")) for i in range(clips)]
    rendered = [renderer.render(scene, frames=(KEYFRAME,)) for scene in scenes]
    truths = [clip.masks[0] for clip in rendered if clip.masks is not None]
    found = localiser.masks([clip.frames[0] for clip in rendered])
    accuracy = {f"{name} pixels": _overlap(found, truths, label) for name, label in NAMES.items()}
    return accuracy | {f"{label} patches": _patch_overlap(found, truths, label) for label in ("actor 0", "place")}


def _overlap(found: Sequence[np.ndarray], truths: Sequence[np.ndarray], label: int) -> float:
    a, b = np.stack(found) == label, np.stack(truths) == label
    return float((a & b).sum() / max(1, (a | b).sum()))


def _patch_overlap(found: Sequence[np.ndarray], truths: Sequence[np.ndarray], label: str) -> float:
    a, b = (np.stack([entity_patches(mask, label, GRID) for mask in masks]) for masks in (found, truths))
    return float((a & b).sum() / max(1, (a | b).sum()))
