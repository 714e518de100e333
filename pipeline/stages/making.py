"""One scene from its request to its frames, in any of the ways in which long ones can be made (`defaults.WAYS`).

"windows": all at once, where a model denoises long clips so (`blocks.windows`). "pieces": each begins with the last
frames of the one before (`stages.continuation`). "streamed": windows one after another, frames given out as soon as
they are done (`stages.streaming`). "low-rate": the whole scene at a fourth of its rate first, then doubled twice (Hong
et al. 2022, CogVideo). "key-frames": few frames of the whole scene first, then all that is between them. In both of
these, neighbours share their ends, each the still of a known latent frame, and the first pass, which is made in
windows, decides the scene's plan.

Letters: F frames, H, W pixels, f latent frames, C latent channels, h, w latents a side.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Backbone, Limits
from ..defaults import WAYS
from ..denoising import Denoiser
from ..errors import ThroughlineError
from ..generation import SceneRequest, Settings, Step, Stopwatch
from .continuation import SEEDS, Piece, joined, pieces
from .interpolation import eased
from .streaming import rolled

Steps = Generator[Step, None, np.ndarray]  # yields progress, and returns the frames
FROM_FRAMES = ("low-rate", "key-frames")
DOUBLINGS = 2  # of the rate of "low-rate"
GROUPS = 6  # pairs of neighbouring frames that are denoised in one batch


def latent_shape(backbone: Backbone, options: Settings) -> tuple[int, ...]:
    """Of a clip, (1, f, C, h, w)."""
    own = backbone.latents
    frames = (options.num_frames - 1) // own.period + 1
    return 1, frames, own.channels, options.height // own.unit, options.width // own.unit


@dataclass(eq=False)
class Making:
    """A scene that is made. beginning, ending: known frames, uint8 (F, H, W, 3)."""

    denoiser: Denoiser
    request: SceneRequest
    beginning: np.ndarray | None
    ending: np.ndarray | None
    norms: list[dict[str, float]] = field(default_factory=list)  # of every step
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def backbone(self) -> Backbone:
        return self.denoiser.backbone

    def frames(self) -> Steps:
        """The scene by the way that its settings name, uint8 (F, H, W, 3)."""
        limits, options = self.backbone.limits, self.request.settings
        way = options.way or ("windows" if limits.windows else "pieces")
        if way in FROM_FRAMES and options.num_frames > 1 + self.backbone.latents.period * (limits.window - 1):
            return (yield from self._low_rate() if way == "low-rate" else self._from_key_frames())
        return (yield from self._streamed() if way == "streamed" else self._in_pieces(way))

    def _in_pieces(self, way: str) -> Steps:
        made, longest = None, 0 if way == "windows" else self.backbone.limits.piece
        parts, steps = self._pieces(longest), self.request.settings.steps
        for number, piece in enumerate(parts):
            request = self._part(number, piece, made, is_last=number == len(parts) - 1)
            shape = latent_shape(self.backbone, request.settings)
            for index, [(latents, norm)] in enumerate(self.denoiser([request], shape), 1):
                self.norms.append(norm)
                estimate = partial(self._preview, latents, made, piece.known)
                yield Step(number * steps + index, len(parts) * steps, estimate)
            self.watch.lap("denoise")
            made = joined(made, self._decoded(latents, piece.known), piece.known)
            self.watch.lap("decode")
        assert made is not None
        return made

    def _streamed(self) -> Steps:
        made, [piece], latents = None, self._pieces(0), self.backbone.latents
        request = self._part(0, piece, None, is_last=True)
        shape = latent_shape(self.backbone, request.settings)
        for step in rolled(self.denoiser, request, shape, request.settings.lag):
            self.norms.append(step.norms)
            known = piece.known if made is None else 1 + latents.period * (step.overlap - 1)
            estimate, done = partial(self._preview, step.latents, made, known), None
            if step.finished:
                self.watch.lap("denoise")
                before = 0 if made is None else len(made)
                frames = latents.decode(step.latents) if before else self._decoded(step.latents, piece.known)
                made = joined(made, frames, known)
                done = made[before:]
                self.watch.lap("decode")
            yield Step(step.index, step.total, estimate, done=done)
        assert made is not None
        return made

    def _low_rate(self) -> Steps:
        """The first pass as any long scene, its frames being 2 to the power of DOUBLINGS apart; then a frame between
        each two."""
        options, period = self.request.settings, self.backbone.latents.period
        count = -(-(options.num_frames - 1) // 2**DOUBLINGS)  # intervals of the first pass, which cover the scene
        batches = sum(-(-count * 2**n // GROUPS) for n in range(DOUBLINGS))
        progress = _Progress(options.steps * (1 + batches))
        frames = (yield from self._first_pass(1 + period * -(-count // period), progress))[: count + 1]
        for _ in range(DOUBLINGS):
            clips = yield from self._filled(frames, 3, progress)
            middle = [clip[period // 2] for clip in clips]
            frames = np.stack([*chain(*zip(frames, middle, strict=False)), frames[-1]])
        return frames[: options.num_frames]

    def _from_key_frames(self) -> Steps:
        """The first pass gives a key frame a latent frame; between two of them is a clip as long as the model makes at
        once, less the still with which it ends."""
        options, period, window = self.request.settings, self.backbone.latents.period, self.backbone.limits.window
        moving = period * (window - 2)
        count = -(-(options.num_frames - 1) // (moving + 1))
        progress = _Progress(options.steps * (1 + -(-count // GROUPS)))
        keys = (yield from self._first_pass(1 + period * count, progress))[::period]
        clips = yield from self._filled(keys, window, progress)
        parts = chain(*((clip[1 : 1 + moving], clip[-1:]) for clip in clips))
        return np.concatenate([clips[0][:1], *parts])[: options.num_frames]

    def _first_pass(self, num_frames: int, progress: _Progress) -> Steps:
        settings = replace(self.request.settings, num_frames=num_frames, way=None)
        making = replace(self, request=replace(self.request, settings=settings)).frames()
        while True:
            try:
                yield progress.step(next(making).estimate)
            except StopIteration as end:
                frames: np.ndarray = end.value
                return frames

    def _filled(self, keys: np.ndarray, count: int, progress: _Progress) -> Generator[Step, None, list[np.ndarray]]:
        """Clips of `count` latent frames, each from one of the frames (F, H, W, 3) to the still of the next one.
        Shown meanwhile are these frames."""
        pairs, clips, latents = list(pairwise(keys)), list[np.ndarray](), self.backbone.latents
        settings = replace(self.request.settings, num_frames=1 + latents.period * (count - 1))
        for start in range(0, len(pairs), GROUPS):
            requests = [
                replace(
                    self.request, settings=settings, beginning=latents.encode(a[None]), ending=latents.encode(b[None])
                )
                for a, b in pairs[start : start + GROUPS]
            ]
            for outcomes in self.denoiser(requests, latent_shape(self.backbone, settings)):
                self.norms.append(outcomes[0][1])
                yield progress.step(partial(np.asarray, keys))
            self.watch.lap("denoise")
            clips += [latents.decode(made) for made, _ in outcomes]
            self.watch.lap("decode")
        return clips

    def _pieces(self, longest: int) -> tuple[Piece, ...]:
        """longest: frames of a piece; 0 for one piece."""
        known, frames = 0 if self.beginning is None else len(self.beginning), self.request.settings.num_frames
        return pieces(frames, known, longest or frames + known, self.backbone.latents.period)

    def _part(self, number: int, piece: Piece, made: np.ndarray | None, is_last: bool) -> SceneRequest:
        """The request of a piece. made: the frames before it."""
        settings = self.request.settings
        own = replace(settings, num_frames=piece.frames, seed=settings.seed + number * SEEDS)
        known = self.beginning if made is None else made[-piece.known :]
        last = self.ending if is_last else None
        return replace(self.request, settings=own, **self._known(known, last, piece, own.seed))

    def _known(
        self, beginning: np.ndarray | None, ending: np.ndarray | None, piece: Piece, seed: int
    ) -> dict[str, Any]:
        """The fields of a SceneRequest about what a piece begins and ends with: latents, or what the model is told of
        pictures instead."""
        if beginning is not None and self.backbone.limits.pictures:
            last = None if ending is None else ending[0]
            shown = {"pictures": self.backbone.shown(beginning[0], last, piece.frames, seed)}
            reads = self.backbone.limits.looks
            return shown | ({"looks": self.backbone.picture_tokens([beginning[0]])} if reads else {})
        given = {"beginning": beginning if piece.known else None, "ending": ending}
        return {name: self.backbone.latents.encode(frames) for name, frames in given.items() if frames is not None}

    def _decoded(self, latents: Tensor, known: int) -> np.ndarray:
        """The frames of a piece, uint8 (F, H, W, 3), the first `known` of which are: `Limits.eased`."""
        frames = self.backbone.latents.decode(latents)
        eases = self.backbone.limits.eased and self.ending is None and 1 < known < len(frames) - 1
        return eased(frames, known) if eases else frames

    @torch.no_grad()
    def _preview(self, latents: Tensor, made: np.ndarray | None, known: int) -> np.ndarray:
        return joined(made, self.backbone.latents.preview(latents), known)


@dataclass
class _Progress:
    """Over passes."""

    total: int
    index: int = 0

    def step(self, estimate: Callable[[], np.ndarray]) -> Step:
        self.index += 1
        return Step(self.index, self.total, estimate)


def check_way(options: Settings, limits: Limits, ending: np.ndarray | None) -> None:
    """Raises ThroughlineError for a way to make long scenes that a model does not have, and for a lag of more steps
    than there are."""
    can = {"windows": limits.windows, "streamed": limits.streamed > 0, "pieces": limits.piece > 0}
    between = limits.windows and limits.ends
    known = [way for way in WAYS if can.get(way, between)]
    if options.way is not None and options.way not in known:
        raise ThroughlineError(f"way is {options.way!r}: expected {' or '.join(known) or 'none, this model has one'}")
    if options.way in FROM_FRAMES and ending is not None:
        raise ThroughlineError(f"ending is given: expected none, of a scene that is made by way of {options.way}")
    if not 0 <= options.lag <= options.steps:
        raise ThroughlineError(f"lag is {options.lag}: expected 0 to {options.steps}, the number of steps")
