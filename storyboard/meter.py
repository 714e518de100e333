"""How well a clip keeps to its prompt and to what it remembers, and how much it moves.

Scores of the small model's own image encoder: for comparing clips of one scene with one another, not for absolute
judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.history import HistoryScene
from pipeline.image_encoder import patch_features, to_pixels
from pipeline.story_pipeline import StoryPipeline
from pipeline.text_encoder import TextEncoding
from pipeline.text_filter import FilterResult, Mention, Word, kept_tokens


@dataclass(frozen=True)
class Scores:
    """prompt: cosine of the keyframe with the whole prompt. consistency: mean cosine of what remembered words look
    like, then and now; None without memory. motion: mean change from frame to frame, of 255."""

    prompt: float
    consistency: float | None
    motion: float


@torch.no_grad()
def measure(
    pipeline: StoryPipeline, frames: np.ndarray, prompt: str, result: FilterResult, history: Sequence[HistoryScene]
) -> Scores:
    """Scores of a clip, uint8 (F, H, W, 3), made from `prompt`; `result` is what the filter kept of `history`."""
    now = pipeline.encode_scene(prompt, frames)
    changes = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean() if len(frames) > 1 else 0.0
    pairs = [
        F.cosine_similarity(_look(pipeline, past, past_words), _look(pipeline, now, words), dim=0)
        for past, scene in zip(history, result.scenes, strict=True)
        for past_words, words in _same(scene.kept_mentions, result.current)
    ]
    consistency = float(torch.stack(pairs).mean()) if pairs else None
    return Scores(_agreement(pipeline, frames, now.text), consistency, float(changes))


def _same(mentions: Sequence[Mention], current: Sequence[Word]) -> list[tuple[Sequence[Word], Sequence[Word]]]:
    """Kept mentions with the words of the prompt that they matched."""
    found = [(mention.words, [w for w in current if w.mention == mention.target]) for mention in mentions]
    return [(past, now) for past, now in found if now]


def _look(pipeline: StoryPipeline, scene: HistoryScene, words: Sequence[Word]) -> Tensor:
    """φ of a keyframe where words look, (v)."""
    tokens = list(kept_tokens([replace(word, kept=True) for word in words], scene.text))
    _, attention = pipeline.extractor.look(scene.text.hidden[tokens].float(), scene.patches.float())
    look: Tensor = attention.mean(0).cpu() @ scene.patches
    return look


def _agreement(pipeline: StoryPipeline, frames: np.ndarray, text: TextEncoding) -> float:
    """Cosine of the mean of three frames with the sentence, in the space that the image encoder was trained in."""
    model = pipeline.image_encoder
    picked = frames[np.linspace(0, len(frames) - 1, 3).astype(int)]
    pixels = to_pixels(picked, model.config.image_size).to(model.device, model.dtype)
    pooled = model.visual_projection(patch_features(model, pixels).mean(1)).float().cpu().mean(0)
    return float(F.cosine_similarity(pooled, text.hidden.float().mean(0), dim=0))
