"""The ways from a clip to its edited clip, in latents. What is outside the mask stays as it was.

Letters: f latent frames, C channels, h, w latents a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..sampling import NoiseLevel, Noising, Timestep, VariancePreserving

Predict = Callable[[Tensor, Timestep], Tensor]  # (z, t) -> v, guided
Pair = Callable[[Tensor, Tensor, Timestep], tuple[Tensor, Tensor]]  # (z of source, z of target, t) -> v of both


def ratio(level: NoiseLevel) -> float:
    """σ' = σ / α; infinite in pure noise."""
    return float(level.sigma / level.alpha) if float(level.alpha) > 0 else float("inf")


def noised(
    predict: Predict,
    clean: Tensor,  # (1, f, C, h, w)
    noising: Noising,
    timesteps: Sequence[Timestep],  # from the noisiest down
    mask: Tensor,  # (1, f, 1, h, w)
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """From the noised clip, which outside the mask takes its place again after every step (Meng et al. 2022, SDEdit).
    Yields what the clean latents are taken for after each timestep."""
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    levels = [noising.level(t) for t in timesteps]
    known = [level.noised(clean, noise) for level in levels] + [clean]
    return _sampled(predict, levels, timesteps, known, mask)


def beside(
    predict: Predict,  # of two rows, the new words and the old ones
    noise: Tensor,  # (1, f, C, h, w), that the clip was made of
    noising: Noising,
    timesteps: Sequence[Timestep],
    mask: Tensor,
) -> Iterator[Tensor]:
    """What new words and old ones make of the same noise, side by side, (2, f, C, h, w). Outside the mask the new ones'
    is put back to the old ones' after every step."""
    levels, z = [noising.level(t) for t in timesteps], noise.expand(2, -1, -1, -1, -1)
    for index, (level, t) in enumerate(zip(levels, timesteps, strict=True)):
        x = level.clean(z, predict(z, t).to(z))
        left = (z - level.alpha * x) / level.sigma
        after = levels[index + 1].noised(x, left) if index + 1 < len(levels) else x
        z, x = (mask * one + (1 - mask) * one[1:] for one in (after, x))
        yield x


def inverted(
    source: Predict,
    target: Predict,
    clean: Tensor,
    noising: VariancePreserving,
    timesteps: Sequence[Timestep],
    mask: Tensor,
) -> Iterator[Tensor]:
    """As `noised`, from the clip as `source` would noise it. Inversion to pure noise fails: the noisiest of `timesteps`
    decides how much of the clip is kept."""
    there = list(invert(source, clean, noising, timesteps[::-1]))[::-1]
    return _sampled(target, [noising.level(t) for t in timesteps], timesteps, [*there, clean], mask)


def _sampled(
    predict: Predict, levels: Sequence[NoiseLevel], timesteps: Sequence[Timestep], known: Sequence[Tensor], mask: Tensor
) -> Iterator[Tensor]:
    """known: what the clip is at each of the levels, and at last the clip itself."""
    z = known[0]
    for index, (level, t) in enumerate(zip(levels, timesteps, strict=True)):
        x = level.clean(z, predict(z, t).to(z))
        noise = (z - level.alpha * x) / level.sigma
        after = levels[index + 1].noised(x, noise) if index + 1 < len(levels) else x
        z = mask * after + (1 - mask) * known[index + 1]
        yield mask * x + (1 - mask) * known[-1]


def flow_edit(
    pair: Pair, clean: Tensor, noising: Noising, timesteps: Sequence[Timestep], mask: Tensor, generator: torch.Generator
) -> Iterator[Tensor]:
    """Without inversion (Kulikov et al. 2024, FlowEdit, arXiv 2412.08629), for any noise schedule: with y = z / α and
    σ' = σ / α, what the edit adds, D = y_edit - x, is drawn towards how the predictions for target and source differ
    under the same noise, D ← r D + (1 - r)(x̂_target - x̂_source) with r = σ'_next / σ'. Equal words add nothing."""
    levels, added = [noising.level(t) for t in timesteps], torch.zeros_like(clean)
    after = [ratio(level) for level in levels[1:]] + [0.0]
    for t, level, left in zip(timesteps, levels, after, strict=True):
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        source, target = level.noised(clean, noise), level.noised(clean + added, noise)
        v_source, v_target = (v.to(clean) for v in pair(source, target, t))
        difference = level.clean(target, v_target) - level.clean(source, v_source)
        r = left / ratio(level)
        added = mask * (r * added + (1 - r) * difference)
        yield clean + added


def ddim_inverse_step(v: Tensor, z: Tensor, alpha_bar: Tensor, alpha_bar_next: Tensor) -> Tensor:
    """`sampling.ddim_step` backwards, from ᾱ to the next, noisier, ᾱ' (Song et al. 2021, section 4.3)."""
    a, s = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    x, noise = a * z - s * v, s * z + a * v
    return alpha_bar_next.sqrt() * x + (1 - alpha_bar_next).sqrt() * noise


def invert(
    predict: Predict, clean: Tensor, noising: VariancePreserving, timesteps: Sequence[Timestep]
) -> Iterator[Tensor]:
    """Yields the latents at each of the timesteps, from the least noisy up. The first step predicts at the first
    timestep itself. Does not cover flow matching, whose steps are not DDIM's."""
    z, before = clean, torch.tensor(1.0)
    for number, t in enumerate(timesteps):
        now = noising.level(t).alpha_bar
        z, before = ddim_inverse_step(predict(z, timesteps[max(number - 1, 0)]).to(z), z, before, now), now
        yield z
