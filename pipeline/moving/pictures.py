"""The picture book's image model: its generator on clips of one latent frame; and moved, by temporal layers.

Every frame of a moving clip is a picture of its own to the image model, with its own noise. What an image model wears,
be it the adapter that made it one or a subject that it was taught, it wears here too.

Letters: B clips, F frames of each, C latent channels, h, w latents a side, L text tokens, t width of the text encoder.

Does not cover: history; frames beyond those that the layers were trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..adapters.wearing import Worn, worn
from ..autoencoder import AutoencoderLinearVideo
from ..backbones.checkpoints import assets_folder, check_component
from ..backbones.picturebook import PicturebookBackbone
from ..backbones.transformer_backbone import fast_on_cpu, padded
from ..blocks.attention import AttentionContext, Tokens
from ..defaults import STEPS, TEXT
from ..encoders.latents import to_frames
from ..errors import ThroughlineError
from ..guidance import Preconditioning, guide
from ..story_pipeline import StoryPipeline
from ..transformer import StoryTransformer3DModel
from .layers import TemporalLayers

FOLDER, IMAGE, LAYERS = "moving", "image.safetensors", "layers"
# Of the variance of a frame's noise, what all frames have in common (Ge et al. 2023, arXiv 2305.10474): the layers
# learn to make frames agree that differ much, and are given such that differ little.
LEARNT, SHARED = 0.5, 0.99
STILL = 3.0  # times the variance of what stands still: of what a latent does in time, no more than that is flicker


def noise_of(
    clips: int, frames: int, shape: Sequence[int], generator: torch.Generator, shared: float = SHARED
) -> Tensor:
    """(B, F, C, h, w), of variance 1. shape: C, h, w."""
    common = torch.randn((clips, 1, *shape), generator=generator)
    own = torch.randn((clips, frames, *shape), generator=generator)
    return shared**0.5 * common + (1 - shared) ** 0.5 * own


@dataclass(frozen=True, eq=False)
class FrameModel:
    """What predicts v of frames. layers: None for the image model. alpha: instead of what the layers learned; at 1 it
    is the image model, bit for bit."""

    network: StoryTransformer3DModel
    precondition: Preconditioning
    layers: TemporalLayers | None = None
    alpha: float | None = None

    def __call__(self, z: Tensor, timestep: Tensor, alpha_bar: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """v, (B, F, C, h, w), of noisy latents of that shape. timestep, alpha_bar: (B). text (B, L, t), mask bool
        (B, L)."""
        frames = z.shape[1]
        text, mask, times, bars = (x.repeat_interleave(frames, 0) for x in (text, mask, timestep, alpha_bar))
        context = AttentionContext(text_mask=mask)

        def run(rows: Tensor) -> Tensor:
            with self._moving(frames):
                found: Tensor = self.network(rows, text, times, context=context).sample
            return self._moved(found, rows, frames)

        return self.precondition(run, z.flatten(0, 1)[:, None], bars)[:, 0].unflatten(0, (-1, frames))

    @contextmanager
    def _moving(self, frames: int) -> Iterator[None]:
        """While it is open, every block of the network is followed by its layer."""
        layers = self.layers
        if layers is None:
            yield
            return
        block = self.network.run_block

        def followed(*args: object) -> Tokens:
            tokens = block(*args)
            return tokens._replace(video=layers.blocks[args[-1]](tokens.video, frames, self.alpha))  # type: ignore

        self.network.run_block = followed
        try:
            yield
        finally:
            self.network.run_block = block

    def _moved(self, found: Tensor, rows: Tensor, frames: int) -> Tensor:
        """What the network says of rows, (B F, 1, C, h, w), after the last layer."""
        if self.layers is None:
            return found
        tokens, beside = (x[:, 0].flatten(2).transpose(1, 2) for x in (found, rows))
        moved = self.layers.last(tokens, frames, self.alpha, beside.to(tokens.dtype))
        return moved.transpose(1, 2).reshape(found.shape)


@dataclass(frozen=True, eq=False)
class MovingPictures:
    """The image model of a pipeline and its temporal layers. image: the adapter that makes the generator one."""

    pipeline: StoryPipeline
    image: Path
    layers: TemporalLayers

    @classmethod
    def of(cls, pipeline: StoryPipeline, folder: Path | None = None) -> MovingPictures:
        """Loads what is in a folder, or what ships. Raises ThroughlineError if it is not there or does not fit."""
        folder = folder or assets_folder() / FOLDER
        if not isinstance(pipeline.backbone, PicturebookBackbone):
            raise ThroughlineError(
                f"model {pipeline.backbone.name} has no image model of its own: expected picturebook"
            )
        if not (folder / IMAGE).is_file():
            raise ThroughlineError(f"no image model in {str(folder)!r}: run python -m pipeline.training image-model")
        check_component(folder / LAYERS)
        layers = TemporalLayers.from_pretrained(folder / LAYERS, local_files_only=True).float().eval()
        wanted = TemporalLayers.between(pipeline.transformer).config
        if any(layers.config[name] != wanted[name] for name in ("num_layers", "width", "channels")):
            raise ThroughlineError(f"the temporal layers in {str(folder)!r} are of another model")
        return cls(pipeline, folder / IMAGE, layers)

    @torch.no_grad()
    def film(
        self,
        prompt: str,
        *,
        seed: int = 0,
        frames: int | None = None,
        steps: int = STEPS,
        text_weight: float = TEXT,
        alpha: float | None = None,
        adapters: Sequence[Worn] = (),
    ) -> np.ndarray:
        """Frames, uint8 (F, H, W, 3). alpha: 1 for pictures that do not hear of one another. adapters: what the image
        model wears beside. Raises ThroughlineError for more frames than the layers know, and as the pipeline does."""
        most = self.layers.config.frames
        frames = most if frames is None else frames
        if not 1 <= frames <= most:
            raise ThroughlineError(f"frames is {frames}: expected 1 to {most}")
        backbone = self.pipeline.backbone
        network, place = self.pipeline.transformer, backbone.where()
        told = {"full": backbone.text.encode(prompt).hidden, "negative": backbone.text.encode("").hidden}
        named = {name: tuple(x.to(place) for x in padded([hidden])) for name, hidden in told.items()}
        shape = (backbone.latents.channels, network.config.sample_height, network.config.sample_width)
        z = noise_of(1, frames, shape, torch.Generator().manual_seed(seed)).to(place)
        precondition = backbone.precondition  # type: ignore[attr-defined]
        model = FrameModel(network, precondition, self.layers.to(place), alpha)
        sampler = backbone.sampler(steps, 0.0)
        with worn(self.pipeline, [Worn(self.image), *adapters]), fast_on_cpu(place, backbone.autocast):
            for index, t in enumerate(sampler.timesteps):
                at = torch.full((1,), int(t), device=place)
                bar = backbone.noising.level(t).alpha_bar.reshape(1).to(place)
                found = {name: model(z, at, bar, *words) for name, words in named.items()}
                z, _ = sampler.step(index, guide(found, text_weight, 0.0), z, torch.Generator())
        return decoded(self.pipeline.vae, z[0] if alpha == 1 else steadied(z[0]))


def steadied(latents: Tensor) -> Tensor:
    """Latents of frames, (F, C, h, w), without the flicker that the layers leave where nothing moves.

    Most of a picture is its place, which stands still, so the median over latents of their variance in time is that of
    the flicker. A latent keeps of its deviations from its mean what is more than STILL times that (as a Wiener filter
    keeps a signal), or as much as a neighbour does.
    """
    mean = latents.mean(0, keepdim=True)
    apart = latents - mean
    variance = apart.square().mean((0, 1))
    kept = (1 - STILL * variance.median() / variance.clamp(min=torch.finfo(variance.dtype).tiny)).clamp(min=0)
    return mean + apart * F.max_pool2d(kept[None, None], 3, 1, 1)[0, 0]


def decoded(vae: AutoencoderLinearVideo, latents: Tensor) -> np.ndarray:
    """Latents of frames, (F, C, h, w), each a picture of its own, to uint8 (F, H, W, 3)."""
    z = (latents.float() / vae.config.scaling_factor)[:, :, None].to(vae.dtype)
    return to_frames(vae.decode(z).sample.transpose(0, 2))
