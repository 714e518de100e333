"""Training sets in memory: what the shards hold, the truth about it, and encoded captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...encoders.text import TextEncoder
from ...picturebook.facts import Truth, truth_of
from .shards import Shard, open_shards, story_of

MAX_TOKENS = 48


class PictureBookSet:
    """All shards in `folder`. Rows are scenes; four rows a story, in its order."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder, self.shards = folder, open_shards(folder)[:limit]
        if not self.shards:
            raise FileNotFoundError(f"no training set in {str(folder)!r}: run python -m pipeline.training vae")
        self.scenes = [s for shard in self.shards for seed in shard.seeds for s in story_of(seed).scenes]
        self.captions = [text for shard in self.shards for text in shard.captions]

    def __len__(self) -> int:
        return len(self.scenes)

    def keyframes(self) -> Tensor:
        """uint8 (N, H, W, 3)."""
        return torch.from_numpy(np.concatenate([shard.keyframes for shard in self.shards]))

    def truth(self) -> Truth:
        return truth_of(self.scenes, np.concatenate([shard.masks for shard in self.shards]))

    def latents(self, rows: Tensor) -> Tensor:
        """float32 (len(rows), f, C, h, w)."""
        size = len(self.shards[0].keyframes)
        return torch.from_numpy(np.stack([self.shards[r // size].latents[r % size] for r in rows.tolist()])).float()

    def actor_coverage(self, rows: Tensor) -> Tensor:
        """float32 (len(rows), f, h, w) in 0..1: how much of each latent an actor covers."""
        size = len(self.shards[0].keyframes)
        covered = np.stack([self.shards[r // size].actors[r % size] for r in rows.tolist()])
        return torch.from_numpy(covered).float() / 255

    def text(self) -> tuple[Tensor, Tensor]:
        """Token encodings of all captions, float16 (N, MAX_TOKENS, 384), and their lengths, int64 (N)."""
        parts = [
            _encoded_captions(self.folder / f"{shard.seeds.start // len(shard.seeds):04d}", shard)
            for shard in self.shards
        ]
        return torch.cat([hidden for hidden, _ in parts]), torch.cat([lengths for _, lengths in parts])


def _encoded_captions(stem: Path, shard: Shard) -> tuple[Tensor, Tensor]:
    """From the file beside the shard, or made and written there."""
    path = stem.with_name(stem.name + ".text.npz")
    if not path.exists():
        hidden, lengths = encode_captions(TextEncoder.minilm(), shard.captions)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, hidden=hidden.numpy(), lengths=lengths.numpy())
        temporary.replace(path)
    with np.load(path) as saved:
        return torch.from_numpy(saved["hidden"]), torch.from_numpy(saved["lengths"])


@torch.no_grad()
def encode_captions(encoder: TextEncoder, captions: list[str], batch_size: int = 100) -> tuple[Tensor, Tensor]:
    """Padded encodings, float16 (N, MAX_TOKENS, d), zero past each length, int64 (N). Batched, hence only for
    training."""
    hidden = torch.zeros(len(captions), MAX_TOKENS, encoder.model.config.hidden_size, dtype=torch.float16)
    lengths = torch.zeros(len(captions), dtype=torch.int64)
    order = sorted(range(len(captions)), key=lambda i: len(captions[i]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = encoder.tokenizer([captions[i] for i in rows], padding=True, return_tensors="pt")
        mask = batch["attention_mask"]
        states = encoder.model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
        hidden[rows, : mask.shape[1]] = (states * mask[..., None]).half()
        lengths[rows] = mask.sum(1)
    return hidden, lengths
