"""How noisy the latent frames of a batch are, and which of them are known: drawn for the training of the generator.

Letters: B clips, f latent frames, C channels, h, w latents a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...autoencoder import AutoencoderLinearVideo
from ...guidance import Anchor

LATENT_FRAMES, KEYFRAME_LATENT = 5, 2  # of 17 frames; frames 5 to 8
WINDOWS = 0.25  # share of the batches that see a part of the picture
DECIDING = (1.3, 1.0)  # mean and spread of ln(σ/α) where it is decided who somebody is
KNOWN_FRAMES = (1, 2)  # latent frames that a clip begins with, where some are known: one still, or five frames
KNOWN_NOISE = 20  # timesteps 0 to below this one, of known latent frames
SOFT = (-1.5, 1.0)  # ln(σ/α), drawn evenly, from which a generator estimates frames that are as soft as its own
LARGEST_STAGGER = 250  # timesteps from one latent frame to the next, where later ones are noisier
PERCEPTION_WEIGHT = 4.0
ALIGNMENT_WEIGHT = 0.5


@dataclass(frozen=True)
class Choices:
    """What `pipeline.evaluation.ablations` changes, one at a time."""

    end_to_end: bool = False  # the extractor learns with the generator
    history_noise: bool = True  # half of the remembered keyframes are disturbed
    decoupling: float = 0.0  # weight of `cross_covariance`, which did not make films better
    perception: float = PERCEPTION_WEIGHT
    alignment: float = ALIGNMENT_WEIGHT
    windows: float = WINDOWS
    deciding: float = 0.0  # share of the noise levels that are drawn around DECIDING; the others are drawn evenly
    known: float = 0.0  # share of the clips whose first latent frames are known
    ending: float = 0.0  # share of the clips whose last latent frame is known, the last frame standing still
    soft: float = 0.0  # share of the clips with known frames in which they are as a generator makes them, not as drawn
    castings: float = 0.0  # share of the castings of a clip's actors that it may remember
    staggered: float = 0.0  # share of the clips whose later latent frames are noisier


@dataclass(frozen=True)
class Noised:
    """Latents on their way to noise, all or the part in a window."""

    clean: Tensor  # (B, f, C, h, w)
    noise: Tensor
    t: Tensor  # (B, f)
    alpha_bar: Tensor  # (B, f)
    known: Tensor  # bool (B, f)
    shown: Tensor | None = None  # as `clean`, with known frames as the model sees them; None for as they are

    @property
    def seen(self) -> Tensor:
        """Clean latents with the known frames that the model sees, (B, f, C, h, w)."""
        return self.clean if self.shown is None else self.shown

    @property
    def anchor(self) -> Anchor:
        return Anchor(self.seen, self.known)


def draw_times(t: Tensor, choices: Choices, total: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Timesteps of latent frames from those of clips, t (B), and which frames are known: int64 and bool (B, f)."""
    count = (len(t), 1)
    frame = torch.arange(LATENT_FRAMES)
    kind = torch.rand(count, generator=generator)
    given = torch.randint(KNOWN_FRAMES[0], KNOWN_FRAMES[-1] + 1, count, generator=generator)
    known = (kind < choices.known) & (frame < given)
    if choices.ending:
        known |= (torch.rand(count, generator=generator) < choices.ending) & (frame == LATENT_FRAMES - 1)
    gap = torch.rand(count, generator=generator) * LARGEST_STAGGER * (kind >= 1 - choices.staggered)
    times = (t[:, None] + (gap * (frame - KEYFRAME_LATENT)).long()).clamp(0, total - 1)
    return torch.where(known, torch.randint(KNOWN_NOISE, count, generator=generator), times), known


def draw_soft(choices: Choices, known: Tensor, alpha_bars: Tensor, generator: torch.Generator) -> Tensor:
    """The timesteps from which a generator estimates known frames, int64 (B); 0 for as they are drawn. known: bool (B),
    clips that have some."""
    if not choices.soft:
        return torch.zeros(len(known), dtype=torch.int64)
    low, high = SOFT
    wanted = low + (high - low) * torch.rand(len(known), generator=generator)
    asked = known & (torch.rand(len(known), generator=generator) < choices.soft)
    return torch.where(asked, torch.searchsorted(_levels(alpha_bars), wanted), 0)


def _levels(alpha_bars: Tensor) -> Tensor:
    """ln(σ/α) of all timesteps, rising."""
    return (((1 - alpha_bars) / alpha_bars.clamp(min=1e-8)).log() / 2).contiguous()


def draw_deciding(alpha_bars: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Timesteps, int64 (count), whose ln(σ/α) is normally distributed as DECIDING says. alpha_bars: ᾱ of all."""
    levels = _levels(alpha_bars)
    mean, spread = DECIDING
    wanted = mean + spread * torch.randn(count, generator=generator)
    return torch.searchsorted(levels, wanted.to(levels)).clamp(max=len(levels) - 1)


def with_still_ends(vae: AutoencoderLinearVideo, clean: Tensor, rows: Tensor) -> Tensor:
    """Latents (B, f, C, h, w), in `rows` (bool, B) with the last frame standing still in the last latent frame."""
    pictures = last_frame(vae, clean[:, -1] / vae.config.scaling_factor).movedim(-1, 1)[:, :, None] / 127.5 - 1
    still = vae.encode(pictures).latent_dist.mode()[:, :, 0] * vae.config.scaling_factor
    return torch.cat([clean[:, :-1], torch.where(rows[:, None, None, None], still, clean[:, -1])[:, None]], dim=1)


def last_frame(vae: AutoencoderLinearVideo, latents: Tensor) -> Tensor:
    """The last frame that unscaled latents (B, C, h, w) decode to without sharpening, (B, H, W, 3) in 0..255."""
    x = F.conv_transpose2d(latents, vae.encoder.weight[:, :, -1], stride=vae.encoder.stride[1:])
    x = x + vae.mean[:, -1].repeat(1, *latents.shape[2:])
    return (x.clamp(-1, 1).movedim(1, -1) + 1) * 127.5
