"""Trains the convolutional decoder that sharpens what the linear autoencoder and the generator blur.

A third of the latents are encoded from rendered clips. The others are the generator's own: a clip's latents are noised
a part of the way and denoised with the true prompt, so that blur and flicker are real and the truth is known.
Regression alone draws the mean of what may be there. So in the second half of the training a critic of patches in space
and time (Isola et al. 2017, with the hinge loss and spectral normalisation of Miyato et al. 2018) tells rendered
windows from decoded ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...autoencoder import FRAMES, AutoencoderLinearVideo, scaled_latents
from ...picturebook import captions, renderer
from ...story_pipeline import StoryPipeline
from ..critic import Critic
from ..dataset.shards import story_of
from ..frames import to_video
from ..loop import Losses, Recipe, device_of, half_precision
from .finish.upscaler import redrawn
from .vae import psnr, render_clips

REGRESSION = Recipe("sharpener", 4500, 1e-3, 6, warmup=100, decay=0.3, average=0.998, adam_names=("",))
RECIPE = Recipe("sharpener-judged", 10000, 7e-4, 6, warmup=200, decay=1.0, average=0.998, adam_names=("",))
CHANNELS = 32
LATENT_NOISE = 0.05  # of unit spread, on encoded latents: generated ones are never quite right
STORIES = range(500_000, 500_200)  # seeds of the stories whose clips it learns from
DRAWN_AGAIN = 2  # times a clip is redrawn by the generator, from noise levels of its own
SIDE, SPAN = 4, 3  # of a window: latents a side, latent frames
ACTORS = 0.75  # share of the windows around an actor
EDGES = 0.5  # weight of the error of differences between neighbouring pixels
BORDERS = 1.0  # weight of the error of what changes from one latent frame to the next, beside the critic
CRITIC = 0.03  # weight of what the critic says


@dataclass(frozen=True, eq=False)
class Examples:
    """frames: uint8 (N, F, H, W, 3); latents: float16 (N, 1 + DRAWN_AGAIN, f, C, h, w), encoded and redrawn, scaled;
    actors: bool (N, f, h, w), which latents show an actor."""

    frames: np.ndarray
    latents: Tensor
    actors: Tensor


@torch.inference_mode()
def make_examples(pipeline: StoryPipeline, seeds: range) -> Examples:
    """Of all scenes of training stories with these seeds."""
    frames, latents, actors = [], [], []
    for seed in seeds:
        story = story_of(seed)
        for index, (scene, caption) in enumerate(zip(story.scenes, captions.story_captions(story), strict=True)):
            clip = renderer.render(scene)
            assert clip.masks is not None
            own = scaled_latents(pipeline.vae, to_video(clip.frames[None]))
            first = (len(story.scenes) * seed + index) * DRAWN_AGAIN
            again = [redrawn(pipeline, own, caption.text, first + i) for i in range(DRAWN_AGAIN)]
            frames.append(clip.frames)
            latents.append(torch.cat([own, *again]).half())
            actors.append(_shown(torch.from_numpy(clip.masks > 0), pipeline.vae.config.patch_size))
    return Examples(np.stack(frames), torch.stack(latents), torch.stack(actors))


def _shown(masks: Tensor, patch: int) -> Tensor:
    """Masks bool (F, H, W) to bool (f, h, w): which latents show any of it."""
    of_frames = F.max_pool2d(masks.float()[:, None], patch)[:, 0]
    return torch.cat([of_frames[:1].expand(FRAMES - 1, -1, -1), of_frames]).unflatten(0, (-1, FRAMES)).amax(1) > 0


def with_sharpener(linear: AutoencoderLinearVideo) -> AutoencoderLinearVideo:
    """The same autoencoder with an untrained sharpener; only that is trained."""
    model = AutoencoderLinearVideo(**{**linear.config, "sharpen_channels": CHANNELS})
    own = {name: value for name, value in linear.state_dict().items() if not name.startswith("sharpener.")}
    model.load_state_dict(own, strict=False)
    model.requires_grad_(False)
    model.sharpener.requires_grad_(True)
    return model


class SharpenerTrainer(nn.Module):
    """The autoencoder and its critic, which learn side by side."""

    def __init__(self, model: AutoencoderLinearVideo) -> None:
        super().__init__()
        self.model = model
        self.critic = Critic(3 * 3 * FRAMES * SPAN, ((64, 5, 2), (128, 5, 2), (128, 3, 1)))


def make_losses(
    trainer: SharpenerTrainer, examples: Examples, batch_size: int, *, judged: bool
) -> Callable[[torch.Generator], Losses]:
    """Of windows: the absolute error and the squared one, and that of the differences between neighbouring pixels.
    judged: also what the critic says, and the critic's own error."""
    device, model = device_of(trainer), trainer.model

    def losses(generator: torch.Generator) -> Losses:
        latents, video = (x.to(device) for x in draw_windows(examples, batch_size, generator))
        unscaled = latents.transpose(1, 2) / model.config.scaling_factor
        linear = model.decode_all(unscaled, sharpen=False)
        with half_precision(device):
            made = model.decode_all(unscaled).float()
        absolute, squared = F.l1_loss(made, video), F.mse_loss(made, video)
        edges = F.l1_loss(made.diff(dim=-1), video.diff(dim=-1)) + F.l1_loss(made.diff(dim=-2), video.diff(dim=-2))
        borders = F.l1_loss(_over_borders(made), _over_borders(video))
        loss, wrong = absolute + squared + EDGES * edges, torch.zeros((), device=device)
        if judged:
            with half_precision(device):
                wrong = trainer.critic.error(seen_by_critic(video, linear), seen_by_critic(made, linear))
                loss = loss + BORDERS * borders - CRITIC * trainer.critic.verdict(seen_by_critic(made, linear)) + wrong
        psnr = -10 * (squared / 4).log10()
        return {"loss": loss, "absolute": absolute, "edges": edges, "borders": borders, "critic": wrong, "psnr": psnr}

    return losses


def seen_by_critic(video: Tensor, linear: Tensor) -> Tensor:
    """What the critic sees of windows, (B, 3, 4 SPAN, H, W) each: their frames, how these change and what the linear
    decoder says, all as channels."""
    return torch.cat([video, linear, video.diff(dim=2, prepend=video[:, :, :1])], dim=1).flatten(1, 2)


def _over_borders(video: Tensor) -> Tensor:
    """What changes from the last frame of each latent to the first one of the next."""
    return video[:, :, FRAMES::FRAMES] - video[:, :, FRAMES - 1 : -1 : FRAMES]


def draw_windows(examples: Examples, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Latents (count, SPAN, C, SIDE, SIDE) and their truth (count, 3, 4 SPAN, p SIDE, p SIDE) in -1..1; in the first
    latent frame of a clip the first frame stands four times, as it does for the autoencoder."""
    latents, video = [], []
    n, kinds, f, _, h, _ = examples.latents.shape
    patch = examples.frames.shape[2] // h
    for _ in range(count):
        clip, kind, first = (int(torch.randint(k, (), generator=generator)) for k in (n, kinds, f - SPAN + 1))
        row, column = _corner(examples.actors[clip, first : first + SPAN].any(0), generator)
        window = examples.latents[clip, kind, first : first + SPAN, :, row : row + SIDE, column : column + SIDE].float()
        noise = LATENT_NOISE * torch.randn(window.shape, generator=generator)
        latents.append(window + noise if kind == 0 else window)
        times = (torch.arange(FRAMES * first, FRAMES * (first + SPAN)) - FRAMES + 1).clamp(min=0).numpy()
        rows, columns = (slice(patch * corner, patch * (corner + SIDE)) for corner in (row, column))
        video.append(to_video(examples.frames[clip, times, rows, columns][None])[0])
    return torch.stack(latents), torch.stack(video)


def _corner(actors: Tensor, generator: torch.Generator) -> tuple[int, int]:
    """Of a window around a latent that shows an actor, or anywhere. actors: bool (h, w)."""
    h, w = actors.shape
    row, column = (int(torch.randint(n - SIDE + 1, (), generator=generator)) for n in (h, w))
    places = actors.nonzero()
    if len(places) and float(torch.rand((), generator=generator)) < ACTORS:
        y, x = places[int(torch.randint(len(places), (), generator=generator))].tolist()
        up, left = (SIDE // 2 - int(torch.randint(2, (), generator=generator)) for _ in range(2))
        row, column = min(max(y - up, 0), h - SIDE), min(max(x - left, 0), w - SIDE)
    return row, column


@torch.no_grad()
def held_out_psnr(model: AutoencoderLinearVideo, seeds: range) -> float:
    """dB over the clips of training-like stories with these seeds, encoded and decoded; lower seeds than STORIES are
    other stories."""
    clips = to_video(render_clips(seeds)).to(device_of(model))
    rebuilt = torch.cat([model.decode(model.encode(part).latent_dist.mode()).sample for part in clips.split(4)])
    return psnr(rebuilt.clamp(-1, 1), clips)
