"""What kept words looked like: cross-attention over keyframes, and a transformer that carries it to the current prompt.

Step 2 of docs/method.md. Letters: n kept tokens of one past scene, P patches of its keyframe, M kept tokens of all
scenes, L tokens of the current prompt, t width of the text encoder, v width of the image encoder, d width of the
features.
"""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn


class TokenImageAttention(nn.Module):
    """A = softmax(Q K^T / sqrt(d)) V with Q = W_Q τ(T), K = W_K φ(I), V = W_V φ(I): one row per token."""

    def __init__(self, text_dim: int, image_dim: int, dim: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, dim) for width in (text_dim, image_dim, image_dim))

    def scores(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """Logits of the attention, (..., n, t) and (..., P, v) to (..., n, P)."""
        q, k = self.to_q(tokens), self.to_k(patches)
        return q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5

    def forward(self, tokens: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """The rows A, (..., n, d), and the attention maps, (..., n, P), which sum to 1 over patches."""
        maps = self.scores(tokens, patches).float().softmax(-1)
        return maps.to(patches.dtype) @ self.to_v(patches), maps


class FeatureExtractor(ModelMixin, ConfigMixin):
    """A_pred = Transformer(Φ, τ(P_i)), Φ = [Φ_1, ..., Φ_k] along tokens, Φ_j = [A_j, τ(T_j)] along features.

    Trained alone against A_real, the same cross-attention of the current prompt's own tokens over its true keyframe,
    with L = 1 - cos(A_real, A_pred) per token; then frozen. Only kept tokens enter: a past scene that keeps nothing
    adds nothing.
    """

    @register_to_config
    def __init__(
        self,
        text_dim: int = 384,
        image_dim: int = 128,
        dim: int = 192,
        num_layers: int = 3,
        num_heads: int = 6,
        max_text_length: int = 64,
    ) -> None:
        super().__init__()
        self.attention = TokenImageAttention(text_dim, image_dim, dim)
        self.past_in = nn.Linear(dim + text_dim, dim)
        self.prompt_in = nn.Linear(text_dim, dim)
        self.positions = nn.Parameter(0.02 * torch.randn(max_text_length, dim))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(dim, num_heads, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(num_layers)
        )
        self.out = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim))

    def look(self, tokens: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """One past scene: tokens (..., n, t), patches (..., P, v) to Φ_j (..., n, d + t) and maps (..., n, P)."""
        rows, maps = self.attention(tokens, patches)
        return torch.cat([rows, tokens.to(rows.dtype)], dim=-1), maps

    def forward(
        self, past: Tensor, prompt: Tensor, past_mask: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Φ (B, M, d + t) and τ(P_i) (B, L, t) to A_pred (B, L, d). Masks are bool, True where there is a token."""
        memory = self.past_in(past)
        x = self.prompt_in(prompt) + self.positions[: prompt.shape[1]]
        for layer in self.layers:
            x = layer(x, memory, tgt_key_padding_mask=_padding(mask), memory_key_padding_mask=_padding(past_mask))
        return self.out(x)


def _padding(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else ~mask
