"""python -m pipeline.evaluation.duration.ways: long scenes by every way to make them (`pipeline.stages.making`).

Of held-out first scenes, the same ones and as many seconds for all ways: whether the last two seconds show the facts of
the first two and the action that the prompt says; the change of neighbouring frames where parts meet over that
elsewhere, and in the last two seconds over the first two; how much moves, over the scene made in windows; seconds.

With --cost nothing is judged: how long the first second and all take, and the most memory, by length, each scene in a
process of its own. "whole" there is full attention over all latent frames at once, for which no model was trained.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ... import loading
from ...backbones.transformer_backbone import TransformerBackbone
from ...defaults import WAYS
from ...generation import Step
from ...picturebook.reader import ClipReader
from ...picturebook.renderer import FRAMES_PER_SECOND
from ...story_pipeline import StoryPipeline
from ..common.command import Parser, new_file, run, whole
from ..common.statistics import Estimate, Tally, estimate, ratio
from ..longer import changes, facts
from ..reporting.report import to_json, write_all
from ..story.benchmark import HeldOut
from ..story.systems import ABBA

MEASURES = ("facts_end", "action_end", "seam", "drift", "motion", "seconds")
RATIOS = ("seam", "drift", "motion")
COSTS = ("streamed", "windows", "whole")
PROMPT = "A girl in a red coat is running in the forest."
WARM_UP = 2  # steps

Tallies = dict[str, tuple[Tally, Tally]]  # of one story; the second one of a pair counts in RATIOS alone


# --- how good they are -----------------------------------------------------------------------------------------------


def judged(
    pipeline: StoryPipeline, ways: Sequence[str], stories: int, seed: int, frames: int
) -> dict[str, dict[str, Estimate]]:
    """The figures of every way."""
    reader, found = ClipReader.load(), {way: list[Tallies]() for way in ways}
    for index in tqdm(range(stories), "ways", file=sys.stderr):
        story, plain = HeldOut(ABBA, index, seed), None
        for way in dict.fromkeys(["windows", *ways]):
            since = time.perf_counter()
            clip = pipeline(story.script.prompts[0], seed=story.script.seeds[0], num_frames=frames, way=way).frames
            seconds, plain = time.perf_counter() - since, clip if plain is None else plain
            if way in found:
                own = tallies(story, clip, plain, joints(pipeline, way, frames), reader)
                found[way].append(own | {"seconds": (Tally(seconds, 1), Tally())})
    return {way: {name: _estimate(name, own) for name in MEASURES} for way, own in found.items()}


def joints(pipeline: StoryPipeline, way: str, frames: int) -> np.ndarray:
    """The frames with which a part of a scene begins that is new."""
    period, piece = pipeline.latents.period, pipeline.native.num_frames
    step = piece - 1 - period + (way == "key-frames")
    return np.arange(step if way == "key-frames" else piece, frames, step)


def tallies(story: HeldOut, clip: np.ndarray, plain: np.ndarray, meet: np.ndarray, reader: ClipReader) -> Tallies:
    """Of a scene, uint8 (F, H, W, 3), and the same in windows. meet: as `joints`."""
    scene, changed, length = story.story.scenes[0], changes(clip), 2 * FRAMES_PER_SECOND
    start, end = reader.read([clip[: length + 1], clip[-length - 1 :]])
    across = np.zeros(len(changed), bool)
    across[meet - 1] = True

    def mean(values: np.ndarray) -> Tally:
        return Tally(float(values.mean()), 1)

    return {
        "facts_end": (facts(scene, start, end), Tally()),
        "action_end": (Tally(end.actor["action"] == scene.actions[0], 1), Tally()),
        "seam": (mean(changed[across]), mean(changed[~across])),
        "drift": (mean(changed[-length:]), mean(changed[:length])),
        "motion": (mean(changed), mean(changes(plain))),
    }


def _estimate(name: str, pairs: Sequence[Tallies]) -> Estimate:
    own = [pair[name] for pair in pairs]
    return ratio(own) if name in RATIOS else estimate(first for first, _ in own)


# --- what they cost --------------------------------------------------------------------------------------------------


def cost(model: str, way: str, seconds: float) -> dict[str, float]:
    """Of one scene, in this process: seconds until the first second of it is there, and until all is; megabytes at the
    most, and what the loaded model held before."""
    pipeline = loading.load(model)
    pipeline.set_progress_bar_config(disable=True)
    backbone, rate = pipeline.backbone, pipeline.frames_per_second
    assert isinstance(backbone, TransformerBackbone), "only such a one has windows"
    backbone.limits = replace(
        backbone.limits, num_frames=backbone.limits.streamed
    )  # all may be as long as streamed ones
    if way == "whole":
        backbone.window = sys.maxsize
    frames = 1 + pipeline.latents.period * round((seconds * rate - 1) / pipeline.latents.period)
    held = megabytes("VmRSS")
    pipeline(PROMPT, steps=WARM_UP)
    since, shown, first = time.perf_counter(), 0, 0.0
    for item in pipeline.generate(PROMPT, num_frames=frames, way="windows" if way == "whole" else way):
        new = item.done if isinstance(item, Step) else item.frames
        shown += 0 if new is None else len(new)
        if not first and shown >= rate:
            first = time.perf_counter() - since
    return {"first_second": first, "all": time.perf_counter() - since, "megabytes": megabytes("VmHWM"), "held": held}


def megabytes(kind: str) -> float:
    """What this process holds, VmRSS, or has held at most, VmHWM (ru_maxrss counts its parent's, too). Linux."""
    return int(Path("/proc/self/status").read_text().partition(f"{kind}:")[2].split()[0]) / 1024


def costs(model: str, lengths: Sequence[float]) -> dict[str, dict[str, dict[str, float]]]:
    """By way and length in seconds, each in a process of its own, one after another."""
    found: dict[str, dict[str, dict[str, float]]] = {way: {} for way in COSTS}
    for length in lengths:
        for way in COSTS:
            command = [
                sys.executable,
                "-m",
                "pipeline.evaluation.duration.ways",
                "--model",
                model,
                "--one",
                way,
                str(length),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[way][f"{length:g}"] = json.loads(done.stdout)
    return found


# --- the command -----------------------------------------------------------------------------------------------------


def table(figures: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Markdown: a row for each way."""
    rows = [f"| way | {' | '.join(MEASURES)} |", "|---" * (len(MEASURES) + 1) + "|"]
    for way, found in figures.items():
        cells = (f"{e.mean:.2f} ({e.low:.2f}–{e.high:.2f})" for e in (found[name] for name in MEASURES))
        rows.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def cost_table(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Markdown: a row for each way and length."""
    rows = ["| way | seconds | first second after | all after | peak MB | of it for the scene |", "|---" * 6 + "|"]
    for way, found in figures.items():
        for length, one in found.items():
            grown = one["megabytes"] - one["held"]
            times = f"{one['first_second']:.1f} s | {one['all']:.1f} s"
            rows.append(f"| {way} | {length} | {times} | {one['megabytes']:.0f} | {grown:.0f} |")
    return "\n".join(rows) + "\n"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.duration.ways", description="Long scenes by every way to make them.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=8, help="held-out ones (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--seconds", type=float, nargs="+", default=[10.0], help="of the scenes; of --cost several (10)")
    p.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="which (all)")
    p.add_argument("--cost", action="store_true", help="time and memory instead of what is shown")
    p.add_argument("--one", nargs=2, metavar=("WAY", "SECONDS"), help=argparse.SUPPRESS)
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    if a.one:
        print(json.dumps(cost(a.model, a.one[0], float(a.one[1]))))
        return
    if a.cost:
        spent = costs(a.model, a.seconds)
        content, shown = to_json(spent), cost_table(spent)
    else:
        pipeline = loading.load(a.model)
        frames = 1 + pipeline.latents.period * round(
            a.seconds[0] * pipeline.frames_per_second / pipeline.latents.period
        )
        figures = judged(pipeline, a.ways, a.stories, a.seed, frames)
        content, shown = to_json(figures), table(figures)
    if a.json:
        write_all({Path(a.json): content})
    print(shown, end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
