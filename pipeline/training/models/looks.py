"""Fits the line that says what figures look like (`grounding.looks`) to rendered scenes, in closed steps."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from ...encoders.image import patch_features, to_pixels
from ...grounding.looks import OWNED, SIZES, Looks
from ...picturebook import renderer, world
from ...picturebook.facts import ACTOR_FACTS, actor_facts, patch_coverage
from ...picturebook.said import LOOKS

SCENES = 3000
DECAY = 1e-4
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
    """Multinomial logistic regression of every slot, by L-BFGS on standardised features."""
    mean, std = features.mean(0), features.std(0) + 1e-6
    x = (features - mean) / std
    weight = torch.zeros(sum(SIZES), x.shape[1], requires_grad=True)
    bias = torch.zeros(sum(SIZES), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = (x @ weight.T + bias).split(SIZES, dim=1)
        errors = [F.cross_entropy(row, looks[:, i]) for i, row in enumerate(logits)]
        value = torch.stack(errors).sum() + DECAY * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    own = weight.detach() / std
    return Looks(own, bias.detach() - own @ mean)
