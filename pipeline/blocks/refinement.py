"""The transformer's last stage: convolutions over single latents, for what a patch of latents is too coarse for.

Letters: B batch, N video tokens, d width of the transformer, f latent frames, C channels, h, w latents a side.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DetailBlock(nn.Module):
    """A residual convolution over 3 x 3 latents and 3 latent frames, modulated by the time embedding."""

    def __init__(self, dim: int, time_embed_dim: int) -> None:
        super().__init__()
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(time_embed_dim, 3 * dim))
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.conv = nn.Conv3d(dim, dim, 3, padding=1)
        self.mix = nn.Linear(dim, dim)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, f, h, w, dim), time (B, f or 1, time_embed_dim)."""
        scale, shift, gate = self.modulation(time)[:, :, None, None].chunk(3, dim=-1)
        y = self.norm(x) * (1 + scale) + shift
        y = self.conv(y.movedim(-1, 1)).movedim(1, -1)
        return x + (1 + gate) * self.mix(F.gelu(y))


class DetailStage(nn.Module):
    """Adds to the transformer's prediction what it finds by looking at the noisy latents one by one.

    A token of the embedded model covers 24 x 24 pixels and four frames, more than a face and its hat; a stage at the
    latents' own resolution, fed with the tokens, draws them (an hourglass, after Crowson et al. 2024, with one level
    and convolutions for the local attention). Its output starts at zero: until it is trained it changes nothing.
    """

    def __init__(self, dim: int, blocks: int, channels: int, width: int, patch: int, time_embed_dim: int) -> None:
        super().__init__()
        self.patch = patch
        self.from_tokens = nn.Linear(width, patch * patch * dim)
        self.from_latents = nn.Linear(channels, dim)
        self.blocks = nn.ModuleList(DetailBlock(dim, time_embed_dim) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, latents: Tensor, tokens: Tensor, time: Tensor) -> Tensor:
        """What to add, (B, f, C, h, w). latents: the noisy ones, (B, f, C, h, w); tokens: the transformer's last,
        (B, N, d); time (B, f or 1, time_embed_dim)."""
        f, h, w, p = latents.shape[1], latents.shape[3], latents.shape[4], self.patch
        fine = self.from_tokens(tokens).unflatten(1, (f, h // p, w // p)).unflatten(-1, (p, p, -1))
        x = fine.permute(0, 1, 2, 4, 3, 5, 6).flatten(4, 5).flatten(2, 3) + self.from_latents(latents.movedim(2, -1))
        for block in self.blocks:
            x = block(x, time)
        return self.out(self.norm(x)).movedim(-1, 2)
