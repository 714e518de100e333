"""Trains φ: CLIP's contrastive loss against the frozen text encoder, and a second task that keeps what captions
leave out.

The second task reads, at every patch, the facts about the entity that owns the patch (kind, action, clothes,
colours). A contrastive loss alone throws away whatever captions do not say, which is just what the memory is for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...encoders.image import patch_features, small_vision_model, to_pixels
from ...picturebook.facts import ACTOR_FACTS, PLACE_FACTS
from ..dataset.picturebook_set import PictureBookSet
from ..loop import Losses, Recipe, device_of, half_precision

RECIPE = Recipe("image-encoder", 1000, 2e-3, 64, adam_names=("patch_embedding", "position", "heads", "projection"))


class FactHeads(nn.Module):
    """Linear readers of facts: features (..., d) to one set of logits a fact."""

    def __init__(self, width: int, facts: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.sizes = [len(values) for values in facts.values()]
        self.linear = nn.Linear(width, sum(self.sizes))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.linear(features).split(self.sizes, dim=-1)

    def loss(self, features: Tensor, facts: Tensor) -> Tensor:
        """features (n, d), facts int64 (n, k): mean cross-entropy over facts; 0 if n is 0."""
        if not len(features):
            return features.sum()
        losses = [F.cross_entropy(logits.float(), facts[:, i]) for i, logits in enumerate(self(features))]
        return torch.stack(losses).mean()

    def accuracy(self, features: Tensor, facts: Tensor) -> list[float]:
        return [float((logits.argmax(-1) == facts[:, i]).float().mean()) for i, logits in enumerate(self(features))]


class ImageEncoderTrainer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = small_vision_model()
        self.model.set_attn_implementation("eager")  # its backward is three times faster on a CPU
        width = self.model.config.hidden_size
        self.actor_heads, self.place_heads = FactHeads(width, ACTOR_FACTS), FactHeads(width, PLACE_FACTS)
        self.owner_head = nn.Linear(width, 3)  # place, first actor, second actor
        self.temperature = nn.Parameter(torch.tensor(2.5))

    def losses(self, pixels: Tensor, text: Tensor, owner: Tensor, actors: Tensor, places: Tensor) -> Losses:
        """pixels (B, 3, S, S); text (B, 384), unit length; owner (B, P); actors (B, 2, k); places (B, k')."""
        features = patch_features(self.model, pixels)
        pooled = self.model.visual_projection(features.mean(1))
        logits = self.temperature.exp() * F.normalize(pooled.float(), dim=-1) @ text.T
        labels = torch.arange(len(text), device=text.device)
        contrast = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        row, patch = torch.nonzero(owner > 0, as_tuple=True)
        actor = self.actor_heads.loss(features[row, patch], actors[row, owner[row, patch] - 1])
        seen = torch.nonzero(owner == 0, as_tuple=True)
        place = self.place_heads.loss(features[seen], places[seen[0]])
        owners = F.cross_entropy(self.owner_head(features).float().transpose(1, 2), owner, ignore_index=-1)
        return {
            "loss": actor + 0.5 * place + 0.2 * contrast + owners,
            "actor": actor,
            "place": place,
            "contrast": contrast,
            "owner": owners,
        }


def disturb(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures as they are, half blurred and noisy, as generated keyframes are. (B, 3, S, S), on any
    device; the generator is the CPU's."""
    b, device = len(pixels), pixels.device
    small = F.interpolate(F.avg_pool2d(pixels, 2), scale_factor=2, mode="bilinear")
    blur = torch.rand(b, 1, 1, 1, generator=generator).to(device)
    noise = 0.25 * torch.rand(b, 1, 1, 1, generator=generator) * torch.randn(pixels.shape, generator=generator)
    worse = torch.lerp(pixels, small, blur) + noise.to(device)
    return torch.where(torch.rand(b, 1, 1, 1, generator=generator).to(device) < 0.5, pixels, worse)


def sentence(hidden: Tensor, lengths: Tensor) -> Tensor:
    """MiniLM's sentence embedding: the mean over tokens, unit length. (N, L, d), (N) -> (N, d)."""
    return F.normalize(hidden.float().sum(1) / lengths[:, None], dim=-1)


def make_losses(trainer: ImageEncoderTrainer, folder: Path, batch_size: int) -> Callable[[torch.Generator], Losses]:
    data, device = PictureBookSet(folder), device_of(trainer)
    keyframes, truth = data.keyframes(), data.truth()
    owner, actors, places = (torch.from_numpy(a) for a in (truth.owner, truth.actors, truth.places))
    text = sentence(*data.text())

    def losses(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(data), (batch_size,), generator=generator)
        pixels, *known = (x[rows].to(device) for x in (keyframes, text, owner, actors, places))
        pixels = disturb(to_pixels(pixels, trainer.model.config.image_size), generator)
        with half_precision(device):
            return trainer.losses(pixels, *known)

    return losses
