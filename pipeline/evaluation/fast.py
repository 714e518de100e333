"""python -m pipeline.evaluation.fast: how near clips of `--speed fast` are to exact ones, and what they save.

Third scenes of held-out stories that remember two, filmed by the embedded model from the same noise both ways.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import loading
from ..defaults import STEPS
from ..history import HistoryScene
from ..picturebook import world
from ..picturebook.captions import story_captions
from ..story_pipeline import StoryPipeline
from .common.command import Parser, new_file, run, whole
from .gpu import counting
from .reporting.report import to_json, write_all

LEAST = 0.97  # SSIM that a fast profile has to keep


@dataclass(frozen=True)
class Compared:
    ssim: float
    blocks: float  # share of the rows of blocks that ran
    seconds: float  # of processor time, over those of the exact clip


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two clips, uint8 (F, H, W, 3): 1 for the same. Wang et al. 2004, windows of 11 pixels,
    mean over frames and channels."""

    x, y = (torch.from_numpy(clip).double().movedim(-1, 1).flatten(0, 1)[:, None] for clip in (a, b))  # (F 3, 1, H, W)
    bell = torch.exp(-(torch.arange(-5.0, 6.0, dtype=torch.double) ** 2) / (2 * 1.5**2))
    bell = bell / bell.sum()

    def smooth(values: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(values, bell[None, None, None]), bell[None, None, :, None])

    mx, my = smooth(x), smooth(y)
    vx, vy, both = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(((2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean())


def compare(pipeline: StoryPipeline, seed: int, steps: int = STEPS) -> Compared:
    """The third scene of a story, exact and fast."""
    captions = [caption.text for caption in story_captions(world.abba_story(seed, "fast"))]
    past = list[HistoryScene]()
    for index, caption in enumerate(captions[:2]):
        past.append(pipeline.encode_scene(caption, pipeline(caption, past, steps=steps, seed=index).frames))

    def made(speed: str) -> tuple[np.ndarray, int, float]:
        pipeline.speed, since = speed, time.process_time()
        with counting(pipeline.transformer) as count:
            frames = pipeline(captions[2], past, steps=steps, seed=2).frames
        pipeline.speed = "exact"
        return frames, count[0], time.process_time() - since

    (exact, all_blocks, long), (fast, blocks, short) = made("exact"), made("fast")
    return Compared(ssim(exact, fast), blocks / all_blocks, short / long)


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.fast", description=__doc__)
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 1000), default=20, help="that are filmed (%(default)s)")
    p.add_argument("--steps", type=whole(2, 1000), default=STEPS, help="of denoising (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    pipeline = loading.load(a.model)
    found = [compare(pipeline, seed, a.steps) for seed in range(a.stories)]
    figures = {
        "ssim": mean(one.ssim for one in found),
        "ssim_least": min(one.ssim for one in found),
        "bar": LEAST,
        "blocks": mean(one.blocks for one in found),
        "seconds": mean(one.seconds for one in found),
    }
    if a.json:
        write_all({a.json: to_json(figures)})
    for name, value in figures.items():
        print(f"{name:<12}{value:>8.4f}")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
