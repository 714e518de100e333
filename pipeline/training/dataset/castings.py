"""What scenes of the training set remember of castings: pictures of their own actors elsewhere, as
`picturebook.casting` would draw them if it knew how they look."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from ...encoders.image import patch_features, to_pixels
from ...encoders.text import TextEncoder
from ...picturebook import world
from ...picturebook.casting import Company, portrait
from ...text_filter import TextFilter, kept_tokens
from ..loop import device_of, half_precision
from .memory import SCENES
from .picturebook_set import MAX_TOKENS, PictureBookSet, encode_captions
from .shards import Shard

ACTORS, CAST = 3, 2  # most of a story, most of a scene
TOKENS = 24  # of a caption


@dataclass(frozen=True)
class CastingSet:
    """Letters: N rows, S stories, P patches. features: float16 (S, ACTORS, P, v), of every actor's picture. actor:
    int64 (N, CAST), whose it is among those of the row's story. text: float16 (N, CAST, TOKENS, t), the captions. kept:
    bool (N, CAST, TOKENS). matched: bool (N, CAST, MAX_TOKENS), tokens of the row that something kept matches."""

    features: Tensor
    actor: Tensor
    text: Tensor
    kept: Tensor
    matched: Tensor

    def features_of(self, rows: Tensor) -> Tensor:
        """float16 (B, CAST, P, v)."""
        return self.features[(rows // SCENES)[:, None], self.actor[rows]]


def castings_of(data: PictureBookSet, image_encoder: CLIPVisionModelWithProjection) -> CastingSet:
    """Made shard by shard; texts and what is kept of them lie in files beside the shards."""
    pictures, told = list[np.ndarray](), list[dict[str, np.ndarray]]()
    for shard in data.shards:
        stem = f"{shard.seeds.start // len(shard.seeds):04d}"
        pictures.append(np.stack([_pictures(seed) for seed in shard.seeds]))
        told.append(shard_captions(data.folder / f"{stem}.castings.npz", shard))
    features = torch.cat([_features(image_encoder, part) for part in pictures])
    rest = (
        torch.from_numpy(np.concatenate([part[name] for part in told])) for name in ("actor", "text", "kept", "matched")
    )
    return CastingSet(features, *rest)


def _pictures(seed: int) -> np.ndarray:
    """Of the actors of a story, uint8 (ACTORS, H, W, 3); nothing where there are fewer."""
    actors = _actors(world.training_story(seed))
    found = [portrait(actor, random.Random(f"training/{seed}/{actor.name}")) for actor in actors]
    return np.stack([*found, *[np.zeros_like(found[0])] * (ACTORS - len(found))])


def _actors(story: world.WorldStory) -> list[world.Actor]:
    return list(dict.fromkeys(actor for scene in story.scenes for actor in scene.cast))


@torch.no_grad()
def _features(model: CLIPVisionModelWithProjection, pictures: np.ndarray) -> Tensor:
    """φ, float16 (S, ACTORS, P, v)."""
    device, parts = device_of(model), list[Tensor]()
    with half_precision(device):
        for batch in torch.from_numpy(pictures).flatten(0, 1).split(100):
            parts.append(patch_features(model, to_pixels(batch.to(device), model.config.image_size)).half().cpu())
    return torch.cat(parts).unflatten(0, pictures.shape[:2])


def shard_captions(path: Path, shard: Shard) -> dict[str, np.ndarray]:
    """Whom the scenes of a shard name, by which captions, and what of these they keep."""
    if not path.exists():
        made = _captions(shard)
        temporary = path.with_suffix(".tmp.npz")
        np.savez_compressed(
            temporary, actor=made["actor"], text=made["text"], kept=made["kept"], matched=made["matched"]
        )
        temporary.replace(path)
    with np.load(path) as saved:
        return dict(saved)


def _captions(shard: Shard) -> dict[str, np.ndarray]:
    encoder, n = TextEncoder.minilm(), len(shard.captions)
    text_filter, texts = TextFilter(encoder), list[tuple[int, int, str]]()
    actor, kept = np.zeros((n, CAST), np.int64), np.zeros((n, CAST, TOKENS), bool)
    matched = np.zeros((n, CAST, MAX_TOKENS), bool)
    for place, seed in enumerate(shard.seeds):
        story, company = world.training_story(seed), Company()
        names = [one.name for one in _actors(story)]
        for row in range(place * SCENES, (place + 1) * SCENES):
            prompt = shard.captions[row]
            for slot, role in enumerate(company.of(prompt)[:CAST]):
                result = text_filter([role.caption], prompt)
                actor[row, slot] = names.index(role.name)
                kept[row, slot, list(kept_tokens(result.scenes[0].words, encoder.encode(role.caption)))] = True
                matched[row, slot, list(kept_tokens(result.current, encoder.encode(prompt)))] = True
                texts.append((row, slot, role.caption))
            company.pass_by(prompt)
    return {"actor": actor, "text": _encoded(encoder, texts, n), "kept": kept, "matched": matched}


def _encoded(encoder: TextEncoder, texts: list[tuple[int, int, str]], n: int) -> np.ndarray:
    distinct = list(dict.fromkeys(text for *_, text in texts))
    hidden, _ = encode_captions(encoder, distinct)
    place, found = (
        {text: k for k, text in enumerate(distinct)},
        np.zeros((n, CAST, TOKENS, hidden.shape[-1]), np.float16),
    )
    for row, slot, text in texts:
        found[row, slot] = hidden[place[text], :TOKENS].numpy()
    return found
