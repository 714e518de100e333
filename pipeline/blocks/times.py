"""A time embedding for a whole clip, or one for each of its latent frames, and the norms that they modulate.

A timestep for every latent frame is diffusion forcing (Chen et al. 2024, arXiv 2407.01392): frames that are known are
at a timestep near 0 while others are made, and later frames may start while earlier ones are still noisy.

Letters: B batch, f latent frames, L text tokens, N video tokens (frame by frame), d width, e width of the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from diffusers.models.normalization import AdaLayerNorm, CogVideoXLayerNormZero
from torch import Tensor


class Times(NamedTuple):
    """Time embeddings. Text and history, which belong to no latent frame, go by the noisiest one."""

    whole: Tensor  # (B, e)
    frames: Tensor | None = None  # (B, f, e), of what the video tokens of a latent frame share; None: all as `whole`

    def rows(self, rows: Sequence[int]) -> Times:
        """Those of some rows of the batch."""
        chosen = list(rows)
        return Times(self.whole[chosen], None if self.frames is None else self.frames[chosen])

    @property
    def by_frame(self) -> Tensor:
        """(B, f, e), or (B, 1, e) for one that all frames share."""
        return self.whole[:, None] if self.frames is None else self.frames


def shared(timestep: Tensor) -> Tensor:
    """Timesteps (B, f) that are equal in every row as (B), others as they are; (B) as it is."""
    if timestep.ndim == 2 and bool((timestep == timestep[:, :1]).all()):
        return timestep[:, 0]
    return timestep


def norm_zero(
    norm: CogVideoXLayerNormZero, video: Tensor, text: Tensor, times: Times
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """CogVideoXLayerNormZero.forward: normed video (B, N, d) and text (B, L, d), and the gates of each."""
    if times.frames is None:
        return norm(video, text, times.whole)  # type: ignore[no-any-return]
    shift, scale, gate = (over_tokens(x, video) for x in norm.linear(norm.silu(times.frames)).chunk(6, dim=-1)[:3])
    text_shift, text_scale, text_gate = norm.linear(norm.silu(times.whole))[:, None].chunk(6, dim=-1)[3:]
    normed_video, normed_text = norm.norm(video) * (1 + scale) + shift, norm.norm(text) * (1 + text_scale) + text_shift
    return normed_video, normed_text, gate, text_gate


def norm_last(norm: AdaLayerNorm, video: Tensor, times: Times) -> Tensor:
    """AdaLayerNorm.forward of the last layer, video (B, N, d)."""
    if times.frames is None:
        return norm(video, temb=times.whole)  # type: ignore[no-any-return]
    shift, scale = (over_tokens(x, video) for x in norm.linear(norm.silu(times.frames)).chunk(2, dim=-1))
    return norm.norm(video) * (1 + scale) + shift  # type: ignore[no-any-return]


def over_tokens(values: Tensor, video: Tensor) -> Tensor:
    """What latent frames have, (B, f, d), for each of their tokens, (B, N, d)."""
    return values.repeat_interleave(video.shape[1] // values.shape[1], dim=1)
