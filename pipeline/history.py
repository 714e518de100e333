"""What a past scene offers, and what the current one makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .decoupler import Decoupler
from .encoders.text import TextEncoding
from .feature_extractor import FeatureExtractor
from .text_filter import FilterResult, Word, kept_tokens


@dataclass(frozen=True, eq=False)
class HistoryScene:
    """A past scene with its encodings: made once by `StoryPipeline.encode_scene`, never encoded again."""

    prompt: str
    keyframe: np.ndarray  # uint8 (H, W, 3)
    text: TextEncoding
    patches: Tensor  # φ(keyframe), float32 (P, v); none for a model without an image encoder
    latents: Tensor | None = None  # of the keyframe as a clip of one frame, (1, 1, C, h, w), for models that look at it


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Where a kept word of a past scene was looked at in its keyframe."""

    scene: int  # index into the history
    word: Word
    map: np.ndarray  # float32 (rows, columns), sums to 1


@dataclass(frozen=True, eq=False)
class Reference:
    """A keyframe that contributes, for models that look at it."""

    text: Tensor  # τ of its own scene's prompt, float32 (L, t)
    latents: Tensor  # float32 (1, 1, C, h, w)
    patches: Tensor  # bool (M, R), those that each kept mention with a look looks at
    tokens: Tensor | None = None  # (M, n, t), of each cut out, as an image prompt, for models that read such


@dataclass(frozen=True, eq=False)
class Memory:
    """What the past says to the current scene, either as tokens or as references; neither if nothing is remembered.

    tokens: float32 (1, H, d).
    """

    tokens: Tensor | None
    maps: tuple[AttentionMap, ...]
    references: tuple[Reference, ...] = ()

    @property
    def remembers(self) -> bool:
        return self.tokens is not None or bool(self.references)


@torch.no_grad()
def remember(
    history: Sequence[HistoryScene],
    result: FilterResult,
    prompt: TextEncoding,
    extractor: FeatureExtractor,
    decoupler: Decoupler,
) -> Memory:
    """Φ of the kept tokens, A_pred, and its visual part for the tokens of the prompt that something kept matches.

    Each past scene goes through the cross-attention alone and only with its kept tokens, so that a scene that keeps
    nothing cannot change a bit of the outcome.
    """
    parts, maps = [], list[AttentionMap]()
    for index, (scene, verdict) in enumerate(zip(history, result.scenes, strict=True)):
        tokens = kept_tokens(verdict.words, scene.text)
        if tokens:
            phi, attention = extractor.look(
                _as(scene.text.hidden[list(tokens)], extractor), _as(scene.patches, extractor)
            )
            parts.append(phi)
            maps += _word_maps(index, verdict.words, scene.text, tokens, attention)
    rows = kept_tokens(result.current, prompt)
    if not parts or not rows:
        return Memory(None, tuple(maps))
    text = _as(prompt.hidden, extractor)[None]
    predicted = extractor(torch.cat(parts)[None], text)
    matched = torch.zeros(1, len(prompt), dtype=torch.bool, device=text.device)
    matched[0, list(rows)] = True
    return Memory(decoupler(text, predicted, matched)[:, list(rows)], tuple(maps))


def _as(x: Tensor, module: FeatureExtractor) -> Tensor:
    return x.to(module.device, module.dtype)


def _word_maps(
    index: int, words: Sequence[Word], text: TextEncoding, tokens: tuple[int, ...], attention: Tensor
) -> list[AttentionMap]:
    """One map a kept word: the mean of its tokens' rows of `attention`, (n, P)."""
    side = round(attention.shape[1] ** 0.5)
    maps = []
    for word in words:
        own = kept_tokens([word], text)
        rows = [tokens.index(token) for token in own if token in tokens]
        if rows:
            grid = attention[rows].mean(0).reshape(side, side).float().cpu().numpy()
            maps.append(AttentionMap(index, word, grid))
    return maps
