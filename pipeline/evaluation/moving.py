"""python -m pipeline.evaluation.moving: the picture book's image model, still and moved by its temporal layers.

Held-out scenes of one actor, described in words alone. Each is made as pictures that do not hear of one another (α = 1:
the image model), moved (α as it was learned), and rendered by the book itself. Flicker is what changes where nothing
moves, beside what a rendered clip has of it (`story.detail.flicker_tally`); looks, the share of what the reader sees in
a single frame that is as in the scene. With --adapter the image model wears what a subject was taught as.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import loading
from ..adapters.wearing import Worn
from ..defaults import STEPS
from ..moving.pictures import MovingPictures
from ..picturebook import renderer, world
from ..picturebook.captions import story_captions
from ..picturebook.localiser import Localiser, load_localiser
from ..picturebook.reader import ClipReader, Reading
from ..picturebook.world import PLACE_SLOTS, WorldScene
from .common.command import Parser, new_file, run, whole
from .common.statistics import Tally, difference, estimate, total
from .reporting.report import to_json, write_all
from .story.detail import differences, flicker_tally
from .story.measures import agreement, unsaid_slots

FIRST_STORY = 2_000_000  # seeds that no training draws
WAYS = {"still": 1.0, "moved": None}  # α
MOST_FLICKER, MOST_LOOKS = 1.3, 0.03  # bars: against rendered clips; against the image model
Told = dict[str, dict[str, Tally]]  # by way, by measure


def scenes(count: int, seed: int) -> Iterator[tuple[WorldScene, str]]:
    """Scenes of one actor that is seen for the first time, with their captions."""
    story_seed = FIRST_STORY + 100_000 * seed
    while count:
        story = world.training_story(story_seed)
        if len(story.scenes[0].cast) == 1:
            yield story.scenes[0], story_captions(story)[0].text
            count -= 1
        story_seed += 1


def measured(
    pictures: MovingPictures,
    judges: tuple[ClipReader, Localiser],
    told: tuple[WorldScene, str],
    seed: int,
    **options: Any,
) -> Told:
    """Tallies of one scene. options: of `MovingPictures.film`."""
    (reader, localiser), (scene, caption) = judges, told
    films = {name: pictures.film(caption, seed=seed, alpha=alpha, **options) for name, alpha in WAYS.items()}
    count = len(films["still"])
    begin = (renderer.NUM_FRAMES - count) // 2
    films["rendered"] = renderer.render(scene, frames=range(begin, begin + count), masks=False).frames
    rendered = [films["rendered"]]
    found: Told = {}
    for name, film in films.items():
        middle, clip = reader.read([np.repeat(film[count // 2][None], 3, 0), film])
        found[name] = {
            "flicker": flicker_tally(localiser, [film], rendered),
            "change": Tally(float(differences(film).mean()), float(differences(rendered[0]).mean())),
            "looks": looks(scene, middle),
            "action": agreement(clip.actor, {"action": scene.actions[0]}, ("action",)),
        }
    return found


def looks(scene: WorldScene, seen: Reading) -> Tally:
    """What of an actor and a place is seen as it is: their kinds and the slots that their kinds have."""
    actor, place = scene.cast[0], scene.place
    own = {"kind": actor.kind} | vars(actor.look)
    there = {"kind": place.kind} | vars(place.look)
    return total((agreement(seen.actor, own, ("kind", *unsaid_slots(actor))),
                  agreement(seen.place, there, ("kind", *PLACE_SLOTS))))  # fmt: skip


def figures_of(stories: Sequence[Told]) -> dict:
    """Shares with their intervals, and how the looks of moved pictures differ, paired by scene."""
    names, measures = list(stories[0]), list(stories[0]["still"])
    shares = {name: {m: estimate(one[name][m] for one in stories).to_dict() for m in measures} for name in names}
    apart = difference((one["moved"]["looks"], one["still"]["looks"]) for one in stories).to_dict()
    return {
        "films": shares,
        "looks_less_the_image_model": apart,
        "bars": {"flicker": MOST_FLICKER, "looks": MOST_LOOKS},
    }


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.moving", description=__doc__)
    p.add_argument("--scenes", type=whole(1, 1000), default=40, help="that are filmed (%(default)s)")
    p.add_argument("--seed", type=whole(0, 1000), default=0, help="which scenes (%(default)s)")
    p.add_argument("--folder", type=Path, help="of image model and layers, instead of what ships")
    p.add_argument("--adapter", type=Path, action="append", default=[], help="that the image model wears beside")
    p.add_argument("--steps", type=whole(1, 1000), default=STEPS, help="of denoising (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    return p


def main(a: argparse.Namespace) -> None:
    pictures = MovingPictures.of(loading.load(), a.folder)
    judges = ClipReader.load(), load_localiser()
    options = {"adapters": [Worn(path) for path in a.adapter], "steps": a.steps}
    drawn = tqdm(list(scenes(a.scenes, a.seed)), unit="scene", file=sys.stderr)
    found = [measured(pictures, judges, told, index, **options) for index, told in enumerate(drawn)]
    settings = {"scenes": a.scenes, "seed": a.seed, "steps": a.steps, "alphas": pictures.layers.alphas().tolist()}
    figures = figures_of(found) | {"settings": settings}
    if a.json:
        write_all({a.json: to_json(figures)})
    print(to_json(figures).decode())


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
