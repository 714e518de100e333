"""Separates picture from text in what the feature extractor predicts (docs/method.md, step 3)."""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn


class Decoupler(ModelMixin, ConfigMixin):
    """τ(P_i) attends over A_pred and draws out its visual part: (B, L, t), (B, L, d) -> visual tokens (B, L, d).

    Row r of the result belongs to token r of the prompt; its own row of A_pred is added to what the attention finds.
    """

    @register_to_config
    def __init__(self, text_dim: int = 384, dim: int = 192, num_heads: int = 4, max_text_length: int = 64) -> None:
        super().__init__()
        self.positions = nn.Parameter(0.02 * torch.randn(max_text_length, dim))
        self.query_in = nn.Linear(text_dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, prompt: Tensor, predicted: Tensor, mask: Tensor | None = None) -> Tensor:
        """mask: bool (B, L), True for the rows of A_pred that something remembered stands behind."""
        positions = self.positions[: prompt.shape[1]]
        rows = self.norm(predicted)
        padding = None if mask is None else ~mask & mask.any(1, keepdim=True)  # a row of padding alone may see it all
        drawn, _ = self.attention(
            self.query_in(prompt) + positions, rows + positions, rows, key_padding_mask=padding, need_weights=False
        )
        visual = rows + drawn
        return visual + self.feed_forward(visual)


def cross_covariance(visual: Tensor, text: Tensor) -> Tensor:
    """The decoupling loss: mean squared correlation between any visual and any text feature. (n, d), (n, t) -> ().

    Zero where no visual feature can be told from a text feature by a straight line, and for fewer than two rows.
    """
    if len(visual) < 2:
        return visual.float().sum() * 0
    a, b = ((x.float() - x.float().mean(0)) / (x.float().std(0) + 1e-4) for x in (visual, text))
    return (a.T @ b / (len(a) - 1)).square().mean()
