"""Trains the upscaler: drafts of rendered scenes to what the renderer draws at four times the size.

Half of the drafts are what the autoencoder makes of a rendered clip. The others are the generator's own: the clip's
latents are noised a part of the way and denoised with the true prompt, so that the blur is real and what is shown is
still what is true. Patches are cut where actors are more often than elsewhere, of two frames that follow one another.
Regression draws the mean of what may be there, so in the second half of the training a critic of patches (`critic`)
tells rendered pictures from finished ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....autoencoder import scaled_latents
from ....backbones.base import Conditions
from ....picturebook import captions, renderer, world
from ....sampling import ddim_step
from ....stages.upscaling.enlarging import neighbours
from ....stages.upscaling.network import Upscaler
from ....story_pipeline import StoryPipeline
from ...critic import Critic
from ...frames import to_video
from ...loop import Losses, Recipe, device_of, half_precision

REGRESSION = Recipe("upscaler", 8000, 1e-3, 6, warmup=100, decay=0.5, average=0.998, adam_names=("",))
RECIPE = Recipe("upscaler-judged", 8000, 5e-4, 6, warmup=200, decay=1.0, average=0.998, adam_names=("",))
SCALE, PATCH = 4, 32  # pixels a side of a patch of the draft
STORIES = range(600_000, 600_080)  # seeds of the stories whose scenes it learns from
STEPS, LEAST_NOISE, MOST_NOISE = 4, 0.3, 1.6  # σ/α from which the generator's drafts are denoised
ACTORS = 0.7  # share of the patches that show an actor
EDGES = 0.5  # weight of the error of differences between neighbouring pixels
CHANGES = 0.5  # weight of the error of what changes from frame to frame, which would flicker
CRITIC = 0.03  # weight of what the critic says


@dataclass(frozen=True, eq=False)
class Drafts:
    """low: uint8 (N, 2, F, H, W, 3), rebuilt and generated drafts; high: uint8 (N, F, s H, s W, 3); masks: uint8
    (N, F, H, W), labels of the renderer."""

    low: np.ndarray
    high: np.ndarray
    masks: np.ndarray


def make_drafts(pipeline: StoryPipeline, seeds: range) -> Drafts:
    """Of all scenes of training stories with these seeds."""
    low, high, masks = [], [], []
    for seed in seeds:
        story = world.training_story(seed)
        for scene, caption in zip(story.scenes, captions.story_captions(story), strict=True):
            clip = renderer.render(scene)
            low.append(drafts_of(pipeline, clip.frames, caption.text, seed))
            high.append(renderer.render(scene, masks=False, scale=SCALE).frames)
            assert clip.masks is not None
            masks.append(clip.masks)
    return Drafts(np.stack(low), np.stack(high), np.stack(masks))


@torch.no_grad()
def drafts_of(pipeline: StoryPipeline, frames: np.ndarray, prompt: str, seed: int) -> np.ndarray:
    """A clip, uint8 (F, H, W, 3), rebuilt by the autoencoder and redrawn by the generator: uint8 (2, F, H, W, 3)."""
    latents = scaled_latents(pipeline.vae, to_video(frames[None]))
    return np.stack([pipeline.latents.decode(z) for z in (latents, redrawn(pipeline, latents, prompt, seed))])


def redrawn(pipeline: StoryPipeline, latents: Tensor, prompt: str, seed: int) -> Tensor:
    """Latents (1, f, C, h, w) after the last part of a denoising, from a noise level that `seed` decides."""
    generator = torch.Generator().manual_seed(seed)
    bars, prompted = pipeline.scheduler.alphas_cumprod, Conditions(pipeline.text.encode(prompt).hidden)
    network = pipeline.backbone.network([prompted])
    levels = ((1 - bars) / bars.clamp(min=1e-8)).sqrt()
    level = LEAST_NOISE + (MOST_NOISE - LEAST_NOISE) * float(torch.rand((), generator=generator))
    first = int(torch.searchsorted(levels.contiguous(), level))
    z = bars[first].sqrt() * latents + (1 - bars[first]).sqrt() * torch.randn(latents.shape, generator=generator)
    steps = [round(first * (1 - i / STEPS)) for i in range(STEPS)]
    after = [bars[t].float() for t in steps[1:]] + [torch.tensor(1.0)]
    for t, next_bar in zip(steps, after, strict=True):
        z, _ = ddim_step(network(z.float(), t), z.float(), bars[t].float(), next_bar)
    return z


class UpscalerTrainer(nn.Module):
    """The upscaler and its critic, which learn side by side."""

    def __init__(self, model: Upscaler) -> None:
        super().__init__()
        self.model, self.critic = model, Critic(15, ((48, 5, 2), (96, 5, 2), (128, 5, 2), (128, 3, 1)))


def make_losses(
    trainer: UpscalerTrainer, drafts: Drafts, batch_size: int, *, judged: bool
) -> Callable[[torch.Generator], Losses]:
    """Of pairs of frames: the absolute error, that of the differences between neighbouring pixels, which keeps edges,
    and that of what changes in time. judged: also what the critic says, and the critic's own error."""
    device, model = device_of(trainer), trainer.model

    def losses(generator: torch.Generator) -> Losses:
        low, high = (x.to(device) for x in draw_patches(drafts, batch_size, generator))
        plain = F.interpolate(low[:, :, 3:6].flatten(0, 1), scale_factor=SCALE, mode="bilinear").unflatten(0, (-1, 2))
        with half_precision(device):
            made = model(low.flatten(0, 1)).float().unflatten(0, (-1, 2))
        absolute, edges = F.l1_loss(made, high), _edges_apart(made, high)
        changes, wrong = F.l1_loss(made.diff(dim=1), high.diff(dim=1)), torch.zeros((), device=device)
        loss = absolute + EDGES * edges + CHANGES * changes
        if judged:
            with half_precision(device):
                wrong = trainer.critic.error(seen_by_critic(high, plain), seen_by_critic(made, plain))
                loss = loss - CRITIC * trainer.critic.verdict(seen_by_critic(made, plain)) + wrong
        over_plain = absolute / F.l1_loss(plain, high)
        return {"loss": loss, "absolute": absolute, "changes": changes, "critic": wrong, "over_plain": over_plain}

    return losses


def seen_by_critic(made: Tensor, plain: Tensor) -> Tensor:
    """What the critic sees of pairs of pictures, (B, 2, 3, H, W) each: both, how they differ, and the draft, plainly
    enlarged. (B, 15, H, W)."""
    return torch.cat([made, made.diff(dim=1), plain], dim=1).flatten(1, 2)


def _edges_apart(one: Tensor, other: Tensor) -> Tensor:
    return sum((F.l1_loss(one.diff(dim=d), other.diff(dim=d)) for d in (-1, -2)), start=one.new_zeros(()))


def draw_patches(drafts: Drafts, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Patches of two neighbouring frames of drafts, each between its own neighbours in time, (count, 2, 9, PATCH,
    PATCH), and their truth, (count, 2, 3, s PATCH, s PATCH), both in -1..1."""
    low, high = [], []
    n, frames, height, width = drafts.masks.shape
    for _ in range(count):
        clip, kind, t = (int(torch.randint(k, (), generator=generator)) for k in (n, 2, frames - 1))
        top, left = _corner(drafts.masks[clip, t], height, width, generator)
        rows, columns = slice(top, top + PATCH), slice(left, left + PATCH)
        near = np.clip([t - 1, t, t + 1, t + 2], 0, frames - 1)
        low.append(neighbours(drafts.low[clip, kind, near][:, rows, columns], (1, 2)))
        rows, columns = (slice(SCALE * corner, SCALE * (corner + PATCH)) for corner in (top, left))
        high.append(_signed(drafts.high[clip, t : t + 2, rows, columns]))
    return torch.stack(low), torch.stack(high)


def _corner(mask: np.ndarray, height: int, width: int, generator: torch.Generator) -> tuple[int, int]:
    """Of a patch around a pixel of an actor, or anywhere."""
    top, left = (int(torch.randint(n - PATCH + 1, (), generator=generator)) for n in (height, width))
    places = np.argwhere(mask > 0)
    if len(places) and float(torch.rand((), generator=generator)) < ACTORS:
        y, x = places[int(torch.randint(len(places), (), generator=generator))]
        top, left = (int(np.clip(p - PATCH // 2, 0, n - PATCH)) for p, n in ((y, height), (x, width)))
    return top, left


def _signed(pictures: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in -1..1."""
    return torch.from_numpy(pictures).movedim(-1, 1).float() / 127.5 - 1
