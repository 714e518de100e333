"""A long clip in windows that are done one after another, so that its beginning can be watched while its end is made.

As in `blocks.windows` all begin with the same noise and, while looks are decided, take what their frames have in common
from the first one. But where two overlap, the earlier one decides alone: the later one sees these frames, step by step,
exactly as noisy as the earlier one had them then. So a window can be finished before the next one begins, or the next
ones follow at `lag` steps, in one batch with it, while earlier frames are still noisy: staggered timesteps (rolling
diffusion, Ruhe et al. 2024, and FIFO-Diffusion, Kim et al. 2024, stagger single frames). The clip is the same for every
lag up to rounding, a clip that gets longer keeps all but its last window, and memory does not grow with its length.

Letters: f latent frames, w of a window, C channels, h, w latents a side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..blocks.block_cache import EXACT
from ..blocks.windows import DECIDED, starts
from ..denoising import Denoiser, Known, Predictor, pulls
from ..encoders.latents import check_finite
from ..generation import SceneRequest
from ..guidance import branches, guide
from ..sampling import Sampler


@dataclass(frozen=True, eq=False)
class Rolled:
    """Step `index` of `total` is done, of one window or of several at once; this is the first one of them."""

    index: int
    total: int
    latents: Tensor  # the estimate of the window's clean latents, (1, w, C, h, w)
    overlap: int  # latent frames that the window before has too
    finished: bool  # whether this was the window's last step
    norms: dict[str, float]


@dataclass(eq=False)
class _Window:
    number: int
    overlap: int
    z: Tensor  # (1, w, C, h, w)
    known: Known
    sampler: Sampler
    generator: torch.Generator
    before: _Window | None  # the window before
    path: list[Tensor] = field(default_factory=list)  # z before every step
    clean: Tensor | None = None

    def enter(self) -> Tensor:
        """z before the next step, with the frames that it shares as the window before had them then."""
        if self.before is not None:
            shared = self.before.path[len(self.path)][:, -self.overlap :]
            self.z = torch.cat([shared, self.z[:, self.overlap :]], dim=1)
        self.path.append(self.z)
        return self.z

    def leave(self, v: Tensor) -> Tensor:
        """One step; the estimate of the clean latents."""
        self.z, clean = self.sampler.step(len(self.path) - 1, v, self.z, self.generator)
        clean = self.known.kept(clean)
        if self.before is not None and self.before.clean is not None:
            clean = torch.cat([self.before.clean[:, -self.overlap :], clean[:, self.overlap :]], dim=1)
        self.clean = clean
        return clean


@torch.no_grad()
def rolled(denoiser: Denoiser, request: SceneRequest, shape: tuple[int, ...], lag: int = 0) -> Iterator[Rolled]:
    """The steps of a clip, window after window. shape: of its latents, (1, f, C, h, w). lag: steps by which a window
    follows the one before, from 1; 0 for once it is done."""
    stream = _Stream(denoiser, request, shape, lag)
    running, last = list[_Window](), None
    for tick in range(stream.total):
        number, is_due = divmod(tick, stream.lag)
        if is_due == 0 and number < len(stream.begins):
            last = stream.opened(number, last)
            running.append(last)
        first, norms = running[0], stream.step(running)
        assert first.clean is not None
        finished = len(first.path) == stream.steps
        yield Rolled(tick + 1, stream.total, first.clean, first.overlap, finished, norms)
        if finished:
            running.pop(0).before = None  # nobody goes by it any more


class _Stream:
    """What the windows of a clip share."""

    def __init__(self, denoiser: Denoiser, request: SceneRequest, shape: tuple[int, ...], lag: int) -> None:
        self.backbone, self.request, self.steps = denoiser.backbone, request, request.settings.steps
        self.lag = min(lag or self.steps, self.steps)
        self.w = min(self.backbone.limits.window, shape[1])
        self.shape = (shape[0], self.w, *shape[2:])
        self.begins = starts(shape[1], self.w)
        self.total = self.steps + self.lag * (len(self.begins) - 1)
        self.guidance = denoiser.speed.guiding(request.guidance)
        self.common = list[Tensor]()  # of every step, what the first window's frames have in common
        self.slots = -(-self.steps // self.lag)  # windows at once
        nothing = Known.of(replace(request, beginning=None, ending=None), torch.zeros(self.shape))
        self.predict = Predictor(self.backbone, EXACT, [request] * self.slots, [nothing] * self.slots, denoiser.subject)

    def opened(self, number: int, before: _Window | None) -> _Window:
        """The window of that number. before: the one before it."""
        settings, start = self.request.settings, self.begins[number]
        generator = torch.Generator().manual_seed(settings.seed)
        z = self.backbone.noise(self.shape, generator).roll(-start, 1)
        ends: dict[str, Any] = {} if number == 0 else {"beginning": None}
        ends |= {} if number == len(self.begins) - 1 else {"ending": None}
        known = Known.of(replace(self.request, **ends), z)
        overlap = 0 if before is None else self.begins[number - 1] + self.w - start
        self.predict.known[number % self.slots] = known
        sampler = self.backbone.sampler(self.steps, settings.eta)
        return _Window(number, overlap, z, known, sampler, generator, before)

    def step(self, running: Sequence[_Window]) -> dict[str, float]:
        """The next step of all windows that are at work, in their order; the norms of the first one."""
        names: list[tuple[str, ...]] = [()] * self.slots
        noisy, times, weights = [running[0].z] * self.slots, [0.0] * self.slots, []
        for window in running:
            index, slot = len(window.path), window.number % self.slots
            weights.append((*self.guidance.weights(index, self.steps), self._context(window)))
            w1, w2, s = weights[-1]
            names[slot] = branches(w1, w2, self.request.memory.remembers, s)
            noisy[slot], times[slot] = window.enter(), window.sampler.timesteps[index]
        predictions = self.predict(noisy, times, names)
        for window, (w1, w2, s) in zip(running, weights, strict=True):
            v = guide(predictions[window.number % self.slots], w1, w2, s)
            check_finite(v, f"the model, at step {len(window.path)} of {self.steps},", "--dtype bfloat16 or float32")
            window.leave(self._agreed(window, v))
        w1, w2, _ = weights[0]
        return {"text": w1, "history": w2} | pulls(predictions[running[0].number % self.slots])

    def _context(self, window: _Window) -> float:
        return self.request.guidance.context if window.known.any else 0.0

    def _agreed(self, window: _Window, v: Tensor) -> Tensor:
        """v of a window, with what the first one's frames have in common while looks are decided."""
        index = len(window.path) - 1
        level = self.backbone.noising.level(window.sampler.timesteps[index])
        mean = level.clean(window.z, v).mean(1, keepdim=True)
        if window.number == 0:
            self.common.append(mean)
        elif not window.known.any and float(level.sigma / level.alpha.clamp(min=1e-6)) > DECIDED:
            return v + (mean - self.common[index]) / level.sigma
        return v
