"""From an order to a clip: the one way, here as on a worker."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ...document.story import Take
from ...media import previews
from ...store.blobs import BlobStore
from ..jobs.job import Made
from .order import Order

if TYPE_CHECKING:  # they load torch
    from pipeline.guidance import Guidance
    from pipeline.history import HistoryScene
    from pipeline.story_pipeline import Clip, Step, StoryPipeline
    from pipeline.text_filter import FilterResult

PREVIEW_TIMES = 4  # as long as a preview takes, at least: those of long clips are large
PREVIEW_SECONDS = 0.25  # from one preview to the next: each costs as much as a third of a small model's step

WornFile = tuple[Path, float]  # an adapter's file and its strength
Known = tuple[np.ndarray | None, np.ndarray | None]  # frames with which a clip begins, and ends
Noise = tuple[int, int, float]  # the seed of a take, its steps, and how strongly it followed its words
Ended = TypeVar("Ended")
Encode = Callable[[str, str], "HistoryScene"]  # a prompt and the digest of a keyframe


class Material(NamedTuple):
    """An order with what its digests stand for. It can be pickled, for a ZeroGPU Space."""

    past: Sequence[HistoryScene]
    guidance: Guidance
    decision: FilterResult
    known: Known
    settings: dict[str, Any]
    taught: Sequence[WornFile]


def material(order: Order, media: BlobStore, encode: Encode) -> Material:
    """Raises ThroughlineError for a file that is missing."""
    past = tuple(encode(one.prompt, one.keyframe) for one in order.past)
    known = (read_known(media, order.first), read_known(media, order.last))
    taught = [(media.path(one.file, "safetensors"), one.strength) for one in order.adapters]
    return Material(past, order.guidance, order.decision, known, order.settings, taught)


def generate(
    pipeline: StoryPipeline,
    past: Sequence[HistoryScene],
    guidance: Guidance,
    decision: FilterResult,
    known: Known,
    settings: dict[str, Any],
    taught: Sequence[WornFile],
) -> Iterator[Step | Clip]:
    """The steps of a clip, and the clip."""
    with wearing(pipeline, taught):
        yield from pipeline.generate(decision.prompt, past, guidance, decision, *known, **settings)


def make(pipeline: StoryPipeline, order: Order, media: BlobStore, encode: Encode) -> Generator[Made, None, Clip]:
    """Yields the steps of an order and returns its clip: all that a worker does."""
    from pipeline.story_pipeline import Clip

    with threads(order.threads):
        items = generate(pipeline, *material(order, media, encode))
        return (yield from told(items, pipeline.frames_per_second, Clip, lasting(order, pipeline.frames_per_second)))


def made_of(take: Take, longest: int) -> Noise | None:
    """Of which noise a take was made; None for a clip of the user's own, and for one that more than noise decides: that
    begins or ends with pictures, or is longer than `longest` frames, which are made at once."""
    made = take.conditioning
    if made is None or made.beginning or made.pictures or take.num_frames > longest:
        return None
    return (take.seed, take.steps, made.guidance.text) if take.seed is not None and take.steps else None


def lasting(order: Order, rate: float) -> float:
    """Seconds of a clip of which some are finished before others, else 0."""
    return order.settings["num_frames"] / rate if order.settings.get("way") == "streamed" else 0.0


def told(items: Iterator[Any], rate: float, end: type[Ended], lasts: float = 0.0) -> Generator[Made, None, Ended]:
    """Steps as those who watch see them; returns what comes at the end. Shown is the present estimate; of a clip of
    which some seconds are finished these, until there are more. lasts: see `Made`."""
    due, done = 0.0, list[np.ndarray]()
    for item in items:
        if isinstance(item, end):
            return item
        done += [] if item.done is None else [item.done]
        seconds, preview = sum(map(len, done)) / rate, ""
        if item.done is not None or (not done and time.monotonic() >= due):
            began = time.monotonic()
            preview = previews.moving(np.concatenate(done) if done else item.preview, rate)
            due = began + max(PREVIEW_SECONDS, PREVIEW_TIMES * (time.monotonic() - began))
        yield Made(item.index, item.total, preview, item.notice or "", seconds, lasts)
    raise AssertionError("steps end with what they make")


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """With so many threads of the processor; None for as many as there are."""
    import torch

    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


def wearing(pipeline: StoryPipeline, taught: Sequence[WornFile]) -> AbstractContextManager[None]:
    if not taught:
        return nullcontext()
    from pipeline.adapters.wearing import Worn, shown  # they load peft, which others need not wait for

    return shown(pipeline, [Worn(*one) for one in taught])


# --- frames with which a clip begins or ends -------------------------------------------------------------------------


def keep_known(media: BlobStore, frames: np.ndarray | None) -> str | None:
    """Keeps frames, uint8 (F, H, W, 3), bit for bit, and gives their digest."""
    if frames is None:
        return None
    file = io.BytesIO()
    np.savez(file, frames=frames)
    return media.put(file.getvalue(), "npz")


def read_known(media: BlobStore, digest: str | None) -> np.ndarray | None:
    """What `keep_known` kept. Raises ThroughlineError if it is missing."""
    if digest is None:
        return None
    with np.load(media.path(digest, "npz"), allow_pickle=False) as file:
        frames: np.ndarray = file["frames"]
    return frames
