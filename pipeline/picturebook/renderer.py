"""Renders a scene of the picture book: frames, and the truth about them (masks and boxes)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import ThroughlineError
from .brush import Brush
from .figures import PACE, TRAVEL, figure
from .places import paint_place
from .world import WorldScene

HEIGHT, WIDTH, NUM_FRAMES, FRAMES_PER_SECOND = 96, 144, 17, 8
OVERSAMPLING = 3
GROUND = 0.9  # where feet stand, share of the height
UNIT = 0.094  # one figure unit, share of the height


@dataclass(frozen=True)
class RenderedClip:
    """frames: uint8 (F, H, W, 3). masks: uint8 (F, H, W) or None; 0 is the place, actor i is 1 + 2i, its things 2 +
    2i."""

    frames: np.ndarray
    masks: np.ndarray | None

    def boxes(self, label: int) -> np.ndarray:
        """Bounding boxes of a label, int (F, 4) as left, top, right, bottom (exclusive); zeros where it is not seen."""
        assert self.masks is not None, "the clip was rendered without masks"
        out = np.zeros((len(self.masks), 4), np.int64)
        for i, mask in enumerate(self.masks):
            rows, columns = np.nonzero(mask == label)
            if rows.size:
                out[i] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return out


def render(
    scene: WorldScene,
    *,
    num_frames: int = NUM_FRAMES,
    masks: bool = True,
    frames: Sequence[int] | None = None,
    scale: float = 1,
) -> RenderedClip:
    """Draws `scene` at `scale` times 96 x 144 pixels. The same scene gives the same pixels.

    frames: which of the num_frames; None for all. Raises ThroughlineError as `size_at` does.
    """
    height, width = (side * OVERSAMPLING for side in size_at(scale))
    stage = paint_place(scene.place, width, height)
    rng = random.Random(scene.seed)
    starts = [_start(rng, i, scene, scale) for i in range(len(scene.cast))]
    pictures, labels = [], []
    for t in range(num_frames) if frames is None else frames:
        image = stage.copy()
        mask = Image.new("L", (width, height)) if masks else None
        brush = Brush(image, mask)
        for i, (actor, action) in enumerate(zip(scene.cast, scene.actions, strict=True)):
            x, phase = starts[i]
            x += TRAVEL.get(action, 0.0) * UNIT * height * (t - num_frames / 2)
            feet = (x, (GROUND + 0.03 * i) * height)
            figure(brush, actor, action, feet, UNIT * height, phase + PACE[action] * t, 1 + 2 * i)
        pictures.append(np.asarray(image.reduce(OVERSAMPLING)))
        if mask is not None:
            centre = OVERSAMPLING // 2
            labels.append(np.asarray(mask)[centre::OVERSAMPLING, centre::OVERSAMPLING])
    return RenderedClip(np.stack(pictures), np.stack(labels) if masks else None)


def size_at(scale: float) -> tuple[int, int]:
    """Height and width in pixels. Raises ThroughlineError if one is no whole number."""
    sides = HEIGHT * scale, WIDTH * scale
    if scale <= 0 or any(side != int(side) for side in sides):
        raise ThroughlineError(f"scale is {scale}: expected one at which {HEIGHT} x {WIDTH} pixels stay whole numbers")
    return int(sides[0]), int(sides[1])


def _start(rng: random.Random, index: int, scene: WorldScene, scale: float) -> tuple[float, float]:
    """Where an actor stands in the middle of the clip (pixels at the drawing size) and its phase at the start."""
    centre = 0.5 if len(scene.cast) == 1 else (0.3, 0.7)[index]
    spread = 0.08 if len(scene.cast) == 1 else 0.04
    return (centre + rng.uniform(-spread, spread)) * WIDTH * OVERSAMPLING * scale, rng.uniform(0, 6.283)
