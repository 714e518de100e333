"""Clips longer than a network makes at once: windows over their latent frames, all denoised together, step by step.

Where windows overlap, their predictions are averaged (Bar-Tal et al. 2023, MultiDiffusion; Wang et al. 2023,
Gen-L-Video), and all begin with the same noise (Qiu et al. 2023, FreeNoise). Ours: while looks are decided, all windows
take what their frames have in common from the first one, so that people and places are the same to the end; and the
first one goes by itself alone, so that a scene that gets longer keeps its beginning. Memory for one window at a time.

Letters: B rows, f latent frames, w of a window, C channels, h, w latents a side.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..guidance import Anchor

DECIDED = 0.5  # σ/α below which looks are decided
Predict = Callable[[Tensor, Tensor, Anchor | None], Tensor]  # (z, timesteps (B, f) or (B), anchor) -> v


def starts(frames: int, window: int) -> list[int]:
    """Where the windows over so many latent frames begin; neighbours share two fifths or more."""
    stride = max(1, window * 3 // 5)
    return [*range(0, frames - window, stride), max(0, frames - window)]


def repeated(noise: Tensor, frames: int) -> Tensor:
    """The noise of a window (1, w, C, h, w) over so many latent frames."""
    return noise[:, torch.arange(frames) % noise.shape[1]]


def over_windows(
    predict: Predict, z: Tensor, times: Tensor, alpha_bar: Tensor, anchor: Anchor | None, w: int
) -> Tensor:
    """v of latents (B, f, C, h, w), f > w. times: int64 (B, f), alpha_bar (B, f): ᾱ there. anchor: see `Network`; it
    counts in windows that show frames that are known."""
    frames, weights = z.shape[1], _weights(w).to(z.device)
    total, shares = torch.zeros_like(z, dtype=torch.float32), torch.zeros(frames, device=z.device)
    first, common = total, total
    for start in starts(frames, w):
        own = slice(start, start + w)
        seen = anchor and anchor.within(own)
        when = times[:, own] if seen else times[:, start]  # one for all, as of a clip that is made at once
        v = predict(z[:, own], when, seen)
        a, s = (x[:, own, None, None, None].sqrt() for x in (alpha_bar, 1 - alpha_bar))
        mean = (a * z[:, own] - s * v).mean(1, keepdim=True)
        if start == 0:
            first, common = v, mean
        elif seen is None and float((s / a.clamp(min=1e-6)).max()) > DECIDED:
            v = v + (mean - common) / s
        total[:, own] += weights[:, None, None, None] * v
        shares[own] += weights
    averaged = total / shares[:, None, None, None]
    return torch.cat([first, averaged[:, w:]], dim=1)


def _weights(w: int) -> Tensor:
    """How much each latent frame of a window counts: most in its middle."""
    place = torch.arange(w)
    return torch.minimum(place + 1, w - place).float()
