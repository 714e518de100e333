"""Frames between frames: how near they come to what the renderer draws at these moments, over plain blending.

Held-out rendered clips at 8 frames a second are brought to 32. Of the new frames alone: their PSNR less that of linear
blending; whether a clip of the frames half-way between the given ones shows the reader the action; and their jerk, the
mean absolute second difference in time, over that of the rendered clip at 32 frames a second (1 for a perfect one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ...picturebook import renderer
from ...picturebook.reader import ClipReader
from ...picturebook.world import WorldScene
from ..common.statistics import Estimate, Tally, estimate, ratio, total

TIMES = 4  # new rate over the clip's
MEASURES = ("interpolation_gain_db", "interpolation_action", "interpolation_flicker", "blending_flicker")

Smoother = Callable[[np.ndarray], np.ndarray]  # uint8 (F, H, W, 3) to (TIMES F, H, W, 3)
Tallies = dict[str, tuple[Tally, Tally]]


def between(scenes: Iterable[WorldScene], smoother: Smoother, reader: ClipReader) -> Tallies:
    """Of one story. Every measure as a pair, of which the second one counts for flicker alone."""
    parts = [_of_scene(scene, smoother, reader) for scene in scenes]
    return {name: (total(part[name][0] for part in parts), total(part[name][1] for part in parts)) for name in MEASURES}


def estimates(stories: Iterable[Tallies]) -> dict[str, Estimate]:
    known = list(stories)
    return {
        name: ratio([story[name] for story in known])
        if name.endswith("flicker")
        else estimate(story[name][0] for story in known)
        for name in MEASURES
    }


def _of_scene(scene: WorldScene, smoother: Smoother, reader: ClipReader) -> Tallies:
    given = renderer.render(scene, masks=False).frames
    moments = np.arange(TIMES * (len(given) - 1) + 1) / TIMES
    truth = renderer.render(scene, masks=False, frames=list(moments)).frames
    made, plain = smoother(given)[: len(truth)], blended(given, moments)
    new = np.arange(len(truth)) % TIMES != 0
    gain = psnr(made[new], truth[new]) - psnr(plain[new], truth[new])
    (reading,) = reader.read([np.concatenate([made[TIMES // 2 :: TIMES], made[-1:]])])
    steady = Tally(jerk(truth), 1)
    return {
        "interpolation_gain_db": (Tally(gain, 1), Tally()),
        "interpolation_action": (Tally(reading.actor["action"] == scene.actions[0], 1), Tally()),
        "interpolation_flicker": (Tally(jerk(made), 1), steady),
        "blending_flicker": (Tally(jerk(plain), 1), steady),
    }


def blended(frames: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Linear blends of a clip, uint8 (F, H, W, 3), at moments in frames (N): uint8 (N, H, W, 3)."""
    first = np.minimum(moments.astype(int), len(frames) - 2)
    share = (moments - first)[:, None, None, None]
    return np.rint(frames[first] * (1 - share) + frames[first + 1] * share).astype(np.uint8)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """dB of uint8 pictures."""
    error = np.square(one.astype(np.float32) - other.astype(np.float32)).mean()
    return float(10 * np.log10(255**2 / max(float(error), 1e-3)))


def jerk(frames: np.ndarray) -> float:
    """The mean absolute second difference in time of uint8 (F, H, W, 3)."""
    return float(np.abs(np.diff(frames.astype(np.float32), n=2, axis=0)).mean())
