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
from .world import Actor, Place, WorldScene

HEIGHT, WIDTH, NUM_FRAMES, FRAMES_PER_SECOND = 96, 144, 17, 8
OVERSAMPLING = 3
# By shot: where feet stand, and one figure unit, shares of the height. Figures are about 6 units tall.
GROUND = {"wide": 0.87, "medium": 0.9, "close": 1.05}
UNIT = {"wide": 0.072, "medium": 0.094, "close": 0.125}


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


@dataclass(frozen=True)
class Part:
    """What an actor does in some frames of a clip. Several parts may be the same actor's."""

    actor: Actor
    action: str
    x: float  # where it stands in the middle of the clip, share of the width
    phase: float  # of its motion at frame 0, radians
    index: int = 0  # of the actor in the clip: masks are labelled by it, and later ones stand nearer
    frames: range | None = None  # in which it is there; None for all


def render(
    scene: WorldScene,
    *,
    num_frames: int = NUM_FRAMES,
    masks: bool = True,
    frames: Sequence[float] | None = None,
    scale: float = 1,
) -> RenderedClip:
    """Draws `scene` at `scale` times 96 x 144 pixels. The same scene gives the same pixels.

    frames: which of the num_frames, and moments between them; None for all. Raises ThroughlineError as `size_at` does.
    """
    shown = range(num_frames) if frames is None else frames
    return perform(scene.place, parts_of(scene), shown, num_frames, shot=scene.shot, masks=masks, scale=scale)


def parts_of(scene: WorldScene) -> tuple[Part, ...]:
    """Where everybody stands and how far their motion is, from the scene's seed."""
    rng = random.Random(scene.seed)
    starts = [_start(rng, i, scene) for i in range(len(scene.cast))]
    return tuple(
        Part(actor, action, x, phase, i)
        for i, (actor, action, (x, phase)) in enumerate(zip(scene.cast, scene.actions, starts, strict=True))
    )


def perform(
    place: Place,
    parts: Sequence[Part],
    frames: Sequence[float],
    num_frames: int = NUM_FRAMES,
    *,
    shot: str = "",
    masks: bool = True,
    scale: float = 1,
) -> RenderedClip:
    """Draws some of the `num_frames` frames in which `parts` happen in `place`, and moments between them; the nearest
    are painted last."""
    height, width = (side * OVERSAMPLING for side in size_at(scale))
    stage, pictures, labels = paint_place(place, width, height), [], []
    ground, unit = GROUND[shot or "medium"], UNIT[shot or "medium"] * height
    for t in frames:
        image = stage.copy()
        mask = Image.new("L", (width, height)) if masks else None
        brush = Brush(image, mask)
        for part in parts:
            if part.frames is None or t in part.frames:
                x = part.x * WIDTH * OVERSAMPLING * scale
                x += TRAVEL.get(part.action, 0.0) * unit * (t - num_frames / 2)
                feet = (x, (ground + 0.03 * part.index) * height)
                phase = part.phase + PACE[part.action] * t
                figure(brush, part.actor, part.action, feet, unit, phase, 1 + 2 * part.index)
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


def _start(rng: random.Random, index: int, scene: WorldScene) -> tuple[float, float]:
    """Where an actor stands in the middle of the clip (share of the width) and its phase at the start."""
    centre = 0.5 if len(scene.cast) == 1 else (0.3, 0.7)[index]
    spread = 0.08 if len(scene.cast) == 1 else 0.04
    return centre + rng.uniform(-spread, spread), rng.uniform(0, 6.283)
