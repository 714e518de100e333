"""Fits the lines that say what figures look like to rendered scenes, in closed steps: the locator's (`grounding.looks`)
and the continuity meter's (`continuity.facts`)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from ...continuity.calibration import FRAMES
from ...continuity.facts import SIZES as FACT_SIZES
from ...continuity.facts import SLOTS, FactLine
from ...continuity.measurement import Gauge
from ...encoders.image import patch_features, to_pixels
from ...grounding.looks import OWNED, SIZES, Looks
from ...picturebook import captions, renderer, world
from ...picturebook.facts import ACTOR_FACTS, actor_facts, patch_coverage
from ...picturebook.said import LOOKS
from ...picturebook.world import SLOT_VALUES

SCENES = 3000
DECAY, FACT_DECAY = 1e-4, 1e-3
UNKNOWN = -1
ROUNDS = 150


@torch.no_grad()
def figures(vision: CLIPVisionModelWithProjection, scenes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Of every figure of so many drawn scenes the mean of its patches, (n, v), and its looks, int64 (n, slots)."""
    features, looks, names = [], [], list(ACTOR_FACTS)
    for index in range(scenes):
        rng = random.Random(f"looks/{seed}/{index}")
        cast = tuple(world.draw_actor(rng, name) for name in world.draw_names(rng, rng.choice((1, 2))))
        scene = world.draw_scene(rng, cast, world.draw_place(rng, rng.choice(world.PLACES)))
        clip = renderer.render(scene, frames=(rng.randrange(renderer.NUM_FRAMES),))
        assert clip.masks is not None, "rendered with masks"
        pixels = to_pixels(clip.frames, vision.config.image_size).to(vision.device, vision.dtype)
        patches = patch_features(vision, pixels)[0].float().cpu()
        for i in range(len(cast)):
            own = torch.from_numpy(patch_coverage((clip.masks + 1) // 2 == i + 1)[0]) > OWNED
            if bool(own.any()):
                facts = actor_facts(scene, i)
                features.append(patches[own].mean(0))
                looks.append([facts[names.index(slot)] for slot in LOOKS])
    return torch.stack(features), torch.tensor(looks)


def fit(features: Tensor, looks: Tensor) -> Looks:
    """`line` of every look that words can say."""
    return Looks(*line(features, looks, SIZES, DECAY))


@torch.no_grad()
def regions(gauge: Gauge, scenes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Of so many drawn scenes of one actor the looks of actor and place as the meter sees them, (2 n, d), and their
    facts, int64 (2 n, slots of `continuity.facts`), -1 for what the one or the other does not have."""
    features, found = [], []
    for index in range(scenes):
        rng = random.Random(f"facts/{seed}/{index}")
        actor = world.draw_actor(rng, world.draw_names(rng, 1)[0])
        scene = world.draw_scene(rng, (actor,), world.draw_place(rng, rng.choice(world.PLACES)))
        caption = captions.caption(scene, rng, plain=rng.random() < 0.5)
        spans = [[(s.start, s.end) for s in caption.spans if s.label == label] for label in ("actor 0", "place")]
        frames = renderer.render(scene, masks=False, frames=FRAMES).frames
        seen = gauge.read(frames, caption.text, spans).regions
        for region, look in zip(seen, (actor.look, scene.place.look), strict=True):
            features.append(torch.from_numpy(region.look))
            values = vars(look)
            found.append([SLOT_VALUES[slot].index(values[slot]) if slot in values else UNKNOWN for slot in SLOTS])
    return torch.stack(features), torch.tensor(found)


def fit_facts(gauge: Gauge, scenes: int = SCENES, seed: int = 0) -> FactLine:
    """For the encoders of a gauge."""
    weight, bias = line(*regions(gauge, scenes, seed), FACT_SIZES, FACT_DECAY)
    return FactLine(weight.numpy(), bias.numpy(), gauge.fingerprint())


def line(features: Tensor, facts: Tensor, sizes: Sequence[int], decay: float) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression of every fact, by L-BFGS on standardised features. features (n, d), facts int64
    (n, k), UNKNOWN where there is none; weight (values, d) and bias (values)."""
    mean, std = features.mean(0), features.std(0) + 1e-6
    x = (features - mean) / std
    weight = torch.zeros(sum(sizes), x.shape[1], requires_grad=True)
    bias = torch.zeros(sum(sizes), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = (x @ weight.T + bias).split(list(sizes), dim=1)
        errors = [F.cross_entropy(row, facts[:, i], ignore_index=UNKNOWN) for i, row in enumerate(logits)]
        value = torch.stack(errors).sum() + decay * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    own = weight.detach() / std
    return own, bias.detach() - own @ mean
