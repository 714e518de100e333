"""Two witnesses say what an actor looks like: the benchmark's reader, which sees the whole clip, and a straight line on
the image encoder's patch features of the keyframe, where the localiser sees the actor.

All were trained on rendered clips, where they agree. A look on which they do not agree lies between two values, and
such a look is read now as one and now as the other, however well it is remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import trange
from transformers import CLIPVisionModelWithProjection

from ...encoders.image import patch_features, to_pixels
from ...picturebook import renderer, world
from ...picturebook.facts import ACTOR_FACTS, GRID, PLACE, patch_coverage, truth_of
from ...picturebook.localiser import Localiser
from ...picturebook.reader import ClipReader
from ...picturebook.world import ACTOR_SLOTS, WorldScene
from ...training.models.image_encoder import FactHeads
from ..common.statistics import Tally
from .measures import unsaid_slots
from .systems import Film, keyframes

TRAINING_STORIES = 300
KEYFRAME = 8
STEPS, BATCH, RATE = 1200, 2048, 0.02
PICTURES_AT_ONCE = 100
OWNED = 0.4  # of a patch, from which it shows the actor, as in `picturebook.facts`


@dataclass(frozen=True)
class Examples:
    """Patches of one sort of entity."""

    features: Tensor  # float32 (n, d)
    facts: Tensor  # int64 (n, k)
    entity: Tensor  # int64 (n), whose patch it is

    def pooled(self) -> Examples:
        """The mean patch of every entity."""
        _, entity, count = self.entity.unique(return_inverse=True, return_counts=True)
        features = torch.zeros(len(count), self.features.shape[1]).index_add(0, entity, self.features)
        facts = torch.zeros(len(count), self.facts.shape[1], dtype=torch.int64)
        facts[entity] = self.facts
        return Examples(features / count[:, None], facts, torch.arange(len(count)))


def held_out_scenes(stories: int, domain: str) -> list[WorldScene]:
    return [scene for index in range(stories) for scene in world.abba_story(index, domain).scenes]


@torch.no_grad()
def features_of(model: CLIPVisionModelWithProjection, pictures: np.ndarray) -> Tensor:
    """Patch features of pictures, uint8 (N, H, W, 3): float32 (N, patches, d) on the CPU."""
    parts = [
        patch_features(model, to_pixels(part, model.config.image_size).to(model.device, model.dtype)).float().cpu()
        for part in torch.from_numpy(pictures).split(PICTURES_AT_ONCE)
    ]
    return torch.cat(parts)


def examples(model: CLIPVisionModelWithProjection, scenes: list[WorldScene]) -> tuple[Examples, Examples]:
    """Patches of actors and of places on the keyframes of `scenes`."""
    clips = [renderer.render(scene, frames=(KEYFRAME,)) for scene in scenes]
    truth = truth_of(scenes, np.concatenate([clip.masks for clip in clips if clip.masks is not None]))
    features = features_of(model, np.concatenate([clip.frames for clip in clips]))
    owner = torch.from_numpy(truth.owner)
    row, patch = torch.nonzero(owner > PLACE, as_tuple=True)
    index = owner[row, patch] - 1
    actors = Examples(features[row, patch], torch.from_numpy(truth.actors)[row, index], 2 * row + index)
    row, patch = torch.nonzero(owner == PLACE, as_tuple=True)
    return actors, Examples(features[row, patch], torch.from_numpy(truth.places)[row], row)


def fit(train: Examples, facts: dict[str, tuple[str, ...]], steps: int = STEPS, seed: int = 0) -> FactHeads:
    """A linear layer from standardised features to all facts, by Adam; the standardising is folded into it."""
    torch.manual_seed(seed)
    mean, std = train.features.mean(0), train.features.std(0) + 1e-6
    heads, x = FactHeads(train.features.shape[1], facts), (train.features - mean) / std
    optimizer = torch.optim.Adam(heads.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in trange(steps, desc="probe", leave=False, file=sys.stderr):
        rows = torch.randint(len(x), (BATCH,))
        optimizer.zero_grad()
        heads.loss(x[rows], train.facts[rows]).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        heads.linear.weight.div_(std)
        heads.linear.bias.sub_(heads.linear.weight @ mean)
    return heads.requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Line:
    """The witness that sees a keyframe through the image encoder."""

    model: CLIPVisionModelWithProjection
    localiser: Localiser
    heads: FactHeads

    @classmethod
    def trained(cls, model: CLIPVisionModelWithProjection, localiser: Localiser, stories: int) -> Line:
        return cls(model, localiser, train_heads(model, stories))

    def looks(self, film: Film) -> list[dict[str, str]]:
        """What each clip's keyframe shows of its actor, by slot; nothing where the localiser sees nobody."""
        pictures = np.stack(keyframes(film))
        found = []
        for mask, patches in zip(self.localiser.masks(list(pictures)), features_of(self.model, pictures), strict=True):
            own = torch.from_numpy(patch_coverage(mask[None] != PLACE)[0]) > OWNED
            found.append(self._read(patches[own].mean(0)) if own.any() else {})
        return found

    def _read(self, features: Tensor) -> dict[str, str]:
        logits = zip(ACTOR_FACTS.items(), self.heads(features), strict=True)
        return {fact: values[int(row.argmax())] for (fact, values), row in logits}


def has_line(model: CLIPVisionModelWithProjection | None) -> bool:
    """Whether an image encoder sees the patches that the truth about rendered keyframes is told by."""
    return model is not None and model.config.image_size // model.config.patch_size == GRID


def train_heads(model: CLIPVisionModelWithProjection, stories: int) -> FactHeads:
    """On the mean patch of every actor in held-out rendered stories."""
    actors, _ = examples(model, held_out_scenes(stories, "clarity"))
    return fit(actors.pooled(), ACTOR_FACTS)


def agreements(scenes: Sequence[WorldScene], film: Film, reader: ClipReader, line: Line) -> Iterator[tuple[str, bool]]:
    """Every unsaid slot of the lone actors of `scenes` with whether both witnesses say the same of it, where both see
    somebody."""
    for scene, reading, look in zip(scenes, reader.read(film), line.looks(film), strict=True):
        for slot in unsaid_slots(scene.cast[0]) if reading.sure and look else ():
            yield slot, reading.actor[slot] == look[slot]


def witness_tallies(scenes: Sequence[WorldScene], film: Film, reader: ClipReader, line: Line) -> dict[str, Tally]:
    """By slot, and "all": the unsaid slots about which both witnesses say the same."""
    found = dict.fromkeys(("all", *ACTOR_SLOTS), Tally())
    for slot, same in agreements(scenes, film, reader, line):
        found[slot], found["all"] = found[slot] + Tally(same, 1), found["all"] + Tally(same, 1)
    return found
