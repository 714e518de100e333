"""Layers along time between those of an image model: Video LDM (Blattmann et al. 2023, arXiv 2304.08818).

Letters: B clips, F frames of each, n tokens of a frame, d their width, e that of what is seen beside them.
"""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn

from ..transformer import StoryTransformer3DModel


class TemporalLayer(nn.Module):
    """z' = α z + (1 − α) l(z), where l adds to every token what the tokens at its place in the other frames say.

    α is learned, one a layer. l adds nothing before it is trained. At α = 1 the layer is not run at all.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, beside: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim + beside)
        self.attention = Attention(dim + beside, heads=heads, dim_head=head_dim, out_dim=dim if beside else None)
        self.mix = nn.Parameter(torch.zeros(()))
        nn.init.zeros_(self.attention.to_out[0].weight)
        nn.init.zeros_(self.attention.to_out[0].bias)

    @property
    def alpha(self) -> Tensor:
        return self.mix.sigmoid()

    def forward(self, x: Tensor, frames: int, alpha: float | None = None, beside: Tensor | None = None) -> Tensor:
        """x (B F, n, d), and what is seen beside it, (B F, n, e). alpha: instead of the learned one."""
        if alpha == 1:
            return x
        seen = self.norm(x if beside is None else torch.cat([x, beside], dim=-1))
        places = seen.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)  # (B n, F, d + e)
        when = get_timestep_embedding(torch.arange(frames, device=x.device), places.shape[-1]).to(places.dtype)
        said = self.attention(places + when).unflatten(0, (-1, x.shape[1])).transpose(1, 2).flatten(0, 1)
        share = 1 - (self.alpha if alpha is None else alpha)
        return x + share * said  # = α x + (1 − α) (x + said)


class TemporalLayers(ModelMixin, ConfigMixin):
    """One layer behind every block of a `StoryTransformer3DModel`, and one behind its output, which also sees the noisy
    latents. frames: the most that a clip had in training."""

    @register_to_config
    def __init__(
        self, num_layers: int, width: int, channels: int, num_attention_heads: int = 4, attention_head_dim: int = 36,
        frames: int = 9,
    ) -> None:  # fmt: skip
        super().__init__()
        heads, size = num_attention_heads, attention_head_dim
        self.blocks = nn.ModuleList(TemporalLayer(width, heads, size) for _ in range(num_layers))
        self.last = TemporalLayer(channels, heads, channels // heads, beside=channels)

    @classmethod
    def between(cls, network: StoryTransformer3DModel, **options: int) -> TemporalLayers:
        """Untrained ones for a network."""
        config = network.config
        width = config.num_attention_heads * config.attention_head_dim
        return cls(config.num_layers, width, config.out_channels, **options)

    def alphas(self) -> Tensor:
        """α of every layer, that behind the output last."""
        layers = [*self.blocks, self.last]
        return torch.stack([layer.alpha for layer in layers])  # type: ignore[union-attr, arg-type, misc]
