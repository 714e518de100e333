"""Trains the tube locator on drawn clips in which somebody comes, goes or begins to do something else.

Losses of TubeDETR on every decoder layer: boxes by absolute error and generalised IoU inside the moment, start and end
against Gaussians around the truth, attention kept inside the moment; and three of our own, cheap where masks are known:
which cells show what was asked, which frames do, and whether any does. Frames are blurred and noisy in half of the
clips, as generated ones are. Half of the batches are a few frames of more clips: boxes and looks, of which there are
more that way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from ...encoders.image import patch_features, to_pixels
from ...encoders.text import TextEncoder
from ...grounding.layers import COLUMNS, ROWS
from ...grounding.tubes import SLOW, Located, TubeLocator, to_corners, to_input
from ..dataset.tubes import AskedClip, Question, asked_clip
from ..loop import Losses, Recipe, device_of, half_precision

ADAM_NAMES = ("stem", "_in", "kinds", "query", "doubt", "box", "ends", "inside", "in_proj")
RECIPE = Recipe("locator", 2400, 1e-3, 6, warmup=100, decay=0.6, average=0.995, adam_names=ADAM_NAMES)
QUESTIONS = 4  # a clip
STILLS = 3  # frames of a clip, in half of the batches
BOX_L1, BOX_IOU, ENDS, GUIDED, CELLS, INSIDE, THERE = 5.0, 2.0, 10.0, 1.0, 4.0, 2.0, 1.0
BLUR = 0.5  # share of the clips that are blurred and noisy
MOST_NOISE = 0.08  # of pixels in -1..1


@dataclass(frozen=True, eq=False)
class Batch:
    """fast branch's frames once a clip; everything else once a question."""

    pixels: Tensor  # (clips, T, 3, 96, 144)
    seen: Tensor  # (clips, K, P', v), φ
    clip: Tensor  # int64 (B): which clip a question is about
    text: Tensor  # (B, L, t)
    padding: Tensor  # bool (B, L)
    there: Tensor  # bool (B)
    inside: Tensor  # bool (B, T)
    boxes: Tensor  # (B, T, 4)
    cells: Tensor  # (B, T, P) in 0..1, what of each cell the asked actor covers, in frames of the moment


def draw(
    seed: int, count: int, stills: bool, text: TextEncoder, vision: CLIPVisionModelWithProjection, device: torch.device
) -> Batch:
    """So many clips with their questions, all chance by `seed`."""
    rng, generator = random.Random(f"locator/{seed}"), torch.Generator().manual_seed(seed)
    clips = [asked_clip(rng, QUESTIONS) for _ in range(count)]
    times = [sorted(rng.sample(range(len(c.frames)), STILLS)) if stills else list(range(len(c.frames))) for c in clips]
    pixels = torch.stack([to_input(clip.frames[t]) for clip, t in zip(clips, times, strict=True)])
    pixels = _disturbed(pixels, generator).to(device)
    every = 1 if stills else SLOW
    seen = _seen(pixels[:, ::every], vision)
    asked = [(i, question) for i, clip in enumerate(clips) for question in clip.questions]
    truths = [_truth(clips[i], question, times[i]) for i, question in asked]
    hidden, padding = _words([question.text for _, question in asked], text, device)
    inside, boxes, cells = (torch.from_numpy(np.stack(x)).to(device) for x in zip(*truths, strict=True))
    there = inside.any(1)
    return Batch(
        pixels, seen, torch.tensor([i for i, _ in asked]).to(device), hidden, padding, there, inside, boxes, cells
    )


def _truth(clip: AskedClip, question: Question, times: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """inside bool (T), boxes (T, 4), cells (T, P)."""
    count, p = len(times), ROWS * COLUMNS
    if question.actor is None:
        return np.zeros(count, bool), np.zeros((count, 4), np.float32), np.zeros((count, p), np.float32)
    at = np.array(times)
    inside = (at >= question.first) & (at <= question.last)
    own = (clip.masks[at].astype(np.int16) + 1) // 2 == question.actor + 1
    cells = own.reshape(count, ROWS, 8, COLUMNS, 8).mean((2, 4), dtype=np.float32).reshape(count, p)
    return inside, clip.boxes[question.actor, at], cells * inside[:, None]


def _disturbed(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the clips (N, T, 3, H, W) with a blur and some noise."""
    blurred = F.avg_pool2d(F.pad(pixels.flatten(0, 1), (1, 1, 1, 1), mode="replicate"), 3, 1).view_as(pixels)
    share, level, chance = (torch.rand(len(pixels), 1, 1, 1, 1, generator=generator) for _ in range(3))
    noise = MOST_NOISE * level * torch.randn(pixels.shape, generator=generator)
    which = chance < BLUR
    return torch.where(which, pixels.lerp(blurred, share) + noise, pixels).clamp(-1, 1)


@torch.no_grad()
def _seen(pixels: Tensor, vision: CLIPVisionModelWithProjection) -> Tensor:
    """φ of frames (N, K, 3, H, W)."""
    pictures = (pixels.flatten(0, 1).movedim(1, -1) + 1) * 127.5
    return patch_features(vision, to_pixels(pictures, vision.config.image_size)).unflatten(0, pixels.shape[:2])


def _words(texts: Sequence[str], encoder: TextEncoder, device: torch.device) -> tuple[Tensor, Tensor]:
    rows = [encoder.encode(text).hidden for text in texts]
    hidden = torch.zeros(len(rows), max(map(len, rows)), rows[0].shape[1])
    padding = torch.ones(hidden.shape[:2], dtype=torch.bool)
    for i, row in enumerate(rows):
        hidden[i, : len(row)], padding[i, : len(row)] = row, False
    return hidden.to(device), padding.to(device)


def make_losses(
    model: TubeLocator, vision: CLIPVisionModelWithProjection, text: TextEncoder, batch_size: int
) -> Callable[[torch.Generator], Losses]:
    """Losses of a batch; the encoders are frozen."""
    device = device_of(model)
    vision.requires_grad_(False)

    def losses(generator: torch.Generator) -> Losses:
        seed = int(torch.randint(2**31, (), generator=generator))
        stills = float(torch.rand((), generator=generator)) < 0.5
        with half_precision(device):
            batch = draw(seed, batch_size * (STILLS if stills else 1), stills, text, vision, device)
            return losses_of(model, batch, stills)

    return losses


def losses_of(model: TubeLocator, batch: Batch, stills: bool) -> Losses:
    """Stills are all looked at closely."""
    fast = model.stem(batch.pixels.flatten(0, 1)).unflatten(0, batch.pixels.shape[:2])
    every = 1 if stills else SLOW
    found = model(fast[batch.clip], batch.seen[batch.clip], batch.text, batch.padding, every)
    return tube_losses(found, batch)


def tube_losses(found: Located, batch: Batch) -> Losses:
    there, inside = batch.there, batch.inside
    layers = len(found.boxes)
    truth = batch.boxes[inside]
    l1 = torch.stack([F.l1_loss(found.boxes[i][inside], truth) for i in range(layers)])
    overlap = torch.stack([giou(to_corners(found.boxes[i][inside]), to_corners(truth)).mean() for i in range(layers)])
    ends = torch.stack([_ends_loss(found.ends[i][there], inside[there]) for i in range(layers)])
    frames = torch.stack([F.binary_cross_entropy_with_logits(found.inside[i], inside.float()) for i in range(layers)])
    guided = torch.stack([_guided(found.weights[i][there], inside[there]) for i in range(layers)])
    cells = torch.stack([_cells_loss(found.cells[i], batch.cells) for i in range(layers)]).mean()
    loss = BOX_L1 * l1.mean() + BOX_IOU * (1 - overlap).mean() + ENDS * ends.mean() + INSIDE * frames.mean()
    score = found.inside.amax(-1)  # logits
    known = F.binary_cross_entropy_with_logits(score, there.float().expand_as(score))
    loss = loss + GUIDED * guided.mean() + CELLS * cells + THERE * known
    return {
        "loss": loss,
        "l1": l1[-1],
        "giou": overlap[-1],
        "ends": ends[-1],
        "inside": frames[-1],
        "cells": cells,
        "there": ((score[-1] > 0) == there).float().mean(),
    }


def _ends_loss(logits: Tensor, inside: Tensor) -> Tensor:
    """KL(p ‖ q) of start and end, q a Gaussian of one frame around the truth; mean over questions and frames."""
    times = torch.arange(inside.shape[1], device=inside.device)
    first, last = inside.float().argmax(1), inside.shape[1] - 1 - inside.flip(1).float().argmax(1)
    total = logits.sum() * 0
    for i, at in enumerate((first, last)):
        q = torch.softmax(-((times - at[:, None]).float() ** 2) / 2, dim=1).clamp(min=1e-6)
        p = logits[..., i].log_softmax(1)
        total = total + (p.exp() * (p - q.log())).mean()
    return total


def _guided(weights: Tensor, inside: Tensor) -> Tensor:
    """-log(1 - w) of the attention of frames outside the moment to their cells, so that they look at words alone."""
    outside = ~inside
    lost = -(1 - weights[..., : ROWS * COLUMNS].clamp(max=0.999)).log().sum(-1)
    return (lost * outside).sum() / outside.sum().clamp(min=1)


def _cells_loss(logits: Tensor, cells: Tensor) -> Tensor:
    weight = 1 + 4 * (cells > 0)
    return F.binary_cross_entropy_with_logits(logits, cells, weight=weight)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union (Rezatofighi et al. 2019) of boxes (n, 4), left, top, right, bottom."""

    def area(x: Tensor) -> Tensor:
        return (x[:, 2:] - x[:, :2]).clamp(min=0).prod(1)

    both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    either = area(a) + area(b) - both
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    return both / either.clamp(min=1e-6) - (hull - either) / hull.clamp(min=1e-6)
