"""python -m pipeline.evaluation.editing: whether region edits change what they are asked to, and nothing else.

Held-out scenes of two actors, generated or rendered. Of each, one edit of every level: one actor's coat, hat or kind
(instance), a hat or hair in the upper half of a figure alone (part), a coat, hat or kind of both (class), another place
behind the actors (place: its kind, for the world's captions say nothing of times of day and colours). `asked`: whether
the witness reads what was asked; `others`: all other facts of both actors read as before; `outside_psnr`: of what lies
outside the region, dB; `motion`: the correlation of figures' paths. Beside it the same prompt rendered anew and SDEdit
(Meng et al. 2022) at the better of its strengths.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import trange

from ... import loading
from ...errors import ThroughlineError
from ...guidance import Guidance
from ...picturebook import renderer
from ...picturebook.captions import Caption, caption
from ...picturebook.world import WorldScene
from ...story_pipeline import StoryPipeline
from ..common.command import Parser, new_file, run, whole
from ..common.statistics import Estimate, Tally, estimate
from ..reporting.report import cell, to_json, write_all
from ..story.witnesses import has_line
from .cases import LEVELS, Case, cases
from .judging import Judge, Seen, kept, outside_psnr, same_path, two_actors
from .progress import Progress, Tallies
from .systems import UNKNOWN, System, systems

MEASURES = ("asked", "others", "outside_psnr", "motion")
JUDGE_STORIES = 200  # that the judge is trained on
ABLATED = "instance"  # the level at which parts are left out

Figures = dict[str, dict[str, dict[str, Estimate]]]


def judged(judge: Judge, case: Case, before: Seen, clip: np.ndarray, after: np.ndarray) -> dict[str, Tally]:
    now = judge.see(after)
    if case.level == "place":
        asked, inside = Tally(now.place["kind"] == case.value, 1), case.inside
    else:
        whole = len(now.actors) == len(before.actors)
        asked = sum((Tally(whole and now.actors[i].get(case.fact) == case.value, 1) for i in case.who), Tally())
        own = [seen.figures[i] for i in case.who for seen in (before, now) if i < len(seen.figures)]
        inside = own[0].joined(own[1:])
    assert inside is not None
    found = {"asked": asked, "others": kept(before, now, case.free)}
    found["outside_psnr"] = Tally(outside_psnr(clip, after, inside), 1)
    paths = zip(before.figures, now.figures, strict=False) if len(now.figures) == len(before.figures) else ()
    found["motion"] = sum((same_path(a, b) for a, b in paths), Tally())
    return found


def story_tallies(judge: Judge, index: int, seed: int, rendered: bool, editors: Mapping[str, System]) -> Tallies:
    """Nothing for a scene in which not both actors are seen."""
    scene = two_actors(index, f"bench/{seed}")
    words = caption(scene, random.Random(index), plain=True)
    clip = filmed(judge.pipeline, scene, words, index, rendered)
    before, found = judge.see(clip), Tallies()
    if len(before.actors) != 2 or not all(before.actors):
        return found
    for case in cases(scene, words, before, index):
        for name, system in editors.items():
            if case.level == ABLATED or name in ("ours", UNKNOWN, "rerender") or name.startswith("sdedit"):
                after = system(judge.pipeline, clip, words.text, case, index)
                found.setdefault(name, {})[case.level] = judged(judge, case, before, clip, after)
    return found


def filmed(pipeline: StoryPipeline, scene: WorldScene, words: Caption, seed: int, rendered: bool) -> np.ndarray:
    if rendered:
        return renderer.render(scene, masks=False).frames
    return pipeline(words.text, guidance=Guidance(pipeline.guidance.text, 0.0), seed=seed).frames


def editing(
    pipeline: StoryPipeline,
    stories: int,
    seed: int,
    rendered: bool = False,
    ablations: bool = True,
    only: Sequence[str] = (),
    kept_in: Path | None = None,
) -> Figures:
    """The figures of so many held-out scenes. only: these systems and no others. kept_in: a file in which finished
    scenes are kept and from which they are taken. Raises ThroughlineError for a model that the witness can't see with,
    for a system that there is not, and for a file of other figures."""
    if not has_line(pipeline.image_encoder):
        raise ThroughlineError("the model has no image encoder that tells looks: expected the embedded model's")
    editors = chosen(systems(ablations, not rendered), only)
    progress = Progress(kept_in, {"seed": seed, "rendered": rendered, "systems": list(editors)})
    judge = Judge.trained(pipeline, JUDGE_STORIES)
    for index in trange(stories, desc="edits", file=sys.stderr):
        if index not in progress.done:
            progress.add(index, story_tallies(judge, index, seed, rendered, editors))
    found = [progress.done[index] for index in range(stories)]
    figures: Figures = {name: _estimates([story.get(name, {}) for story in found]) for name in editors}
    strengths = [name for name in editors if name.startswith("sdedit")]
    if strengths:
        figures["sdedit"] = figures[max(strengths, key=lambda name: _worth(figures[name]))]
    accuracy = judge.accuracy([two_actors(i, f"bench/{seed}") for i in range(stories)])
    return figures | {"judge": {"rendered": {"accuracy": estimate(accuracy)}}}


def chosen(editors: Mapping[str, System], only: Sequence[str]) -> Mapping[str, System]:
    """All, or those that are named. Raises ThroughlineError."""
    for name in only:
        if name not in editors:
            raise ThroughlineError(f"system is {name!r}: expected one of {', '.join(editors)}")
    return {name: editors[name] for name in only} if only else editors


def _estimates(stories: Sequence[dict[str, dict[str, Tally]]]) -> dict[str, dict[str, Estimate]]:
    levels = [level for level in LEVELS if any(level in story for story in stories)]
    return {
        level: {measure: estimate(story[level][measure] for story in stories if level in story) for measure in MEASURES}
        for level in levels
    }


def _worth(figures: Mapping[str, Mapping[str, Estimate]]) -> float:
    """What a strength of SDEdit is chosen by: what was asked and what was kept, alike."""
    return sum((own[measure].mean or 0.0) for own in figures.values() for measure in ("asked", "others"))


def table(figures: Figures) -> str:
    """Markdown: a row for each system and level."""
    rows = ["| | | " + " | ".join((*MEASURES, "scenes")) + " |", "|---" * (len(MEASURES) + 3) + "|"]
    for name, levels in figures.items():
        for level, own in levels.items():
            if name != "judge":
                told = " | ".join(cell(own[measure]) for measure in MEASURES)
                rows.append(f"| {name} | {level} | {told} | {own['asked'].n} |")
    accuracy = figures["judge"]["rendered"]["accuracy"]
    return "\n".join(rows) + f"\n\nThe judge on the same scenes, rendered: {cell(accuracy)}.\n"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.editing", description="Whether region edits do what they are asked.")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=40, help="held-out scenes (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which scenes (%(default)s)")
    p.add_argument("--films", choices=("generated", "rendered"), default="generated", help="which clips are edited")
    p.add_argument("--no-ablations", dest="ablations", action="store_false", help="leaves out what only instances show")
    p.add_argument("--only", action="append", default=[], metavar="SYSTEM", help="this one; may be said several times")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    p.add_argument("--resume", type=new_file, metavar="FILE", help="keeps finished scenes there, and goes on from it")
    return p


def main(a: argparse.Namespace) -> None:
    figures = editing(loading.load(a.model), a.stories, a.seed, a.films == "rendered", a.ablations, a.only, a.resume)
    if a.json:
        write_all({Path(a.json): to_json(figures)})
    print(table(figures), end="")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
