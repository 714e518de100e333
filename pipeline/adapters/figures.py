"""Where the figures of taught subjects are in what a clip is taken for, so that nobody else is pulled towards them.

Letters: F frames, f latent frames, C latent channels, h, w latents a side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..editing.finding import figures_of
from ..editing.region import Region
from ..encoders.image import resized
from ..picturebook.renderer import HEIGHT, WIDTH

if TYPE_CHECKING:
    from ..story_pipeline import StoryPipeline

MARGIN = 6  # pixels around a figure that may become its own: a taller hat


@dataclass(frozen=True, eq=False)
class Finder:
    """names: of the subjects, as they were taught."""

    pipeline: StoryPipeline
    names: Sequence[str]

    @torch.no_grad()
    def __call__(self, prompt: str, clean: Tensor) -> Tensor:
        """How much of each of the latents (1, f, C, h, w) shows the figures of whom a prompt speaks by these names, or
        what is close around them, 0 to 1; 0 where they show more of somebody else: (1, f, 1, h, w). Of a name that is
        not a figure's, 1 where no figure is; of a prompt without any of the names, all figures; 1 everywhere if there
        are none."""
        latents, grid = self.pipeline.latents, (clean.shape[1], *clean.shape[3:])
        spans = [m.span() for name in self.names for m in re.finditer(rf"\b{re.escape(name)}\b", prompt)]
        frames = resized(latents.preview(clean)[:: latents.period], HEIGHT, WIDTH)
        found, told = figures_of(self.pipeline, frames, prompt, spans, contrast=True)
        if not found:
            return torch.ones_like(clean[:, :, :1])
        own = torch.stack([_own(found, index, grid) for index in told or range(len(found))]).amax(0)
        return own[None, :, None].to(clean)


def _own(found: Sequence[Region], index: int | None, grid: tuple[int, int, int]) -> Tensor:
    """The share of each cell of a grid that one figure and its margin cover, but for cells of which somebody else
    covers more; or, for None, the cells that show no figure, (f, h, w)."""
    shares = torch.stack([figure.cells(1, grid) for figure in found])
    if index is None:
        return (shares == 0).all(0).float()
    return found[index].grown(MARGIN).cells(1, grid) * (shares[index] == shares.amax(0))
