"""Who is where in a take, and which words of its prompt speak of whom: what a click on a figure means."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.language.mentions import analyse

from ..document.story import Take
from ..store.blobs import BlobStore
from ..store.clips import read_frames

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.editing.region import Region
    from pipeline.story_pipeline import StoryPipeline

KEPT = 64  # takes that were looked at
Span = tuple[int, int]  # characters of a prompt, the end exclusive
Box = tuple[float, float, float, float]  # left, top, right, bottom, shares of the picture


@dataclass(frozen=True)
class Figure:
    """boxes: one a frame, None where it is not seen. words: what of the prompt speaks of it, as places among the spans
    that were asked about."""

    boxes: tuple[Box | None, ...]
    words: tuple[int, ...]


class Figures:
    """Safe for threads; one look at a time, the last ones are kept."""

    def __init__(self, media: BlobStore) -> None:
        self._media, self._lock = media, threading.Lock()
        self._seen: OrderedDict[tuple[str, str], list[Figure]] = OrderedDict()

    def of(self, pipeline: StoryPipeline, take: Take, prompt: str, spans: Sequence[Span]) -> list[Figure]:
        """From left to right. None where the pipeline's model is no picture book, whose figures alone are known."""
        from pipeline.editing.finding import figures_of

        with self._lock:
            key = (take.clip, prompt)
            if key not in self._seen:
                found, told = figures_of(pipeline, read_frames(self._media, take), prompt, spans)
                self._seen[key] = [
                    Figure(boxes_of(region), tuple(i for i, own in enumerate(told) if own == place))
                    for place, region in enumerate(found)
                ]
            self._seen.move_to_end(key)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)
            return self._seen[key]


def boxes_of(region: Region) -> tuple[Box | None, ...]:
    """Around a region, in every frame."""
    return tuple(_box(mask > 0) for mask in region.mask)


def _box(mask: np.ndarray) -> Box | None:
    """mask: bool (H, W)."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    around = columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
    left, top, right, bottom = (round(float(side), 4) for side in around)
    return left, top, right, bottom


def things_in(prompt: str) -> list[Span]:
    """What of a prompt can be seen: whom and what it names, with what is said of them ("Mia in a red coat"), and what
    of that is a thing of its own ("red coat"). Not what they do."""
    analysis, found = analyse(prompt), list[Span]()
    for mention in analysis.mentions:
        if mention.phrases[0].verb:
            continue
        groups = [mention.words, *(phrase.words for phrase in mention.phrases[1:] if not phrase.names)]
        found += [(analysis.segments[words[0]].start, analysis.segments[words[-1]].end) for words in groups]
    return list(dict.fromkeys(found))
