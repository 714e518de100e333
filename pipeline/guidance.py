"""Classifier-free guidance with two weights, and the preconditioning of the denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from .defaults import HISTORY, TEXT
from .errors import ThroughlineError

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class Guidance:
    """How strongly a scene follows its words, its memory and the frames that it begins with.

    ε = ε(z, H, P⁻) + w1 (ε(z, H, P⁺) − ε(z, H, P⁻)) + w2 (ε(z, H, P⁺) − ε(z, ∅, P⁺)) + s (ε(z, H, P⁺) − ε(z', H, P⁺))

    with z' the latents z whose known frames are as noisy as the others (context guidance, Blattmann et al. 2023; noised
    rather than left out, Song et al. 2025, arXiv 2502.06764).
    """

    text: float = TEXT  # w1; 1 does without the negative prompt
    history: float = HISTORY  # w2; 0 does without the branch that has no history
    start: float = 0.0  # guided from this share of the steps ...
    end: float = 1.0  # ... to this one; outside the window only ε(z, H, P⁺) is computed
    schedule: str = "constant"  # "cosine": both weights rise from none to full over the steps (dynamic guidance)
    context: float = 0.0  # s; 0 does without the branch that does not know how the clip begins

    def __post_init__(self) -> None:
        for name, value in (("text", self.text), ("history", self.history), ("context", self.context)):
            if not (math.isfinite(value) and 0 <= value <= 30):
                raise ThroughlineError(f"guidance weight {name} is {value}: expected a number from 0 to 30")
        if not 0 <= self.start <= self.end <= 1:
            raise ThroughlineError(
                f"guidance window is {self.start} to {self.end}: expected shares 0 <= start <= end <= 1"
            )
        if self.schedule not in SCHEDULES:
            raise ThroughlineError(f"guidance schedule is {self.schedule!r}: expected one of {', '.join(SCHEDULES)}")

    def weights(self, index: int, total: int) -> tuple[float, float]:
        """(w1, w2) at step `index` of `total` (the index of the step, not its timestep)."""
        if not self.start <= index / total < max(self.end, 1e-9) and not (self.end == 1 and index == total - 1):
            return 1.0, 0.0
        if self.schedule == "constant":
            return self.text, self.history
        rise = (1 - math.cos(math.pi * (index + 1) / total)) / 2
        return 1 + (self.text - 1) * rise, self.history * rise


class SubjectGuidance(NamedTuple):
    """How strongly a taught subject is followed: a in ε + a m (ε_T(z, H, P⁺) − ε(z, H, P⁺)), with T the network that
    was taught and ε, of the other branches, from the one that was not (as the autoguidance of Karras et al. 2024, arXiv
    2406.02507, goes away from a network that knows less). m is 1 where the clip, as it is taken to be at that step,
    shows the subject, else 0: nobody else is pulled. Not at all before it can be told where that is; stronger while
    looks are decided, for later it would show as noise."""

    looks: float  # a from σ/α = `seen` to `decided`
    finish: float  # a from there on
    decided: float
    seen: float = math.inf

    def at(self, alpha: float, sigma: float) -> float:
        if sigma > self.seen * alpha:
            return 0.0
        return self.looks if sigma > self.decided * alpha else self.finish


def branches(w1: float, w2: float, has_history: bool, s: float = 0.0) -> tuple[str, ...]:
    """The predictions that a step needs: "negative" ε(z, H, P⁻), "full" ε(z, H, P⁺), "forgetful" ε(z, ∅, P⁺),
    "unbegun" ε(z', H, P⁺). s: of a clip that begins with known frames, else 0."""
    needed = {"negative": w1 != 1, "forgetful": w2 != 0 and has_history, "unbegun": s != 0}
    needed["full"] = w1 != 0 or needed["forgetful"] or needed["unbegun"]
    return tuple(name for name in ("negative", "full", "forgetful", "unbegun") if needed[name])


def guide(predictions: dict[str, Tensor], w1: float, w2: float, s: float = 0.0) -> Tensor:
    """The guided prediction from those that `branches` names; the weights multiply v as they would ε (both are
    linear)."""
    if "full" not in predictions:
        return predictions["negative"]
    full = predictions["full"]
    guided = full if w1 == 1 else predictions["negative"] + w1 * (full - predictions["negative"])
    if "forgetful" in predictions:
        guided = guided + w2 * (full - predictions["forgetful"])
    return guided + s * (full - predictions["unbegun"]) if "unbegun" in predictions else guided


class Anchor(NamedTuple):
    """What clips go on from: latents (B, f, C, h, w), of which the frames are known that `known`, bool (B, f), names:
    some with which a clip begins, the one with which it ends, or both."""

    latents: Tensor
    known: Tensor

    @property
    def rows(self) -> Tensor:
        """Which clips have known frames, bool (B)."""
        return self.known.any(1)

    @property
    def frame(self) -> Tensor:
        """The last frame of what each clip begins with, or its end where only that is known, (B, 1, C, h, w)."""
        begun = self.known.long().cumprod(1).sum(1)
        return self.latents[torch.arange(len(begun), device=begun.device), begun - 1][:, None]

    def within(self, frames: slice) -> Anchor | None:
        """What a window sees of it; None if none of its frames is known."""
        own = Anchor(self.latents[:, frames], self.known[:, frames])
        return own if bool(own.known.any()) else None


@dataclass(frozen=True)
class Preconditioning:
    """The denoiser's view of latents whose channels differ widely in spread (after Karras et al. 2022, section 5).

    The network predicts, in units of its own spread, what a simple denoiser c z leaves of the clean latents x:
    x = c z - o F(in z), hence v = (α z - x) / σ = skip z + out F(in z), with z = α x + σ ε. The simple denoiser is
    Wiener's for a spread of TRUST s: fine components are nearly always zero, so it lets them through only where they
    stand well above the noise, and the network need not carry noise from its input to its output to cancel it.

    A clip with a known latent frame k is denoised as what changes since (or until): u = x - k is noisy in z - α k, it
    has twice the variance of the deviations, and v = v(u) - σ k. What does not move is as it was without a doubt.

    What a clip's latents have in common over time and how each deviates from that are denoised apart, by the spreads s
    and m: most of a picture stands still, and an error that changes from latent to latent is seen as flicker.

    std: float (C), the spreads s, or None for a network that predicts v outright, as pretrained ones do.
    motion_std: float (C), the spreads m of deviations from a clip's mean over time; None for no such distinction.
    """

    TRUST: ClassVar[float] = 0.25

    std: Tensor | None
    motion_std: Tensor | None = None

    def coefficients(self, alpha_bar: Tensor, std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(in, skip, out) for latents of spread `std` (C), each (B, 1, C, 1, 1) at ᾱ = α² (B), (B, f, C, 1, 1) at ᾱ
        (B, f)."""
        variance = std.square()
        a = alpha_bar.float().clamp(max=1 - 1e-5).reshape(len(alpha_bar), -1, 1)
        alpha, sigma = a.sqrt(), (1 - a).sqrt()
        trusted = self.TRUST**2 * variance
        c = alpha * trusted / (a * trusted + 1 - a)
        left = (variance * (1 - alpha * c).square() + c.square() * (1 - a)).sqrt()
        into = (a * variance + 1 - a).rsqrt()
        return tuple(x[..., None, None] for x in (into, (alpha - c) / sigma, left / sigma))  # type: ignore

    def __call__(
        self, network: Callable[[Tensor], Tensor], z: Tensor, alpha_bar: Tensor, anchor: Anchor | None = None
    ) -> Tensor:
        """v for noisy latents z (B, f, C, h, w); `network` is F. alpha_bar: ᾱ (B), or (B, f) where latent frames are
        noisy to different degrees; each then counts in what they have in common by the variance of its noise, so that
        frames that are known do not stand for those that are made."""
        if self.std is None:
            return network(z)
        into, skip, out = self.coefficients(alpha_bar, self.std.to(z.device))
        predicted = network(into * z).float()
        if self.motion_std is None:
            return skip * z + out * predicted
        _, skip_motion, out_motion = self.coefficients(alpha_bar, self.motion_std.to(z.device))
        still, still_predicted = _common(z, alpha_bar), _common(predicted, alpha_bar)
        v = skip * still + out * still_predicted
        v = v + skip_motion * (z - still) + out_motion * (predicted - still_predicted)
        return v if anchor is None else self._going_on(v, predicted, z, alpha_bar, anchor)

    def _going_on(self, v: Tensor, predicted: Tensor, z: Tensor, alpha_bar: Tensor, anchor: Anchor) -> Tensor:
        """v, but in the rows of the anchor by what changes since. alpha_bar: ᾱ (B, f)."""
        assert self.motion_std is not None
        a, known = alpha_bar.float()[..., None, None, None], anchor.frame.to(z)
        _, skip, out = self.coefficients(alpha_bar, 2**0.5 * self.motion_std.to(z.device))
        changed = skip * (z - a.sqrt() * known) + out * predicted - (1 - a).sqrt() * known
        return torch.where(anchor.rows.to(z.device)[:, None, None, None, None], changed, v)


def _common(x: Tensor, alpha_bar: Tensor) -> Tensor:
    """The mean over time of x (B, f, C, h, w), (B, 1, C, h, w)."""
    if alpha_bar.ndim == 1:
        return x.mean(1, keepdim=True)
    weights = 1 - alpha_bar.float()
    weights = (weights / weights.sum(1, keepdim=True).clamp(min=1e-8))[..., None, None, None]
    return (weights * x).sum(1, keepdim=True)


def make_preconditioning(
    latents_std: list[float] | None, latents_motion_std: list[float] | None = None
) -> Preconditioning:
    """From what the configuration of an autoencoder says."""
    return Preconditioning(
        *(None if spreads is None else torch.tensor(spreads) for spreads in (latents_std, latents_motion_std))
    )
