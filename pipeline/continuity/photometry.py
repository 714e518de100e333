"""Contrast, saturation and sharpness of clips, and which scenes of a story fall out of line with the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F

LEAST_SCENES = 3  # with fewer there is no usual value to fall out of line with
# Ratios to the story's median outside of which a scene is reported, chosen on rendered stories (docs/continuity.md,
# "Drift"): whatever place and hour of day a scene has, its ratio lies inside in 99% of cases.
USUAL = {"contrast": (0.6, 1.75), "saturation": (0.6, 1.75), "sharpness": (0.75, 1.6)}
# A drift: values that follow the order of the scenes, and whose fitted line changes by more than this factor.
LEAST_DRIFT_SCENES, ORDERLY, DRIFTED = 6, 0.85, 1.4


@dataclass(frozen=True)
class Light:
    """contrast: spread of the luminance, 0 to 0.5. saturation: mean of (max - min) / max of the colours, 0 to 1.
    sharpness: fine detail over the next coarser detail, so that it hardly depends on what is shown; 0.3 to 1.5."""

    contrast: float
    saturation: float
    sharpness: float


@dataclass(frozen=True)
class OutOfLine:
    """scene: index of the scene. ratio: its value over what is usual; in a drift, the end of the story over its
    start."""

    scene: int
    measure: str  # a field of Light
    ratio: float
    drift: bool = False


MEASURES = tuple(field.name for field in fields(Light))


def light_of(frames: np.ndarray) -> Light:
    """Means over frames, uint8 (F, H, W, 3)."""
    x = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float() / 255  # F 3 H W
    luma = (x * torch.tensor([0.2126, 0.7152, 0.0722]).view(3, 1, 1)).sum(1, keepdim=True)
    most, least = x.amax(1), x.amin(1)
    fine, coarse = luma - _smooth(luma, 3), _smooth(luma, 3) - _smooth(luma, 7)
    return Light(
        float(luma.std((1, 2, 3)).mean()),
        float(((most - least) / most.clamp_min(1e-3)).mean()),
        float(fine.std() / coarse.std().clamp_min(1e-6)),
    )


def _smooth(x: torch.Tensor, size: int) -> torch.Tensor:
    return F.avg_pool2d(F.pad(x, [size // 2] * 4, mode="replicate"), size, 1)


def out_of_line(lights: Sequence[Light]) -> Iterator[OutOfLine]:
    """What a story's scenes, in order, do that stands out: single scenes far from the median, and slow drifts."""
    for measure in MEASURES if len(lights) >= LEAST_SCENES else ():
        values = np.array([max(getattr(light, measure), 1e-4) for light in lights])
        ratios, (low, high) = values / np.median(values), USUAL[measure]
        single = [OutOfLine(i, measure, float(r)) for i, r in enumerate(ratios) if not low <= r <= high]
        change = drift(values)
        yield from single
        if change and not single:
            yield OutOfLine(len(values) - 1, measure, change, drift=True)


def drift(values: np.ndarray) -> float | None:
    """The change of a steady drift from the first to the last value, as a ratio; None if there is no such drift."""
    if len(values) < LEAST_DRIFT_SCENES:
        return None
    order = np.arange(len(values))
    ranks = np.argsort(np.argsort(values))
    slope = np.polyfit(order, np.log(values), 1)[0]
    change = float(np.exp(slope * (len(values) - 1)))
    steady = abs(float(np.corrcoef(order, ranks)[0, 1])) >= ORDERLY  # Spearman's rank correlation
    return change if steady and not 1 / DRIFTED <= change <= DRIFTED else None
