"""What two actors in one clip look like, where they are, and what of a clip changed outside a region.

The benchmark's reader reads lone actors. Here the other witness, a line on the image encoder's patch features, is asked
about each figure that the localiser finds; it is trained on rendered scenes of one and of two actors, where it is right
about nearly everything (`accuracy`). The place is the reader's.

Letters: F frames, H, W pixels.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...editing.figures import figures
from ...editing.region import Region
from ...picturebook import renderer, world
from ...picturebook.facts import ACTOR_FACTS, patch_coverage
from ...picturebook.localiser import Localiser
from ...picturebook.reader import SURE, ClipReader
from ...picturebook.world import Actor, WorldScene
from ...story_pipeline import StoryPipeline
from ...training.models.image_encoder import FactHeads
from ..common.statistics import Tally, total
from ..story.witnesses import KEYFRAME, OWNED, examples, features_of, fit, held_out_scenes

STILL = 1.0  # pixels that a figure's middle moves, root mean square, below which its path says nothing
BEST_PSNR = 60.0  # dB, of pixels that are the same
MARGIN = 6  # pixels around a figure that are not outside it


@dataclass(frozen=True, eq=False)
class Seen:
    """A clip as it is judged: its figures from left to right, what each looks like by fact, the facts of each that the
    judge is sure of, and the place."""

    figures: tuple[Region, ...]
    actors: tuple[dict[str, str], ...]
    sure: tuple[frozenset[str], ...]
    place: dict[str, str]


@dataclass(frozen=True, eq=False)
class Judge:
    pipeline: StoryPipeline
    reader: ClipReader
    localiser: Localiser
    heads: FactHeads

    @classmethod
    def trained(cls, pipeline: StoryPipeline, stories: int) -> Judge:
        """On so many held-out stories of lone actors and as many scenes of two."""
        scenes = held_out_scenes(stories // 2, "clarity") + [two_actors(i, "clarity") for i in range(stories)]
        actors, _ = examples(pipeline.image_encoder, scenes)
        return cls(pipeline, ClipReader.load(), Localiser.load(), fit(actors.pooled(), ACTOR_FACTS))

    def see(self, clip: np.ndarray) -> Seen:
        """clip: uint8 (F, H, W, 3)."""
        found = figures(self.localiser, clip)
        patches = features_of(self.pipeline.image_encoder, clip[KEYFRAME][None])[0]
        looks = []
        for figure in found:
            own = torch.from_numpy(patch_coverage(figure.mask[KEYFRAME][None] > 0)[0]) > OWNED
            looks.append(self._look(patches[own].mean(0)) if bool(own.any()) else ({}, frozenset[str]()))
        actors, sure = tuple(look for look, _ in looks), tuple(sure for _, sure in looks)
        return Seen(found, actors, sure, self.reader.read([clip])[0].place)

    def _look(self, features: torch.Tensor) -> tuple[dict[str, str], frozenset[str]]:
        look, sure = dict[str, str](), set[str]()
        for (fact, values), row in zip(ACTOR_FACTS.items(), self.heads(features), strict=True):
            look[fact] = values[int(row.argmax())]
            if float(row.softmax(-1).max()) >= SURE:
                sure.add(fact)
        return look, frozenset(sure)

    def accuracy(self, scenes: Sequence[WorldScene]) -> list[Tally]:
        """Of each rendered scene, the facts of its actors that are read rightly."""
        found = []
        for scene in scenes:
            actors = self.see(renderer.render(scene, masks=False).frames).actors
            pairs = zip(scene.cast, actors, scene.actions, strict=False)
            found.append(total(_right(actor, action, look) for actor, look, action in pairs))
        return found


def two_actors(index: int, domain: str) -> WorldScene:
    """A held-out scene of two actors."""
    rng = random.Random(f"edits/{domain}/{index}")
    cast = tuple(world.draw_actor(rng, name) for name in world.draw_names(rng, 2))
    return world.draw_scene(rng, cast, world.draw_place(rng, rng.choice(world.PLACES)))


def _right(actor: Actor, action: str, look: dict[str, str]) -> Tally:
    truth = {"kind": actor.kind, "action": action, **vars(actor.look)}
    return total(Tally(look.get(fact) == truth[fact], 1) for fact in ACTOR_FACTS if truth[fact])


def kept(before: Seen, after: Seen, asked: Sequence[frozenset[str]]) -> Tally:
    """The facts of all figures that are read as before, but for those that were to change, by figure; of a figure that
    is not there any more, none. Only facts of which the judge was sure count: others are read now as one value and now
    as another, whatever is done to a clip."""
    tally = Tally()
    for index, own in enumerate(before.actors):
        now = after.actors[index] if len(after.actors) == len(before.actors) else {}
        facts = [
            fact for fact in ACTOR_FACTS if fact not in asked[index] and own.get(fact) and fact in before.sure[index]
        ]
        tally += total(Tally(now.get(fact) == own[fact], 1) for fact in facts)
    return tally


def outside_psnr(before: np.ndarray, after: np.ndarray, inside: Region) -> float:
    """Peak signal to noise, dB, of what lies outside a region and MARGIN pixels around it; of two clips uint8
    (F, H, W, 3)."""
    outside = inside.grown(MARGIN).mask == 0
    error = np.square(before[outside].astype(np.float64) - after[outside]).mean() if outside.any() else 0.0
    return min(BEST_PSNR, float(10 * np.log10(255**2 / max(error, 1e-9))))


def same_path(before: Region, after: Region) -> Tally:
    """The correlation of where a figure's middle is, frame by frame, across and down together; nothing counts for a
    figure that stands still."""
    a, b = (path - path.mean(0) for path in (_path(before), _path(after)))
    if np.sqrt(np.square(a).sum(1).mean()) < STILL:
        return Tally()
    return Tally(float((a * b).sum() / max(np.sqrt(np.square(a).sum() * np.square(b).sum()), 1e-9)), 1)


def _path(figure: Region) -> np.ndarray:
    """Where its middle is in every frame, (F, 2)."""
    _, height, width = figure.mask.shape
    weight = np.maximum(figure.mask.sum((1, 2)), 1e-6)
    across = (figure.mask.sum(1) * np.arange(width)).sum(1) / weight
    down = (figure.mask.sum(2) * np.arange(height)).sum(1) / weight
    return np.stack([across, down], axis=1)
