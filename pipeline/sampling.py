"""The sampler: DDIM for v-prediction."""

from __future__ import annotations

import torch
from torch import Tensor


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
