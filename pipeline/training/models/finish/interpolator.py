"""Trains the interpolator: frames of drawn clips from those around them, at any moment in between.

Clips are drawn as it trains, at the moments that are asked for. In half of them frames are as soft as generated ones:
the same blur over what is given and over the truth, since what is drawn between soft frames is to be as soft as they.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ....picturebook import renderer, world
from ....stages.interpolation import Interpolator
from ...loop import Losses, Recipe, device_of, half_precision

RECIPE = Recipe("interpolator", 12000, 1e-3, 12, warmup=100, decay=0.6, average=0.995, adam_names=("",))
STORIES = 200_000  # seeds of the stories whose scenes it learns from
PATCH = 64  # pixels a side
ACTORS, MOVING = 0.8, 4.0  # share of the patches that show an actor; weight of pixels that change
EDGES = 0.5  # weight of the error of differences between neighbouring pixels
BLUR, MOST_NOISE = 0.5, 0.03
HALVED = 0.25  # share of the clips that have twice the rate


def draw(rng: random.Random, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches: given frames t - 1 to t + 2, uint8 (count, 4, PATCH, PATCH, 3), the frame between the two in the middle,
    (count, PATCH, PATCH, 3), and when it is, float (count) from 0 to 1."""
    given, truth, moments = [], [], []
    for _ in range(count):
        scene = rng.choice(world.training_story(rng.randrange(STORIES)).scenes)
        step, moment = 0.5 if rng.random() < HALVED else 1.0, rng.random()
        t = step * rng.randrange(round((renderer.NUM_FRAMES - 1) / step))
        times = np.clip([t - step, t, t + step, t + 2 * step], 0, renderer.NUM_FRAMES - 1)
        parts = renderer.parts_of(scene)
        clip = renderer.perform(scene.place, parts, [*times, t + moment * step])
        assert clip.masks is not None, "drawn with masks"
        rows, columns = _patch(rng, clip.masks[4])
        given.append(clip.frames[:4, rows, columns])
        truth.append(clip.frames[4, rows, columns])
        moments.append(moment)
    return np.stack(given), np.stack(truth), np.array(moments, np.float32)


def _patch(rng: random.Random, mask: np.ndarray) -> tuple[slice, slice]:
    """Around a pixel of an actor, or anywhere."""
    height, width = mask.shape
    places = np.argwhere(mask > 0)
    y, x = (
        places[rng.randrange(len(places))]
        if len(places) and rng.random() < ACTORS
        else (rng.randrange(height), rng.randrange(width))
    )
    top, left = (int(np.clip(p - PATCH // 2, 0, n - PATCH)) for p, n in ((y, height), (x, width)))
    return slice(top, top + PATCH), slice(left, left + PATCH)


def make_losses(model: Interpolator, batch_size: int) -> Callable[[torch.Generator], Losses]:
    """The absolute error and that of the differences between neighbouring pixels, more where something moves."""
    device = device_of(model)

    def losses(generator: torch.Generator) -> Losses:
        rng = random.Random(int(torch.randint(2**31, (), generator=generator)))
        given, truth, moments = draw(rng, batch_size)
        given_pixels, target = _softened(_signed(given), _signed(truth[:, None]), generator)
        x, target = given_pixels.flatten(1, 2).to(device), target[:, 0].to(device)
        moment = torch.from_numpy(moments).to(device)
        with half_precision(device):
            made = model(x, moment)
        between = moment[:, None, None, None]
        blend = x[:, 3:6] * (1 - between) + x[:, 6:9] * between
        weight = 1 + MOVING * ((x[:, 3:6] - x[:, 6:9]).abs().mean(1, keepdim=True) > 0.05).float()
        absolute = ((made - target).abs() * weight).mean()
        edges = sum((F.l1_loss(made.diff(dim=d), target.diff(dim=d)) for d in (-1, -2)), start=made.new_zeros(()))
        over = (made - target).square().mean() / (blend - target).square().mean().clamp(min=1e-8)
        return {"loss": absolute + EDGES * edges, "absolute": absolute, "gain_db": -10 * over.log10()}

    return losses


def _softened(given: Tensor, truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Both, (N, T, 3, H, W), with the same blur in half of the clips; those that are given with some noise too."""
    share, chance = (torch.rand(len(given), 1, 1, 1, 1, generator=generator) for _ in range(2))
    soft = share * (chance < BLUR)
    noise = MOST_NOISE * soft * torch.randn(given.shape, generator=generator)
    return _blurred(given, soft) + noise, _blurred(truth, soft)


def _blurred(pixels: Tensor, share: Tensor) -> Tensor:
    padded = F.pad(pixels.flatten(0, 1), (1, 1, 1, 1), mode="replicate")
    return pixels.lerp(F.avg_pool2d(padded, 3, 1).view_as(pixels), share)


def _signed(pictures: np.ndarray) -> Tensor:
    """uint8 (N, T, H, W, 3) to float32 (N, T, 3, H, W) in -1..1."""
    return torch.from_numpy(pictures).movedim(-1, 2).float() / 127.5 - 1
