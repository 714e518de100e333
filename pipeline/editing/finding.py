"""A word's region: the figure that it speaks of, what a detector with masks finds where one is named
(`pipeline.grounding.film`), or what of the picture the model looks at when it reads it.

Letters: F frames, H, W pixels, f latent frames, h, w cells a side, P patches, N video tokens, L text tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Backbone, Conditions
from ..blocks.grids import clip_at_grid
from ..encoders.image import patch_features, to_pixels
from ..errors import ThroughlineError
from ..grounding.film import masks_of
from ..picturebook.localiser import load_localiser
from ..picturebook.renderer import HEIGHT, WIDTH
from .figures import figures
from .region import Region
from .wording import Span, tokens_of

if TYPE_CHECKING:
    from ..story_pipeline import StoryPipeline

LOOK_AT = 0.2  # share of the noise schedule at which a model is asked what it looks at
SURE = 0.5  # of what is looked at most, from which it counts
FIGURE = 1.5  # times as much as the place, from which a word speaks of a figure


@torch.no_grad()
def word_region(pipeline: StoryPipeline, frames: np.ndarray, prompt: str, span: Span) -> Region:
    """Of characters of the prompt of a clip, frames uint8 (F, H, W, 3). Raises ThroughlineError for a word that has no
    tokens."""
    rows = tokens_of(pipeline.text.encode(prompt), span)
    if not rows:
        raise ThroughlineError(f"word is {prompt[slice(*span)]!r}: expected one that the model reads")
    if not _is_picturebook(pipeline):
        masks = masks_of(frames, prompt[slice(*span)])
        if masks is not None:
            return Region(masks.astype(np.float32))
        return looked_at(pipeline.backbone, pipeline.latents.encode(frames), frames.shape[:3], prompt, rows)
    found = people(pipeline, frames)
    if not found:
        return Region.everything(frames.shape[:3])
    own = _spoken_of(pipeline, frames, prompt, rows, found)
    return the_rest(frames.shape[:3], found) if own is None else found[own]


@torch.no_grad()
def figures_of(
    pipeline: StoryPipeline, frames: np.ndarray, prompt: str, spans: Sequence[Span], contrast: bool = False
) -> tuple[tuple[Region, ...], list[int | None]]:
    """The figures in a clip, frames uint8 (F, H, W, 3), and which of them each span of its prompt speaks of: its place
    among them, None for the place that they are in. No figures where nothing knows them. contrast: as `_spoken_of`."""
    found = people(pipeline, frames)
    rows = [tokens_of(pipeline.text.encode(prompt), span) for span in spans] if found else []
    told = [_spoken_of(pipeline, frames, prompt, own, found, contrast) if own else None for own in rows]
    return found, told or [None] * len(spans)


def _spoken_of(
    pipeline: StoryPipeline,
    frames: np.ndarray,
    prompt: str,
    rows: list[int],
    found: Sequence[Region],
    contrast: bool = False,
) -> int | None:
    """Which of the figures tokens of a prompt speak of; None for the place. contrast: not the figure that they look at
    most, but the one that they look at most beside what the whole prompt does, which can dwell on one figure."""
    picture, keyframe = frames[len(frames) // 2], [figure.mask[len(frames) // 2] for figure in found]

    def looks(own: list[int], masks: Sequence[np.ndarray]) -> list[float]:
        attention = _seen(pipeline, picture, prompt, own)
        return [float((attention * mask).sum() / max(mask.sum(), 1)) for mask in masks]

    *found_looks, place = looks(rows, [*keyframe, 1 - np.maximum.reduce(keyframe)])
    if max(found_looks) < FIGURE * place:
        return None
    if contrast and len(found) > 1:
        usual = looks(list(range(len(pipeline.text.encode(prompt)))), keyframe)
        return int(np.argmax(np.array(found_looks) / np.maximum(usual, 1e-12)))
    return int(np.argmax(found_looks))


def people(pipeline: StoryPipeline, frames: np.ndarray) -> tuple[Region, ...]:
    """The figures in a clip, where there is something that knows them: of the picture book's models."""
    size = (HEIGHT, WIDTH)
    if not _is_picturebook(pipeline) or frames.shape[1:3] != size:
        return ()
    return figures(load_localiser(), frames)


def _is_picturebook(pipeline: StoryPipeline) -> bool:
    return pipeline.backbone.name == "picturebook" and pipeline.extractor is not None


def the_rest(shape: tuple[int, int, int], found: tuple[Region, ...]) -> Region:
    """What no figure covers."""
    return Region.everything(shape).without(found)


def _seen(pipeline: StoryPipeline, picture: np.ndarray, prompt: str, rows: list[int]) -> np.ndarray:
    """How much tokens look at every pixel of a picture, by the feature extractor, float32 (H, W)."""
    model, extractor = pipeline.image_encoder, pipeline.extractor
    patches = patch_features(model, to_pixels(picture[None], model.config.image_size).to(model.device, model.dtype))
    tokens = pipeline.text.encode(prompt).hidden[rows].to(extractor.device, extractor.dtype)
    _, maps = extractor.look(tokens, patches[0].to(extractor.dtype))
    side = round(maps.shape[-1] ** 0.5)
    grid = maps.mean(0).reshape(1, 1, side, side).float().cpu()
    return F.interpolate(grid, picture.shape[:2], mode="bilinear")[0, 0].numpy()


class _Looks:
    """Witness: how much the tokens of a clip at a grid (f, h, w) attend to each token of the text, summed over heads
    and blocks, (N, L)."""

    def __init__(self, length: int, grid: tuple[int, int, int]) -> None:
        self.length, self.grid, self.found = length, grid, torch.zeros(())

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        scores = q[0, :, self.length :].float() @ k[0, :, : self.length].float().transpose(-1, -2)
        share = clip_at_grid((scores * q.shape[-1] ** -0.5).softmax(-1).mean(0).T, self.grid).T
        self.found = self.found + (share / share.mean(0, keepdim=True)).log().cpu()


def token_frames(backbone: Backbone, latent_frames: int) -> int:
    """How many frames of tokens latents have: fewer, where a token spans several."""
    transformer = getattr(backbone, "transformer", None)
    size = getattr(transformer.config, "patch_size_t", None) if transformer is not None else None
    return latent_frames // (size or 1)


@torch.no_grad()
def looked_at(backbone: Backbone, clean: Tensor, shape: tuple[int, int, int], prompt: str, rows: list[int]) -> Region:
    """What the generator itself looks at for tokens of a prompt. clean: the clip's latents, (1, f, C, h, w); shape: of
    its frames, (F, H, W)."""
    text, t = backbone.text.encode(prompt).hidden, round(LOOK_AT * backbone.noising.total)
    clean = F.pad(clean, (0, 0) * 3 + (backbone.padding_frames(clean.shape[1]), 0), mode="constant")
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).to(clean)
    grid = clean.shape[3] // backbone.patch, clean.shape[4] // backbone.patch
    witness = _Looks(len(text), (token_frames(backbone, clean.shape[1]), *grid))
    backbone.network([Conditions(text)], witness=witness)(backbone.noising.level(t).noised(clean, noise), t)
    cells = witness.found[:, rows].mean(1).exp().unflatten(0, (-1, *grid))
    times = torch.linspace(0, len(cells) - 1, shape[0]).round().long()
    seen = F.interpolate(cells[times][:, None], shape[1:], mode="bilinear")[:, 0]
    return Region((seen >= SURE * seen.amax()).float().numpy())
