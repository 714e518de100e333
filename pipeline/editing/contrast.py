"""Where in a region new words change anything: where predictions for the old and the new words differ.

After Couairon et al. 2023 (DiffEdit, arXiv 2210.11427): the clip is noised several times over, and what the model takes
for the clean clip is compared. So "a red hat" changes the head alone, wherever in the region that is.

Letters: f latent frames, h, w latents a side, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..backbones.base import Backbone, Conditions

NOISES = 4  # over which the difference is averaged
NOISE = 0.874  # share of the noise schedule at which they are compared: looks are not decided yet


def contrast(backbone: Backbone, clean: Tensor, old: Conditions, new: Conditions, seed: int) -> Tensor:
    """How much the clean clip would change in every latent, mean with its neighbours in time, float32 (f, h, w). clean:
    (1, f, C, h, w)."""
    t = round(NOISE * backbone.noising.total)
    level, generator = backbone.noising.level(t), torch.Generator().manual_seed(seed)
    noise = torch.randn(NOISES, *clean.shape[1:], generator=generator).to(clean)
    z = level.noised(clean, noise)
    found = [backbone.network([told] * NOISES)(z, t) for told in (old, new)]
    before, after = (level.clean(z, v.to(z)) for v in found)
    size = (after - before).mean(0).square().sum(1).sqrt()
    return (torch.cat([size[:1], size[:-1]]) + size + torch.cat([size[1:], size[-1:]])) / 3


def touched(difference: Tensor, inside: Tensor, share: float) -> Tensor:
    """The latents of a region where the difference is at least a share of the largest there, bool (f, h, w); the whole
    region for 0."""
    most = (difference * inside).amax()
    return inside & (difference >= share * most)
