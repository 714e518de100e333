"""What scenes remember of one another in the training set: the filter's verdict on every pair of scenes of a story."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...encoders.text import TextEncoder
from ...picturebook import captions
from ...text_filter import TextFilter, kept_tokens
from .picturebook_set import MAX_TOKENS, PictureBookSet
from .shards import Shard, story_of

SCENES = 4  # of a training story
LABELS = ("place", "actor 0", "actor 1", "action 0", "action 1")


@dataclass(frozen=True)
class MemorySet:
    """kept: bool (N, SCENES, MAX_TOKENS): tokens of scene j of its story that row r keeps (j before r only).
    matched: bool (N, SCENES, MAX_TOKENS): tokens of row r that something kept of scene j matches.
    labels: int8 (N, MAX_TOKENS): what each token of row r speaks of, an index into LABELS, -1 for nothing."""

    kept: Tensor
    matched: Tensor
    labels: Tensor


def memory_of(data: PictureBookSet) -> MemorySet:
    """Made shard by shard and kept in files beside the shards."""
    parts = [
        _shard_memory(data.folder / f"{shard.seeds.start // len(shard.seeds):04d}.memory.npz", shard)
        for shard in data.shards
    ]
    return MemorySet(
        *(torch.from_numpy(np.concatenate([part[key] for part in parts])) for key in ("kept", "matched", "labels"))
    )


def _shard_memory(path: Path, shard: Shard) -> dict[str, np.ndarray]:
    if not path.exists():
        encoder = TextEncoder.minilm()
        n = len(shard.captions)
        kept, matched = (np.zeros((n, SCENES, MAX_TOKENS), bool) for _ in range(2))
        labels = np.full((n, MAX_TOKENS), -1, np.int8)
        text_filter = TextFilter(encoder)
        for row, seed in enumerate(shard.seeds):
            story_rows = slice(row * SCENES, (row + 1) * SCENES)
            _story_memory(shard.captions[story_rows], encoder, text_filter, kept[story_rows], matched[story_rows])
            for r, caption in enumerate(captions.story_captions(story_of(seed)), row * SCENES):
                labels[r] = token_labels(caption, encoder)
        temporary = path.with_suffix(".tmp.npz")
        np.savez_compressed(temporary, kept=kept, matched=matched, labels=labels)
        temporary.replace(path)
    with np.load(path) as saved:
        return dict(saved)


def _story_memory(
    texts: list[str], encoder: TextEncoder, text_filter: TextFilter, kept: np.ndarray, matched: np.ndarray
) -> None:
    """Fills kept and matched, (SCENES, SCENES, MAX_TOKENS), of one story."""
    for i in range(1, len(texts)):
        for j in range(i):
            result = text_filter([texts[j]], texts[i])
            kept[i, j, list(kept_tokens(result.scenes[0].words, encoder.encode(texts[j])))] = True
            matched[i, j, list(kept_tokens(result.current, encoder.encode(texts[i])))] = True


def token_labels(caption: captions.Caption, encoder: TextEncoder) -> np.ndarray:
    """int8 (MAX_TOKENS): the span that each token lies in."""
    labels = np.full(MAX_TOKENS, -1, np.int8)
    for t, (start, end) in enumerate(encoder.encode(caption.text).offsets):
        for span in caption.spans:
            if start < span.end and end > span.start and end > start:
                labels[t] = LABELS.index(span.label)
    return labels
