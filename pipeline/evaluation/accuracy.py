"""How well the reader reads: its accuracy on held-out rendered clips."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from ..training.reader import render_example
from ..training.truth import NOTHING
from .reader import READ_FACTS, SURE, ClipReader, to_input

CLIPS = 400


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
