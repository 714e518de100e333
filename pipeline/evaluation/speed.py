"""python -m pipeline.evaluation.speed: how true the autoencoder is, and how long things take.

Times depend on the machine and on what else it does: compare them only within one run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

import numpy as np
import torch
from torch import Tensor

from .. import loading
from ..autoencoder import AutoencoderLinearVideo
from ..defaults import STEPS
from ..guidance import Guidance
from ..history import HistoryScene
from ..picturebook import renderer, world
from ..story_pipeline import StoryPipeline
from ..training.frames import to_video
from ..training.models.vae import psnr
from .common.command import Parser, new_file, run, whole
from .reporting.report import to_json, write_all

GERUNDS = ("running", "jogging", "walking", "strolling", "jumping", "hopping", "waving", "dancing", "skiing", "cycling")
SCENES = len(GERUNDS)
COLD_START = "import sys; from pipeline import loading; loading.load(sys.argv[1])"


@torch.no_grad()
def autoencoder_psnr(vae: AutoencoderLinearVideo, clips: int, seed: int) -> dict[str, float]:
    """PSNR in dB over held-out rendered clips, with and without the part that sharpens."""
    scenes = [world.abba_story(index, f"psnr/{seed}").scenes[0] for index in range(clips)]
    videos = [to_video(renderer.render(scene, masks=False).frames[None]) for scene in scenes]
    latents = [vae.encode(video.to(vae.device, vae.dtype), return_dict=False)[0].mode() for video in videos]

    def decoded(sharpen: bool) -> Tensor:
        return torch.cat(
            [vae.decode(z, return_dict=False, sharpen=sharpen)[0].float().clamp(-1, 1).cpu() for z in latents]
        )

    truth = torch.cat(videos)
    return {"psnr": psnr(truth, decoded(True)), "psnr_linear": psnr(truth, decoded(False))}


def story_of(seed: int) -> list[str]:
    """Ten different prompts of which each keeps something of all before it: the most that such a history can be."""
    actor, place = f"Actor {seed % 9 + 1}", world.PLACES[seed % len(world.PLACES)]
    return [f"{actor} is {gerund} {world.PREPOSITION[place]} the {place}." for gerund in GERUNDS]


def history_seconds(pipeline: StoryPipeline, prompts: list[str]) -> list[tuple[float, float]]:
    """Of each scene: seconds spent on what it remembers, and on encoding it for later scenes."""
    history, seconds = list[HistoryScene](), []
    for index, prompt in enumerate(prompts):
        clip = pipeline(prompt, history, steps=1, seed=index)
        since = time.perf_counter()
        history.append(pipeline.encode_scene(prompt, clip.frames))
        seconds.append((clip.trace.seconds["history"], time.perf_counter() - since))
    return seconds


def history_ratio(pipeline: StoryPipeline, repeats: int) -> dict[str, float]:
    """Median seconds for scenes 2 and 10, and their ratio; with the encoding of the scene before, and without."""
    history_seconds(pipeline, story_of(0))  # warms up
    stories = [history_seconds(pipeline, story_of(seed)) for seed in range(1, repeats + 1)]

    def spent(scene: int, with_encoding: bool) -> float:
        return median(s[scene - 1][0] + (s[scene - 2][1] if with_encoding else 0) for s in stories)

    return {
        "history_seconds_scene_2": spent(2, True),
        "history_seconds_scene_10": spent(SCENES, True),
        "history_ratio": spent(SCENES, True) / spent(2, True),
        "history_ratio_without_encoding": spent(SCENES, False) / spent(2, False),
    }


def scene_seconds(pipeline: StoryPipeline, steps: int, repeats: int) -> float:
    """Median seconds of a scene with a history, all three branches, from its prompt to its frames."""
    prompts, guidance = story_of(1), Guidance()
    first = pipeline(prompts[0], steps=1)
    past = [pipeline.encode_scene(prompts[0], first.frames)]
    times = []
    for seed in range(repeats):
        since = time.perf_counter()
        pipeline(prompts[1], past, guidance, steps=steps, seed=seed)
        times.append(time.perf_counter() - since)
    return median(times)


def cold_start_seconds(model: str) -> float:
    """From a new Python to a loaded pipeline."""
    since = time.perf_counter()
    subprocess.run([sys.executable, "-c", COLD_START, model], check=True, capture_output=True)
    return time.perf_counter() - since


def measure(model: str, steps: int, repeats: int, clips: int, seed: int) -> dict[str, float]:
    pipeline = loading.load(model)
    pipeline.set_progress_bar_config(disable=True)
    figures = autoencoder_psnr(pipeline.vae, clips, seed) | history_ratio(pipeline, repeats)
    figures["scene_seconds"] = scene_seconds(pipeline, steps, repeats)
    figures["cold_start_seconds"] = cold_start_seconds(model)
    figures["cold_start_over_scene"] = figures["cold_start_seconds"] / figures["scene_seconds"]
    return {name: float(np.round(value, 4)) for name, value in figures.items()}


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.speed", description="The autoencoder's PSNR, and how long things take.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--steps", type=whole(1, 1000), default=STEPS, help="of denoising (%(default)s)")
    p.add_argument("--repeats", type=whole(1, 100), default=3, help="of which the median is taken (%(default)s)")
    p.add_argument("--clips", type=whole(1, 1000), default=40, help="for the PSNR (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=0, help="which clips (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    figures = measure(a.model, a.steps, a.repeats, a.clips, a.seed)
    if a.json:
        write_all({a.json: to_json(figures)})
    for name, value in figures.items():
        print(f"{name:<32}{value:>10.3f}")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
