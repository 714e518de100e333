"""Trains the image model on frames of the picture book, and then temporal layers between its own on clips.

The image model is the generator with an adapter (LoRA, Hu et al. 2021), taught on single frames. It is frozen while the
layers learn, so that without them it stays what it is (Blattmann et al. 2023).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig
from torch import Tensor

from ...adapters.files import Adapter
from ...adapters.layers import spatial_layers
from ...autoencoder import AutoencoderLinearVideo, scaled_latents
from ...encoders.text import TextEncoder
from ...guidance import make_preconditioning
from ...moving.layers import TemporalLayers
from ...moving.pictures import LEARNT, FrameModel, noise_of
from ...picturebook import renderer, world
from ...picturebook.captions import story_captions
from ...transformer import StoryTransformer3DModel
from ..dataset.picturebook_set import encode_captions
from ..frames import to_video
from ..loop import Losses, Recipe, device_of, half_precision
from .generator import TEXT_DROP, empty_text, latent_weights, new_scheduler

IMAGE_RECIPE = Recipe("image-model", 800, 1e-3, 24, warmup=20, decay=0.5, average=0.98, adam_names=("",))
LAYERS_RECIPE = Recipe("temporal-layers", 6200, 2e-3, 4, warmup=50, decay=0.5, average=0.99, adam_names=("",))
STORIES = 200_000  # seeds of the stories whose scenes they learn from
FRAMES = 9  # of a clip, one after the other: about a second
NAME, RANK = "image", 8  # of the adapter


@dataclass(frozen=True, eq=False)
class Batch:
    """B clips of F frames that follow one another."""

    frames: np.ndarray  # uint8 (B, F, H, W, 3)
    actors: np.ndarray  # float32 (B, F, h, w), how much of each latent an actor covers
    captions: list[str]


def draw(rng: random.Random, count: int, frames: int, unit: int) -> Batch:
    """Some frames of drawn scenes, with captions. unit: pixels a side of a latent."""
    pictures, actors, captions = [], [], []
    for _ in range(count):
        story = world.training_story(rng.randrange(STORIES))
        place = rng.randrange(len(story.scenes))
        begin = rng.randrange(renderer.NUM_FRAMES - frames + 1)
        clip = renderer.render(story.scenes[place], frames=range(begin, begin + frames))
        assert clip.masks is not None, "drawn with masks"
        pictures.append(clip.frames)
        height, width = (side // unit for side in clip.masks.shape[1:])
        covered = (clip.masks > 0).reshape(frames, height, unit, width, unit)
        actors.append(covered.mean((2, 4), dtype=np.float32))
        captions.append(story_captions(story)[place].text)
    return Batch(np.stack(pictures), np.stack(actors), captions)


def with_adapter(network: StoryTransformer3DModel) -> StoryTransformer3DModel:
    """The network with an untrained adapter, which alone is to learn."""
    layers = spatial_layers(network)
    network.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=layers), NAME)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(f".{NAME}." in name)
    return network


def write_adapter(network: StoryTransformer3DModel, path: Path) -> None:
    """What `with_adapter` put on, in half precision."""
    own = {name: p for name, p in network.named_parameters() if f".{NAME}." in name}
    weights = {name.replace(f".{NAME}.", "."): p.detach().half().cpu() for name, p in own.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Adapter(weights, {"name": NAME, "rank": RANK}).to_bytes())


def make_losses(
    network: StoryTransformer3DModel, vae: AutoencoderLinearVideo, layers: TemporalLayers | None, batch_size: int
) -> Callable[[torch.Generator], Losses]:
    """The squared error of v, weighted as for the generator: of single frames, or with layers of clips."""
    device, frames = device_of(network), FRAMES if layers else 1
    precondition = make_preconditioning(vae.config.latents_std, vae.config.latents_motion_std)
    model, bars = FrameModel(network, precondition, layers), new_scheduler().alphas_cumprod.float()
    encoder, nothing = TextEncoder.minilm(), empty_text()

    def losses(generator: torch.Generator) -> Losses:
        rng = random.Random(int(torch.randint(2**31, (), generator=generator)))
        batch = draw(rng, batch_size, frames, vae.config.patch_size)
        with torch.no_grad():
            pictures = to_video(batch.frames.reshape(-1, 1, *batch.frames.shape[2:])).to(device)
            clean = scaled_latents(vae, pictures)[:, 0].unflatten(0, (-1, frames))  # (B, F, C, h, w)
        noise = noise_of(batch_size, frames, clean.shape[2:], generator, LEARNT).to(device)
        t = torch.randint(len(bars), (batch_size,), generator=generator)
        bar = bars[t].to(device)
        a, s = (x.sqrt()[:, None, None, None, None] for x in (bar, 1 - bar))
        text, mask = _words(encoder, batch.captions, nothing, generator)
        with half_precision(device):
            v = model(a * clean + s * noise, t.to(device), bar, text.to(device), mask.to(device))
        squares = (v.float() - (a * noise - s * clean)).square().mean(2)
        loss = (squares * latent_weights(torch.from_numpy(batch.actors).to(device))).mean()
        found = {"loss": loss, "v": squares.mean()}
        return found | ({"alpha": layers.alphas().mean()} if layers else {})

    return losses


def _words(
    encoder: TextEncoder, captions: list[str], nothing: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Encoded captions, float32 (B, L, t), some of them dropped, and which tokens are there, bool (B, L)."""
    hidden, lengths = encode_captions(encoder, captions)
    silent = torch.rand(len(captions), generator=generator) < TEXT_DROP
    text, lengths = hidden.float(), torch.where(silent, len(nothing), lengths)
    text[silent, : len(nothing)] = nothing
    longest = int(lengths.max())
    return text[:, :longest], torch.arange(longest) < lengths[:, None]
