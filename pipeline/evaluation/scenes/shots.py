"""python -m pipeline.evaluation.scenes.shots: whether scenes are as near as their prompts say, and still remember.

Held-out ABBA stories, three films of each with the same noise: as they are, and with the second appearance of everybody
in a wide shot, or in a close one. Of these second appearances, film by film: *size*, the height of the figure that the
localiser sees in the keyframe over that in the rendered keyframe of the same shot, and *larger*, over that in the film
without shots; whether somebody is there; whether action, place and cast are as the prompt says; and whether looks are
those of the first appearance, which is in no shot. Reader and localiser learned on figures of one size alone, so what
they say of rendered clips stands beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from ... import loading
from ...picturebook import renderer
from ...picturebook.captions import story_captions
from ...picturebook.localiser import PLACE, Localiser
from ...picturebook.reader import ClipReader, Reading
from ...picturebook.world import WorldStory
from ..common.command import run
from ..common.statistics import Estimate, Tally, estimate, ratio
from ..story import measures
from ..story.benchmark import HeldOut
from ..story.filming import BATCH, Filming, Script
from ..story.systems import ABBA, SYSTEMS, Film, Options, keyframes, noise_seeds
from .command import parser_of, tell

SHOTS = ("", "wide", "close")  # "" for none
SECOND = (2, 3)  # scenes of an ABBA story in which everybody is for the second time
MEASURES = ("size", "larger", "presence", "prompt", "actor")
RATIOS = ("size", "larger")
SPECK = 3  # pixels of a row that may be anything
Tallies = dict[str, tuple[Tally, Tally]]  # of one story; the second one of a pair counts in RATIOS alone


def in_shot(story: WorldStory, shot: str) -> WorldStory:
    """With the second appearance of everybody in a shot."""
    scenes = (replace(scene, shot=shot if k in SECOND else "") for k, scene in enumerate(story.scenes))
    return replace(story, scenes=tuple(scenes))


def measured(filming: Filming, stories: int, seed: int) -> dict[str, dict[str, Estimate]]:
    """The figures by shot, of films and, behind "rendered", of rendered clips."""
    reader, localiser = ClipReader.load(), Localiser.load()
    found: dict[str, list[Tallies]] = {(shot or "none") + kind: [] for shot in SHOTS for kind in ("", " rendered")}
    told = [HeldOut(ABBA, index, seed) for index in range(stories)]
    for start in tqdm(range(0, stories, BATCH), "shots", file=sys.stderr):
        some = told[start : start + BATCH]
        asked = {(one, shot): in_shot(one.story, shot) for one in some for shot in SHOTS}
        films = filming.films([_script(story, one) for (one, _), story in asked.items()], {"ours": SYSTEMS["ours"]})
        shown = {key: [take.frames for take in own["ours"]] for key, own in zip(asked, films, strict=True)}
        drawn = {key: [renderer.render(scene, masks=False).frames for scene in s.scenes] for key, s in asked.items()}
        for kind, clips in (("", shown), (" rendered", drawn)):
            heights = {key: _heights(localiser, film) for key, film in clips.items()}
            true = {key: _heights(localiser, film) for key, film in drawn.items()}
            for one, shot in asked:
                key, usual = (one, shot), heights[one, ""]
                read = reader.read(clips[key])
                found[(shot or "none") + kind].append(_tallies(asked[key], read, heights[key], true[key], usual))
    return {name: {m: _estimate(m, [one[m] for one in own]) for m in MEASURES} for name, own in found.items()}


def _script(story: WorldStory, held_out: HeldOut) -> Script:
    prompts = (caption.text for caption in story_captions(story, plain=True, domain=held_out.domain))
    return Script(tuple(prompts), tuple(noise_seeds(story, held_out.domain)))


def _heights(localiser: Localiser, film: Film) -> list[int]:
    """Of the figure in every keyframe, in pixels, specks left out; 0 for none."""
    rows = (np.nonzero((mask != PLACE).sum(1) >= SPECK)[0] for mask in localiser.masks(keyframes(film)))
    return [int(found[-1] - found[0] + 1) if len(found) else 0 for found in rows]


def _tallies(
    story: WorldStory, read: Sequence[Reading], heights: Sequence[int], true: Sequence[int], usual: Sequence[int]
) -> Tallies:
    def height(of: Sequence[int]) -> Tally:
        return Tally(sum(of[k] for k in SECOND), 1)

    none = Tally()
    return {
        "size": (height(heights), height(true)),
        "larger": (height(heights), height(usual)),
        "presence": (measures.presence_tally(read, SECOND[0]), none),
        "prompt": (measures.prompt_tally(story, read, SECOND[0]), none),
        "actor": (measures.actor_tally(story, read), none),
    }


def _estimate(name: str, pairs: Sequence[tuple[Tally, Tally]]) -> Estimate:
    return ratio(pairs) if name in RATIOS else estimate(first for first, _ in pairs)


def parser() -> argparse.ArgumentParser:
    return parser_of("shots", "Whether scenes are as near as prompts say.")


def main(a: argparse.Namespace) -> None:
    pipeline = loading.load(a.model)
    tell(measured(Filming(pipeline, Options(pipeline.guidance)), a.stories, a.seed), MEASURES, a.json)


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
