"""The parts of the tube locator: what frames look like, joined with words, and a decoder with a query a frame.

B questions, T frames, K of them looked at closely, P cells of a frame, L text tokens, d width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS, COLUMNS = 12, 18  # cells of a frame, 8 x 8 pixels of 96 x 144


class FrameStem(nn.Module):
    """The fast branch: every frame, alone, by a few convolutions. (N, 3, 96, 144) in -1..1 to (N, P, d)."""

    def __init__(self, dim: int, channels: int = 48) -> None:
        super().__init__()
        wide = 2 * channels
        self.enter = _convolution(48, channels, 1)
        self.down = _convolution(channels, wide, 2)
        self.around = nn.ModuleList(_convolution(wide, wide, 1) for _ in range(2))
        self.out = nn.Conv2d(wide, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.down(self.enter(F.pixel_unshuffle(x, 4)))
        for layer in self.around:
            h = h + layer(h)
        return self.out(h).flatten(2).transpose(1, 2)


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)
    )


def sine(positions: Tensor, dim: int) -> Tensor:
    """Sine embedding of positions (...), (..., dim)."""
    rates = torch.exp(-math.log(100.0) * torch.arange(dim // 2, device=positions.device) / (dim // 2))
    angles = positions[..., None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def sine_grid(dim: int) -> Tensor:
    """Positions of the cells, (P, dim): rows in the first half, columns in the second."""
    rows, columns = (sine(torch.arange(n), dim // 2) for n in (ROWS, COLUMNS))
    grid = torch.cat([rows[:, None].expand(-1, COLUMNS, -1), columns[None].expand(ROWS, -1, -1)], dim=-1)
    return grid.flatten(0, 1)


def box_of(weights: Tensor) -> Tensor:
    """The box that weights over cells (..., P) in 0..1 fill: centre and width of an even box with their mean and
    spread, (..., 4), as shares of the picture. Surer cells count by the square of how sure they are."""
    w = weights.square().unflatten(-1, (ROWS, COLUMNS))
    total = w.sum((-2, -1)).clamp(min=1e-6)
    centres, sizes = [], []
    for n, along in ((COLUMNS, w.sum(-2)), (ROWS, w.sum(-1))):
        at = (torch.arange(n, device=w.device) + 0.5) / n
        centre = (along * at).sum(-1) / total
        spread = (along * (at - centre[..., None]).square()).sum(-1) / total
        centres.append(centre)
        sizes.append((12 * spread + n**-2).sqrt())
    return torch.stack([*centres, *sizes], dim=-1)


class JointEncoder(nn.Module):
    """The slow branch: the cells of one frame and the words attend to one another. A frame is a sequence."""

    def __init__(self, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.kinds = nn.Parameter(0.02 * torch.randn(2, dim))  # cell, word
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(layers)
        )

    def forward(self, cells: Tensor, words: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """cells (N, P, d), words (N, L, d), padding bool (N, L) True where there is no word; both again."""
        x = torch.cat([cells + self.kinds[0], words + self.kinds[1]], dim=1)
        hidden = torch.cat([padding.new_zeros(cells.shape[:2]), padding], dim=1) if padding.any() else None  # faster
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=hidden)
        return x[:, : cells.shape[1]], x[:, cells.shape[1] :]


class DecoderLayer(nn.Module):
    """Queries of all frames attend to one another, then each to the memory of its own frame alone."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.time = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.space = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, hidden: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, d), memory (B T, M, d), hidden bool (B T, M), moments (T, d). Gives x and the weights over memory,
        (B, T, M)."""
        y = self.norms[0](x)
        x = x + self.time(y + moments, y + moments, y, need_weights=False)[0]
        seen, weights = attend_once(self.space, (self.norms[1](x) + moments).flatten(0, 1), memory, hidden)
        x = x + seen.unflatten(0, x.shape[:2])
        return x + self.feed_forward(self.norms[2](x)), weights.unflatten(0, x.shape[:2])


def attend_once(
    attention: nn.MultiheadAttention, query: Tensor, memory: Tensor, hidden: Tensor
) -> tuple[Tensor, Tensor]:
    """What `attention`, without dropout, gives a single query of every memory, and its mean weights. query (N, d),
    memory (N, M, d), hidden bool (N, M), to (N, d) and (N, M). With one query it is much cheaper to take projections of
    keys and values to the query's side: q · (W m + b) is (Wᵀ q) · m and what the softmax drops."""
    heads, width = attention.num_heads, attention.head_dim
    to_query, to_key, to_value = attention.in_proj_weight.chunk(3)
    own_bias, _, value_bias = attention.in_proj_bias.chunk(3)
    asked = F.linear(query, to_query, own_bias).unflatten(1, (heads, width)) * width**-0.5
    asked = torch.einsum("nhe,hed->nhd", asked, to_key.unflatten(0, (heads, width)))
    scores = (asked @ memory.mT).masked_fill(hidden[:, None], -torch.inf)
    weights = scores.float().softmax(-1)
    seen = torch.einsum("nhd,hed->nhe", weights.to(memory.dtype) @ memory, to_value.unflatten(0, (heads, width)))
    return attention.out_proj(seen.flatten(1) + value_bias), weights.mean(1)


def perceptron(dim: int, outputs: int, layers: int, dropout: float = 0.0) -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*parts, nn.Linear(dim, outputs))
