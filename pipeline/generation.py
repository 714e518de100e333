"""What goes into a generation and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from . import defaults
from .encoders.text import TextEncoding
from .guidance import Guidance
from .history import AttentionMap, Memory
from .text_filter import FilterResult, WordKey


@dataclass(frozen=True)
class Strength:
    """How much the characters `start` to `end` of a prompt count: `factor` times the attention that the model would
    give to their tokens, before the attention is shared out anew; 1 changes nothing, 0 hides them."""

    start: int
    end: int
    factor: float


@dataclass(frozen=True)
class Settings:
    """Everything about one generation but its words, its past and its guidance; sizes and steps as the embedded model
    has them (`StoryPipeline.native` has those of any model)."""

    height: int = defaults.HEIGHT  # pixels, a multiple of 24
    width: int = defaults.WIDTH
    num_frames: int = defaults.NUM_FRAMES  # 4 k + 1
    steps: int = defaults.STEPS
    seed: int = 0
    eta: float = 0.0  # noise added at each step, 0 (none, DDIM) to 1 (DDPM)
    negative_prompt: str = ""
    threshold: float | None = None  # of the text filter; None for its default
    pins: tuple[WordKey, ...] = ()
    mutes: tuple[WordKey, ...] = ()
    muted_scenes: tuple[int, ...] = ()
    strengths: tuple[Strength, ...] = ()  # of words of the prompt, for models that have them
    way: str | None = None  # one of `defaults.WAYS`, of a long scene; None for the model's own
    lag: int = 0  # steps by which the windows of a streamed scene follow one another; 0: each when the last is done


def token_strengths(encoding: TextEncoding, strengths: Sequence[Strength]) -> Tensor | None:
    """Factors of the tokens of a prompt, float32 (L), of several for one token their product; None for no strengths."""
    if not strengths:
        return None
    factors = torch.ones(len(encoding))
    for one in strengths:
        for index, (start, end) in enumerate(encoding.offsets):
            if end > start and start < one.end and end > one.start:
                factors[index] *= one.factor
    return factors


@dataclass(frozen=True, eq=False)
class SceneRequest:
    """A scene whose past is worked out, ready to be denoised. The filter's settings have no part in it any more."""

    prompt: str
    memory: Memory
    guidance: Guidance = field(default_factory=Guidance)
    settings: Settings = field(default_factory=Settings)
    beginning: Tensor | None = None  # latents (1, k, C, h, w) of the frames that the clip begins with
    ending: Tensor | None = None  # latents (1, 1, C, h, w) of the picture with which it ends
    pictures: Tensor | None = None  # what `Backbone.shown` gave, (1, f, C', h, w), for models that are told of pictures
    looks: Tensor | None = None  # (1, n, t), `Backbone.picture_tokens` of the first of them, for models that read it


@dataclass(frozen=True, eq=False)
class Step:
    """Progress: step `index` of `total` (from 1) is done."""

    index: int
    total: int
    estimate: Callable[[], np.ndarray] = field(repr=False)
    notice: str | None = None  # what a user should know: that memory ran out, and what was done about it
    done: np.ndarray | None = None  # frames, uint8 (F, H, W, 3), that are finished since the step before: streamed ones

    @cached_property
    def preview(self) -> np.ndarray:
        """The present estimate of the clip, uint8 (F, H, W, 3), decoded when it is first looked at."""
        return self.estimate()

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Between processes the preview travels, not what would decode it."""
        return Step, (self.index, self.total, partial(np.asarray, self.preview), self.notice, self.done)


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened in one generation."""

    filter: FilterResult
    maps: tuple[AttentionMap, ...]
    guidance: tuple[dict[str, float], ...]  # a step: the two weights and the norms of the two corrections
    seconds: dict[str, float]  # of each stage: "history", "denoise", "decode"
    notices: tuple[str, ...] = ()  # of all steps


@dataclass(frozen=True, eq=False)
class Clip:
    """The end of a generation."""

    frames: np.ndarray  # uint8 (F, H, W, 3)
    frames_per_second: int
    trace: Trace


def noticed(item: Step | Clip, notices: Sequence[str]) -> Step | Clip:
    """A step says what happened last, a clip's trace all that happened."""
    if not notices:
        return item
    if isinstance(item, Step):
        return replace(item, notice=notices[-1])
    return replace(item, trace=replace(item.trace, notices=tuple(notices)))


@dataclass
class Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now
