"""A critic of patches: what regression draws as a mean, it lets a network commit to.

Patches (Isola et al. 2017), the hinge loss and spectral normalisation (Miyato et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """How much pictures look like rendered ones, patch by patch: (B, seen, H, W) to (B, 4, H', W'), high for rendered
    ones. layers: channels, size and stride of the convolutions before the last."""

    def __init__(self, seen: int, layers: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        made = []
        for channels, size, stride in (*layers, (4, 3, 1)):
            made.append(spectral_norm(nn.Conv2d(seen, channels, size, stride, size // 2)))
            seen = channels
        self.first, self.rest = made[0], nn.ModuleList(made[1:])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.rest:
            x = layer(F.leaky_relu(x, 0.2))
        return x

    def error(self, rendered: Tensor, made: Tensor) -> Tensor:
        """Its own, which it learns from; what was made gets no gradient."""
        return F.relu(1 - self(rendered)).mean() + F.relu(1 + self(made.detach())).mean()

    def verdict(self, made: Tensor) -> Tensor:
        """What it thinks, without a gradient for itself."""
        frozen = {name: value.detach() for name, value in self.named_parameters()}
        return torch.func.functional_call(self, frozen, (made,)).mean()
