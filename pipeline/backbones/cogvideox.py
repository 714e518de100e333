"""What CogVideoX checkpoints do in their own way: how prompts are read, and where tokens stand."""

from __future__ import annotations

import torch
from diffusers import CogVideoXPipeline
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..encoders.latents import Where
from ..encoders.text import TextEncoder, TextEncoding
from ..transformer import Rotary, StoryTransformer3DModel

CACHED_TEXTS = 64  # 3.7 MB each with T5 v1.1 XXL and 226 tokens


class PaddedTextEncoder(TextEncoder):
    """Every text is padded to `max_tokens`, and the padding is read like any other token: CogVideoX was trained so."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_tokens: int, where: Where):
        super().__init__(model, tokenizer, max_tokens, CACHED_TEXTS)
        self.where = where

    @torch.no_grad()
    def _encode(self, text: str) -> TextEncoding:
        found = self._checked(text)
        ids, lacking = found["input_ids"], self.max_tokens - len(found["input_ids"])
        padded = ids + [self.tokenizer.pad_token_id] * lacking
        hidden = self.model(torch.tensor([padded], device=self.where()))[0]
        tokens = self.tokenizer.convert_ids_to_tokens(padded)
        offsets = tuple((start, end) for start, end in found["offset_mapping"]) + ((0, 0),) * lacking
        return TextEncoding(text, tuple(tokens), offsets, hidden[0].float().cpu().contiguous())


def rotary_positions(transformer: StoryTransformer3DModel, latents: tuple[int, int, int], unit: int) -> Rotary:
    """Rotary positions of the video tokens for latents (f, h, w), as the stock pipeline lays them out; None for a model
    with absolute ones. unit: pixels a side of a latent."""
    if not transformer.config.use_rotary_positional_embeddings:
        return None
    f, h, w = latents
    return CogVideoXPipeline._prepare_rotary_positional_embeddings(
        _Grid(transformer, unit), h * unit, w * unit, f, torch.device("cpu")
    )


class _Grid:
    """As much of a CogVideoXPipeline as its method that lays out positions looks at."""

    def __init__(self, transformer: StoryTransformer3DModel, unit: int) -> None:
        self.transformer, self.vae_scale_factor_spatial = transformer, unit


def padding_frames(transformer: StoryTransformer3DModel, frames: int) -> int:
    """Latent frames that come before the clip's own where a token spans several (CogVideoX 1.5), and are cut off."""
    return -frames % (transformer.config.patch_size_t or 1)


def to_device(rotary: Rotary, device: torch.device) -> Rotary:
    return rotary and (rotary[0].to(device), rotary[1].to(device))


def repeat_for_tokens(latents: Tensor, transformer: StoryTransformer3DModel) -> Tensor:
    """A single latent frame (1, 1, C, h, w) as often as a token spans frames."""
    return latents.expand(-1, transformer.config.patch_size_t or 1, -1, -1, -1)
