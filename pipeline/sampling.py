"""The samplers: DDIM for v-prediction, and those of stock checkpoints."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import torch
from diffusers import CogVideoXDDIMScheduler, CogVideoXDPMScheduler
from torch import Tensor

Scheduler: TypeAlias = CogVideoXDDIMScheduler | CogVideoXDPMScheduler


class Sampler(Protocol):
    """The steps of one clip, in order."""

    timesteps: list[int]
    alpha_bars: list[Tensor]  # ᾱ of each step

    def step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """From step `index` to the next: (the next z, the estimate of the clean latents)."""


class TrailingDdim:
    """`ddim_step` over `trailing_timesteps`, with the noise schedule of a scheduler."""

    def __init__(self, scheduler: Scheduler, steps: int, eta: float = 0.0) -> None:
        self.timesteps = trailing_timesteps(steps, scheduler.config.num_train_timesteps)
        self.alpha_bars = [scheduler.alphas_cumprod[t].float() for t in self.timesteps] + [torch.tensor(1.0)]
        self.eta = eta

    def step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return ddim_step(v, z, self.alpha_bars[index], self.alpha_bars[index + 1], self.eta, generator)


class StockSampler:
    """The scheduler that a stock checkpoint comes with, step by step as the stock pipeline uses it.

    It has no eta: CogVideoXDDIMScheduler ignores it, CogVideoXDPMScheduler always adds noise.
    """

    def __init__(self, scheduler: Scheduler, steps: int) -> None:
        self.scheduler = type(scheduler).from_config(scheduler.config)  # it has a state, one a clip
        self.scheduler.set_timesteps(steps)
        self.timesteps = self.scheduler.timesteps.tolist()
        self.alpha_bars = [self.scheduler.alphas_cumprod[t].float() for t in self.timesteps]
        self._before: Tensor | None = None  # the last estimate, for the DPM solver's second order

    def step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        t, last = self.timesteps[index], index + 1 == len(self.timesteps)
        if isinstance(self.scheduler, CogVideoXDDIMScheduler):
            z, clean = self.scheduler.step(v, t, z, return_dict=False)
        else:
            back = self.timesteps[index - 1] if index else None
            z, clean = self.scheduler.step(v, self._before, t, back, z, generator=generator, return_dict=False)
            self._before = clean
        return z, z if last else clean  # some numbers of steps end a little short of the clean latents


def ddim_step(
    v: Tensor,
    z: Tensor,
    alpha_bar: Tensor,
    alpha_bar_next: Tensor,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of DDIM (Song et al. 2021, eq. 12) from ᾱ to the next, less noisy, ᾱ' with v-prediction (Salimans and
    Ho 2022).

    Gives (the next z, the estimate of the clean latents). eta = 0 is deterministic; eta = 1 adds the noise of DDPM.
    """
    a, s = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    x, noise = a * z - s * v, s * z + a * v
    variance = eta**2 * (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
    z = alpha_bar_next.sqrt() * x + (1 - alpha_bar_next - variance).clamp(min=0).sqrt() * noise
    if eta > 0:
        fresh = torch.randn(z.shape, generator=generator, dtype=torch.float32).to(z.device, z.dtype)
        z = z + variance.sqrt() * fresh
    return z, x


def trailing_timesteps(steps: int, total: int) -> list[int]:
    """`steps` timesteps from the noisiest, total - 1, downwards, evenly spaced (Lin et al. 2024, "trailing")."""
    return [round(total - i * total / steps) - 1 for i in range(steps)]
