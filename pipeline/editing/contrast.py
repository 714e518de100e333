"""Where in a region new words change anything: where predictions for the old and the new words differ.

After Couairon et al. 2023 (DiffEdit, arXiv 2210.11427): the clip is noised several times over, and what the model takes
for the clean clip is compared. So "a red hat" changes the head alone, wherever in the region that is.

Letters: f latent frames, h, w latents a side, C channels.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Backbone, Conditions
from .region import Region

NOISES = 4  # over which the difference is averaged
SAID_AT = 0.8, 0.9  # shares of the noise schedule at which words are weighed against one another
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


def explained(
    backbone: Backbone, clean: Tensor, old: Conditions, new: Conditions, inside: Tensor, seed: int
) -> list[float]:
    """How much better new words say what a clip shows in each of some regions, bool (n, f, h, w), than old ones: by how
    much more they bring its noised latents back to it, from -1 to 1, summed over SAID_AT (Li et al. 2023, arXiv
    2303.16203). clean: (1, f, C, h, w)."""
    generator, found = torch.Generator().manual_seed(seed), torch.zeros(len(inside))
    noise = torch.randn(NOISES, *clean.shape[1:], generator=generator).to(clean)
    for share in SAID_AT:
        t = round(share * backbone.noising.total)
        level = backbone.noising.level(t)
        z = level.noised(clean, noise)
        made = [level.clean(z, backbone.network([told] * NOISES)(z, t).to(z)) for told in (old, new)]
        before, after = ((one - clean).square().sum((0, 2)).cpu() for one in made)  # (f, h, w)
        found += torch.stack([((before - after) * one).sum() / ((before + after) * one).sum() for one in inside])
    return found.tolist()


def differing(made: np.ndarray, beside: np.ndarray, least: float) -> Region:
    """The pixels in which two clips, uint8 (F, H, W, 3), differ by at least so much of 255 around them."""
    difference = np.abs(made.astype(np.float32) - beside).mean(-1)
    around = F.avg_pool3d(torch.from_numpy(difference)[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
    return Region((around >= least).float().numpy()).grown(1)
