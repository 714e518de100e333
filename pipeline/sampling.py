"""How noise is mixed into latents, and the samplers that take it out: DDIM for v-prediction, and those of stock
checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from diffusers import CogVideoXDDIMScheduler, CogVideoXDPMScheduler
from torch import Tensor

Scheduler: TypeAlias = CogVideoXDDIMScheduler | CogVideoXDPMScheduler
Timestep: TypeAlias = float  # a whole number wherever noise levels are a table


@dataclass(frozen=True)
class NoiseLevel:
    """Noisy latents are z = α x + σ ε; what a network predicts there, v, tells the clean ones: x = keep z - σ v."""

    alpha: Tensor
    sigma: Tensor
    keep: Tensor
    alpha_bar: Tensor  # α² / (α² + σ²)

    def noised(self, latents: Tensor, noise: Tensor) -> Tensor:
        return self.alpha * latents + self.sigma * noise

    def clean(self, z: Tensor, v: Tensor) -> Tensor:
        return self.keep * z - self.sigma * v


class Noising(Protocol):
    """The noise levels that a model was trained on."""

    total: int  # timesteps; the last one is the noisiest

    def level(self, t: Timestep) -> NoiseLevel: ...


@dataclass(frozen=True)
class VariancePreserving:
    """α² + σ² = 1, and v = α ε - σ x (Salimans and Ho 2022). alpha_bars: ᾱ = α² of every timestep."""

    alpha_bars: Tensor

    @property
    def total(self) -> int:
        return len(self.alpha_bars)

    def level(self, t: Timestep) -> NoiseLevel:
        alpha_bar = self.alpha_bars[int(t)].float()
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        return NoiseLevel(alpha, sigma, alpha, alpha_bar)


@dataclass(frozen=True)
class FlowMatching:
    """α + σ = 1, and v = ε - x (Lipman et al. 2023; Liu et al. 2023); σ = t / total."""

    total: int

    def level(self, t: Timestep) -> NoiseLevel:
        sigma = torch.tensor(t / self.total)
        alpha = 1 - sigma
        return NoiseLevel(alpha, sigma, torch.tensor(1.0), alpha.square() / (alpha.square() + sigma.square()))


class Sampler(Protocol):
    """The steps of one clip, in order."""

    timesteps: Sequence[Timestep]

    def step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """From step `index` to the next: (the next z, the estimate of the clean latents)."""


class TrailingDdim:
    """`ddim_step` over `trailing_timesteps`, with the noise schedule of a scheduler."""

    def __init__(self, scheduler: Scheduler, steps: int, eta: float = 0.0) -> None:
        self.timesteps: Sequence[Timestep] = trailing_timesteps(steps, scheduler.config.num_train_timesteps)
        levels = VariancePreserving(scheduler.alphas_cumprod)
        self.alpha_bars = [levels.level(t).alpha_bar for t in self.timesteps] + [torch.tensor(1.0)]
        self.eta = eta

    def step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return ddim_step(v, z, self.alpha_bars[index], self.alpha_bars[index + 1], self.eta, generator)


class StockSampler:
    """The scheduler that a stock checkpoint comes with, step by step as the stock pipeline uses it: one that says next
    to the next z what it takes for the clean latents."""

    def __init__(self, scheduler: Any, steps: int, **spacing: Any) -> None:
        """spacing: what else the scheduler is told of its steps."""
        self.scheduler = type(scheduler).from_config(scheduler.config)  # it has a state, one a clip
        self.scheduler.set_timesteps(steps, **spacing)
        self.timesteps: Sequence[Timestep] = self.scheduler.timesteps.tolist()

    def step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        z, clean = self._step(index, v, z, generator)
        last = index + 1 == len(self.timesteps)
        return z, z if last else clean  # some numbers of steps end a little short of the clean latents

    def _step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.scheduler.step(v, self.timesteps[index], z, return_dict=False)  # type: ignore[no-any-return]


class DpmSampler(StockSampler):
    """`CogVideoXDPMScheduler`, which is also told its last estimate, and adds noise at every step."""

    _before: Tensor | None = None  # the last estimate

    def _step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        t, back = self.timesteps[index], self.timesteps[index - 1] if index else None
        z, clean = self.scheduler.step(v, self._before, t, back, z, generator=generator, return_dict=False)
        self._before = clean
        return z, clean


class FlowSampler(StockSampler):
    """A scheduler of diffusers for flow matching, over its own noise levels."""

    def _step(self, index: int, v: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        clean = z - self.scheduler.sigmas[index].to(z.device) * v
        if index == 0:
            self.scheduler.set_begin_index(0)  # as stock pipelines do: timesteps may occur twice
        return self.scheduler.step(v, self.scheduler.timesteps[index], z, return_dict=False)[0], clean


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
