"""Trains the feature extractor, before the generator and without it.

First its cross-attention alone, as the target: each word's attention must fall on the entity it speaks of (the world
knows the masks) and what it reads there must tell that entity's facts. Then the attention is frozen, so that the
target cannot collapse, and the transformer learns to predict it from the past: L = 1 - cos(A_real, A_pred), row
against row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from ...encoders.image import patch_features, to_pixels
from ...feature_extractor import FeatureExtractor
from ...picturebook.facts import ACTOR_FACTS, PLACE_FACTS
from ..dataset.castings import CastingSet, castings_of
from ..dataset.memory import SCENES, MemorySet, memory_of
from ..dataset.picturebook_set import PictureBookSet
from ..loop import Losses, Recipe, device_of, half_precision
from .image_encoder import FactHeads, disturb

TARGET_RECIPE = Recipe("extractor-target", 500, 2e-3, 96, adam_names=("heads",))
RECIPE = Recipe("extractor", 1500, 1e-3, 128, average=0.99, adam_names=("_in", "positions", "out", "attention"))
READING_WEIGHT = 0.2  # of the facts read off A_pred by the target's own (frozen) readers
UNKNOWN_WEIGHT = 0.1  # of rows that nothing remembered matches


@dataclass(frozen=True)
class ExtractorData:
    """The training set as the extractor sees it. features: float16 (2, N, P, v), of clean and of disturbed
    keyframes."""

    text: Tensor  # float16 (N, L, t)
    lengths: Tensor  # int64 (N)
    features: Tensor
    coverage: Tensor  # float32 (N, 3, P)
    actors: Tensor  # int64 (N, 2, facts)
    places: Tensor  # int64 (N, facts)
    memory: MemorySet
    castings: CastingSet | None = None


def load_data(folder: Path, image_encoder: CLIPVisionModelWithProjection, *, castings: bool = False) -> ExtractorData:
    data = PictureBookSet(folder)
    truth = data.truth()
    coverage, actors, places = (torch.from_numpy(a) for a in (truth.coverage, truth.actors, truth.places))
    features = _cached_features(folder, image_encoder, data)
    text, lengths = data.text()
    drawn = castings_of(data, image_encoder) if castings else None
    return ExtractorData(text, lengths, features, coverage, actors, places, memory_of(data), drawn)


def _cached_features(folder: Path, model: CLIPVisionModelWithProjection, data: PictureBookSet) -> Tensor:
    """`encode_keyframes`, from a file named after the weights and the number of keyframes if it is there."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().numpy().tobytes())
    path = folder / f"features-{digest.hexdigest()[:12]}-{len(data)}.npy"
    if not path.exists():
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, encode_keyframes(model, data.keyframes()).numpy())
        temporary.replace(path)
    return torch.from_numpy(np.load(path))


@torch.no_grad()
def encode_keyframes(model: CLIPVisionModelWithProjection, keyframes: Tensor) -> Tensor:
    """φ of clean and of disturbed keyframes, float16 (2, N, P, v)."""
    parts, generator, device = [], torch.Generator().manual_seed(0), device_of(model)
    with half_precision(device):
        for batch in keyframes.split(100):
            pixels = to_pixels(batch.to(device), model.config.image_size)
            both = torch.stack([pixels, disturb(pixels, generator)])
            parts.append(patch_features(model, both.flatten(0, 1)).half().unflatten(0, (2, -1)).cpu())
    return torch.cat(parts, dim=1)


class TargetTrainer(nn.Module):
    """The cross-attention and the readers that teach it where to look and what to read."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.attention = extractor.attention
        dim = extractor.config.dim
        self.actor_heads, self.place_heads = FactHeads(dim, ACTOR_FACTS), FactHeads(dim, PLACE_FACTS)

    def losses(self, data: ExtractorData, rows: Tensor, variant: Tensor) -> Losses:
        device, length = device_of(self), int(data.lengths[rows].max())
        labels = data.memory.labels[rows, :length].long()
        text, features = data.text[rows, :length].to(device), data.features[variant, rows].to(device)
        a, maps = self.attention(text.float(), features.float())
        at = torch.nonzero(labels >= 0, as_tuple=True)
        entity = labels[at] - 2 * (labels[at] > 2).long()  # actions are looked for at their actor
        coverage = data.coverage[rows[at[0]], entity].to(device)
        spoken = _to(device, at)
        hit = (maps[spoken] * coverage).sum(-1)
        actor, place = self.reading(a[spoken], entity, rows[at[0]], data)
        look = -(hit + 1e-4).log().mean()
        return {"loss": look + actor + place, "look": look, "actor": actor, "place": place}

    def reading(self, a: Tensor, entity: Tensor, rows: Tensor, data: ExtractorData) -> tuple[Tensor, Tensor]:
        """Losses of reading facts off rows a (n, d) of words about `entity` (0 place, 1 and 2 the actors), both (n);
        `entity` and `rows` are on the CPU."""
        is_actor = entity > 0
        actors, places = data.actors[rows[is_actor], entity[is_actor] - 1], data.places[rows[~is_actor]]
        is_actor, actors, places = _to(a.device, (is_actor, actors, places))
        return self.actor_heads.loss(a[is_actor], actors), self.place_heads.loss(a[~is_actor], places)

    @torch.no_grad()
    def standardize(self, rows: Tensor) -> None:
        """Makes the rows A, given as (n, d), zero on average and of unit spread, by W_V and its bias; readers
        follow."""
        mean, std = rows.mean(0), rows.std()
        for heads in (self.actor_heads, self.place_heads):
            heads.linear.bias.add_(heads.linear.weight @ mean)
            heads.linear.weight *= std
        self.attention.to_v.bias.copy_((self.attention.to_v.bias - mean) / std)
        self.attention.to_v.weight /= std


def _to(device: torch.device, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(tensor.to(device) for tensor in tensors)


def target_losses(trainer: TargetTrainer, data: ExtractorData, batch_size: int) -> Callable[[torch.Generator], Losses]:
    def losses(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(data.text), (batch_size,), generator=generator)
        with half_precision(device_of(trainer)):
            return trainer.losses(data, rows, torch.randint(2, (batch_size,), generator=generator))

    return losses


@dataclass(frozen=True)
class Recollection:
    """What some scenes remember: Φ and τ(P_i) with their masks, ready for the extractor's transformer."""

    past: Tensor  # (B, M, d + t)
    past_mask: Tensor  # bool (B, M)
    prompt: Tensor  # (B, L, t)
    mask: Tensor  # bool (B, L)
    matched: Tensor  # bool (B, L): rows that a kept mention matches


def recollect(
    extractor: FeatureExtractor,
    data: ExtractorData,
    rows: Tensor,
    use: Tensor,
    variant: Tensor,
    cast: Tensor | None = None,
) -> Recollection:
    """rows (B); use bool (B, SCENES): which scenes of its story a row may remember; variant (B, SCENES) of
    keyframes; cast bool (B, CAST): which castings it may. All on the CPU."""
    device = device_of(extractor)
    length = int(data.lengths[rows].max())
    story = (rows // SCENES * SCENES)[:, None] + torch.arange(SCENES)  # (B, SCENES)
    past_length = int(data.lengths[story].max())
    kept = data.memory.kept[rows][:, :, :past_length] & use[..., None]  # (B, SCENES, L')
    matched = (data.memory.matched[rows][:, :, :length] & use[..., None]).any(1)
    text, features = data.text[story, :past_length].to(device), data.features[variant, story].to(device)
    phi, _ = extractor.look(text.float(), features.float())  # without a gradient where the attention is frozen
    flat, phi = kept.flatten(1), phi.flatten(1, 2)
    if cast is not None and data.castings is not None:
        own = data.castings
        text, features = own.text[rows].to(device), own.features_of(rows).to(device)
        phi = torch.cat([phi, extractor.look(text.float(), features.float())[0].flatten(1, 2)], dim=1)
        flat = torch.cat([flat, (own.kept[rows] & cast[..., None]).flatten(1)], dim=1)
        matched = matched | (own.matched[rows][:, :, :length] & cast[..., None]).any(1)
    count = max(1, int(flat.sum(1).max()))
    order = flat.long().argsort(dim=1, descending=True, stable=True)[:, :count]
    past = phi.gather(1, order[..., None].expand(-1, -1, phi.shape[-1]).to(device))
    past_mask, mask = flat.gather(1, order), torch.arange(length) < data.lengths[rows, None]
    prompt = data.text[rows, :length].to(device).float()
    return Recollection(past, past_mask.to(device), prompt, mask.to(device), matched.to(device))


def make_losses(
    extractor: FeatureExtractor, target: TargetTrainer, data: ExtractorData, batch_size: int
) -> Callable[[torch.Generator], Losses]:
    """Losses of the transformer; the attention and the readers are frozen."""
    extractor.attention.requires_grad_(False)
    target.requires_grad_(False)
    able = torch.nonzero(data.memory.kept.flatten(1).any(1))[:, 0]

    def losses(generator: torch.Generator) -> Losses:
        rows = able[torch.randint(len(able), (batch_size,), generator=generator)]
        use = torch.rand(batch_size, SCENES, generator=generator) < 0.85
        variant = torch.randint(2, (batch_size, SCENES), generator=generator)
        with half_precision(device_of(extractor)):
            return _prediction_losses(extractor, target, data, rows, use, variant)

    return losses


def _prediction_losses(
    extractor: FeatureExtractor, target: TargetTrainer, data: ExtractorData, rows: Tensor, use: Tensor, variant: Tensor
) -> Losses:
    r = recollect(extractor, data, rows, use, variant)
    some = r.past_mask.any(1)
    r = Recollection(*(getattr(r, name)[some] for name in ("past", "past_mask", "prompt", "mask", "matched")))
    rows = rows[some.cpu()]
    real, _ = extractor.attention(r.prompt, data.features[0, rows].to(some.device).float())
    predicted = extractor(r.past, r.prompt, r.past_mask, r.mask).float()
    labels = data.memory.labels[rows, : r.mask.shape[1]].to(some.device).long()
    weight = r.matched.float() + UNKNOWN_WEIGHT * (~r.matched & (labels >= 0))
    cosine = F.cosine_similarity(real.float(), predicted, dim=-1)
    loss = ((1 - cosine) * weight).sum() / weight.sum()
    at = torch.nonzero(r.matched & (labels >= 0) & (labels < 3), as_tuple=True)
    scaled = F.normalize(predicted[at], dim=-1) * real[at].float().norm(dim=-1, keepdim=True)
    actor, place = target.reading(scaled, labels[at].cpu(), rows[at[0].cpu()], data)
    known = cosine[r.matched].mean()
    return {
        "loss": loss + READING_WEIGHT * (actor + place),
        "known": 1 - known,
        "actor": actor,
        "place": place,
        "rank": effective_rank(predicted[r.matched]),
    }


@torch.no_grad()
def effective_rank(rows: Tensor) -> Tensor:
    """exp of the entropy of the normalised spectrum (Roy and Vetterli 2007): how many directions rows (n, d) use."""
    spectrum = torch.linalg.svdvals(rows.float() - rows.float().mean(0)).square()
    p = spectrum / spectrum.sum()
    return torch.exp(-(p * (p + 1e-12).log()).sum())


@torch.no_grad()
def standardize(target: TargetTrainer, data: ExtractorData) -> None:
    """`TargetTrainer.standardize` on the rows that a sample of the training set gives."""
    device, rows = device_of(target), torch.arange(0, len(data.text), 37)
    a, _ = target.attention(data.text[rows].to(device).float(), data.features[0, rows].to(device).float())
    target.standardize(a[(data.memory.labels[rows] >= 0).to(device)])
