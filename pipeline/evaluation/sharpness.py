"""python -m pipeline.evaluation.sharpness: how sharp and how steady films are, over rendered clips of the same scenes.

Energy of latents by band of components (coarse, middle, fine), of what moves and of what stands still; differences of
neighbouring frames inside a latent and across latents; flicker; energy of pixels above a 3 x 3 blur; and how often two
witnesses agree on what somebody looks like, generated and rendered. `story.detail` says what each of them is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import loading
from ..errors import ThroughlineError
from ..picturebook import renderer
from ..picturebook.localiser import Localiser
from ..picturebook.reader import ClipReader
from ..picturebook.world import WorldStory
from ..stages.upscaling.enlarging import enlarged
from ..stages.upscaling.folders import load_shipped
from ..story_pipeline import StoryPipeline
from .common.command import Parser, new_file, run, whole
from .common.statistics import Estimate, Tally, estimate
from .reporting.report import sharpness_table, to_json, write_all
from .story.benchmark import HeldOut
from .story.detail import SHARPNESS, Instruments, sharpness_tallies
from .story.filming import BATCH, Filming
from .story.systems import ABBA, SYSTEMS, Film, Options
from .story.witnesses import TRAINING_STORIES, Line, has_line

Finisher = Callable[[np.ndarray], np.ndarray]  # uint8 (F, H, W, 3) to as many frames, s times as high and as wide
Figures = dict[str, Estimate]


def sharpness(
    pipeline: StoryPipeline, stories: int, seed: int, finisher: Finisher | None = None
) -> tuple[Figures, Figures | None]:
    """The figures of drafts, and of what the finisher makes of them at full size; None without one."""
    instruments, filming = instruments_of(pipeline), Filming(pipeline, Options())
    drawn = [HeldOut(ABBA, index, seed) for index in range(stories)]
    drafts, finished = list[dict[str, Tally]](), list[dict[str, Tally]]()
    for start in tqdm(range(0, stories, BATCH), "sharpness", file=sys.stderr):
        part = drawn[start : start + BATCH]
        films = filming.films([story.script for story in part], {"ours": SYSTEMS["ours"]})
        for story, takes in zip((held_out.story for held_out in part), films, strict=True):
            film = [take.frames for take in takes["ours"]]
            drafts.append(sharpness_tallies(instruments, story, film, rendered_film(story)))
            if finisher is not None:
                finished.append(finished_tallies(instruments, story, [finisher(clip) for clip in film]))
    return estimates(drafts), estimates(finished) if finisher is not None else None


def instruments_of(pipeline: StoryPipeline) -> Instruments:
    """With a line if the model has an image encoder that it can be drawn through."""
    localiser, encoder = Localiser.load(), pipeline.image_encoder
    line = Line.trained(encoder.float(), localiser, TRAINING_STORIES) if has_line(encoder) else None
    return Instruments(pipeline.vae, ClipReader.load(), localiser, line)


def rendered_film(story: WorldStory, scale: float = 1) -> Film:
    return [renderer.render(scene, masks=False, scale=scale).frames for scene in story.scenes]


def finished_tallies(instruments: Instruments, story: WorldStory, film: Film) -> dict[str, Tally]:
    """Against what the renderer draws at that size. No decoder is at work there: energies are over the rendered clips
    themselves. Raises ThroughlineError for clips that are no enlargement of the renderer's."""
    scale = film[0].shape[1] / renderer.HEIGHT
    expected = (renderer.NUM_FRAMES, *renderer.size_at(scale), 3)
    for clip in film:
        if clip.shape != expected:
            raise ThroughlineError(f"a finished clip has shape {clip.shape}: expected {expected}")
    rendered = rendered_film(story, scale)
    return sharpness_tallies(instruments, story, film, rendered, reference=rendered)


def estimates(stories: Sequence[Mapping[str, Tally]]) -> Figures:
    return {name: estimate(tallies.get(name, Tally()) for tallies in stories) for name in SHARPNESS}


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.sharpness", description="How sharp and how steady films are.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=100, help="held-out ones to film (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--drafts-only", action="store_true", help="leaves the finish out, which takes most of the time")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    pipeline = loading.load(a.model)
    drafts, finished = sharpness(
        pipeline, a.stories, a.seed, None if a.drafts_only else partial(enlarged, load_shipped())
    )
    if a.json:
        write_all({Path(a.json): to_json(drafts | {"finished": finished})})
    print(sharpness_table({"drafts": drafts} | ({"finished": finished} if finished else {})), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
