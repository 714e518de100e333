"""python -m pipeline.evaluation.longer: whether what goes on holds together, over seams and over seconds.

Of held-out first scenes: the seam between a clip and the one that continues it, over the difference of neighbouring
frames inside both, beside that of a cut to another clip of the same prompt, and whether the continued clip, which
remembers the one before as scenes of a story do, shows its facts (beside how far two halves of one clip agree on
theirs) and the action; and of long scenes, whether their last two seconds show the facts of the first two and the
action that the prompt says. A rendered clip has a seam of 1. `--context` gives the weight of context guidance, several
for a curve. A model that makes clips at once has neither. Beside them the frames that are drawn between frames
(`between`), which are the same for all models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import loading
from ..guidance import Guidance
from ..history import HistoryScene
from ..picturebook.reader import ClipReader, Reading
from ..picturebook.renderer import FRAMES_PER_SECOND
from ..picturebook.world import PLACE_SLOTS, WorldScene
from ..stages.continuation import ending
from ..stages.interpolation import smooth
from ..story_pipeline import StoryPipeline
from .common.command import Parser, new_file, run, whole
from .common.statistics import NOTHING, Estimate, Tally, estimate, ratio
from .duration import between
from .reporting.report import to_json, write_all
from .story.benchmark import HeldOut
from .story.measures import agreement, unsaid_slots
from .story.systems import ABBA

MEASURES = (
    "seam",
    "cut",
    "facts_seam",
    "facts_end",
    "action_end",
    "action_start",
    "motion",
    "action_seam",
    "facts_inside",
)
SEAMS = ("seam", "cut", "motion")  # ratios of a mean of frames' differences to another
OTHER_SEED = 1000  # of the clip after, from that of the clip before


@dataclass(frozen=True, eq=False)
class Scene:
    """A held-out first scene in clips, uint8 (F, H, W, 3)."""

    scene: WorldScene
    clip: np.ndarray
    continued: np.ndarray  # goes on from `clip`; its first frame is the last one of that
    apart: np.ndarray  # does not
    long: np.ndarray


def longer(pipeline: StoryPipeline, stories: int, seed: int, seconds: float, context: float) -> dict[str, Estimate]:
    """The figures of so many held-out stories; of none, for a model that does not go on from frames."""
    if not pipeline.backbone.limits.piece:
        print("note: the model makes clips at once: it has no seams and no long scenes", file=sys.stderr)
        return dict.fromkeys(MEASURES, NOTHING)
    reader, found = ClipReader.load(), list[dict[str, tuple[Tally, Tally]]]()
    for index in tqdm(range(stories), "longer", file=sys.stderr):
        found.append(tallies(filmed(pipeline, HeldOut(ABBA, index, seed), seconds, context), reader))
    return {name: _estimate(name, [story[name] for story in found]) for name in MEASURES}


def interpolated(stories: int, seed: int) -> dict[str, Estimate]:
    """The figures of frames that are drawn between those of so many held-out rendered stories."""
    reader = ClipReader.load()

    def smoother(frames: np.ndarray) -> np.ndarray:
        return smooth(frames, FRAMES_PER_SECOND, between.TIMES * FRAMES_PER_SECOND)

    drawn = (HeldOut(ABBA, index, seed).story.scenes for index in tqdm(range(stories), "between", file=sys.stderr))
    return between.estimates(between.between(scenes, smoother, reader) for scenes in drawn)


def filmed(pipeline: StoryPipeline, story: HeldOut, seconds: float, context: float) -> Scene:
    prompt, seed = story.script.prompts[0], story.script.seeds[0]
    period, rate = pipeline.latents.period, pipeline.frames_per_second
    frames = 1 + period * round((seconds * rate - 1) / period)
    guidance = Guidance(pipeline.guidance.text, pipeline.guidance.history, context=context)

    def clip(history: Sequence[HistoryScene] = (), **options: object) -> np.ndarray:
        return pipeline(prompt, history, guidance=guidance, **options).frames  # type: ignore[arg-type]

    long = clip(seed=seed, num_frames=frames)
    first = long[: pipeline.native.num_frames]  # as a clip of that length is
    after = clip([pipeline.encode_scene(prompt, first)], seed=seed + OTHER_SEED, beginning=ending(first))
    return Scene(story.story.scenes[0], first, after, clip(seed=seed + OTHER_SEED), long)


def tallies(filmed: Scene, reader: ClipReader) -> dict[str, tuple[Tally, Tally]]:
    """Every measure as a pair, of which the second one counts in SEAMS alone."""
    clips = (filmed.clip, filmed.continued, filmed.apart)
    inside = Tally(float(np.concatenate([changes(clip) for clip in clips[:2]]).mean()), 1)
    length = len(filmed.clip)
    before, after, start, end = reader.read([*clips[:2], filmed.long[:length], filmed.long[-length:]])
    halves = reader.read([filmed.clip[: length // 2 + 1], filmed.clip[length // 2 :]])
    says = [Tally(r.actor["action"] == filmed.scene.actions[0], 1) for r in (start, end, after)]
    none = Tally()
    return {
        "seam": (Tally(float(changes(filmed.continued[:2])[0]), 1), inside),
        "cut": (Tally(float(changes(np.stack([filmed.clip[-1], filmed.apart[0]]))[0]), 1), inside),
        "motion": (Tally(float(changes(filmed.continued[1:]).mean()), 1), Tally(float(changes(filmed.clip).mean()), 1)),
        "facts_seam": (facts(filmed.scene, before, after), none),
        "facts_inside": (facts(filmed.scene, *halves), none),
        "facts_end": (facts(filmed.scene, start, end), none),
        "action_start": (says[0], none),
        "action_end": (says[1], none),
        "action_seam": (says[2], none),
    }


def changes(frames: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each frame to the next, float (F - 1)."""
    return np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3))  # type: ignore[no-any-return]


def facts(scene: WorldScene, a: Reading, b: Reading) -> Tally:
    """Looks of actor and place that two readings agree on; nothing counts where nobody is seen for sure."""
    if not (a.sure and b.sure):
        return Tally()
    actor = agreement(a.actor, b.actor, ["kind", *unsaid_slots(scene.cast[0])])
    return actor + agreement(a.place, b.place, ["kind", *PLACE_SLOTS])


def _estimate(name: str, pairs: Sequence[tuple[Tally, Tally]]) -> Estimate:
    return ratio(pairs) if name in SEAMS else estimate(first for first, _ in pairs)


def table(figures: Mapping[float, Mapping[str, Estimate]]) -> str:
    """Markdown: a row for each weight of context guidance."""
    rows = [f"| context | {' | '.join(MEASURES)} |", "|---" * (len(MEASURES) + 1) + "|"]
    for weight, found in figures.items():
        rows.append(f"| {weight:g} | {' | '.join(_cell(found[name]) for name in MEASURES)} |")
    return "\n".join(rows) + "\n"


def _cell(found: Estimate) -> str:
    return "–" if found.mean is None else f"{found.mean:.2f} ({found.low:.2f}–{found.high:.2f})"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.longer", description="Whether what goes on holds together.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=40, help="held-out ones (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--seconds", type=float, default=10.0, help="of the long scenes (%(default)g)")
    p.add_argument("--context", type=float, nargs="+", default=[0.0], help="weights of context guidance (0)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go, those of the first weight")
    return p


def main(a: argparse.Namespace) -> None:
    pipeline = loading.load(a.model)
    figures = {weight: longer(pipeline, a.stories, a.seed, a.seconds, weight) for weight in a.context}
    drawn = interpolated(a.stories, a.seed)
    if a.json:
        write_all({Path(a.json): to_json(figures[a.context[0]] | drawn)})
    print(table(figures), end="")
    print("\n| between frames | |\n|---|---|")
    print("".join(f"| {name} | {_cell(found)} |\n" for name, found in drawn.items()), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
