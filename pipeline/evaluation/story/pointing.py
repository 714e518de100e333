"""Whether the words that are kept look at what they speak of.

The filter and the cross-attention run over past keyframes, and the peak of every kept mention's map is looked up in a
mask: in the true one where the keyframes are rendered, in the localiser's where they are generated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...history import AttentionMap, HistoryScene
from ...picturebook.captions import Caption
from ...story_pipeline import StoryPipeline
from ...text_filter import Mention
from ..common.statistics import Tally, total


@dataclass(frozen=True)
class Pointed:
    """A kept mention of a past scene."""

    label: str  # what it speaks of: "place", "actor 0", "action 0", ...
    hit: bool  # whether its attention map peaks there
    chance: float  # the share of all patches that would have counted


def pointings(
    pipeline: StoryPipeline, captions: Sequence[Caption], past: Sequence[HistoryScene], masks: Sequence[np.ndarray]
) -> list[list[Pointed]]:
    """Of every scene of a story, all mentions of it that later scenes keep; `masks` label the pixels of keyframes."""
    found = [list[Pointed]() for _ in past]
    for i in range(1, len(past)):
        result = pipeline.filter([scene.prompt for scene in past[:i]], past[i].prompt)
        memory = pipeline.remember(past[:i], result)
        for scene in result.scenes:
            for mention in scene.kept_mentions:
                maps = [m for m in memory.maps if m.scene == scene.index and m.word.mention == mention.index]
                found[scene.index] += _pointed(captions[scene.index], masks[scene.index], mention, maps)
    return found


def _pointed(caption: Caption, mask: np.ndarray, mention: Mention, maps: list[AttentionMap]) -> Iterator[Pointed]:
    label = spoken_of(caption, mention)
    if label and maps:
        attention = np.mean([m.map for m in maps], axis=0)
        inside = entity_patches(mask, label, attention.shape)
        yield Pointed(label, bool(inside.flat[attention.argmax()]), float(inside.mean()))


def spoken_of(caption: Caption, mention: Mention) -> str | None:
    """The label of the first span of the caption that a word of the mention lies in."""
    return next(
        (s.label for word in mention.words for s in caption.spans if word.start < s.end and word.end > s.start), None
    )


def entity_patches(mask: np.ndarray, label: str, grid: tuple[int, int]) -> np.ndarray:
    """bool (rows, columns): patches of which half or more is the entity. Things (a bicycle) count for actions alone."""
    kind, _, index = label.partition(" ")
    labels = [0] if kind == "place" else [1 + 2 * int(index)] + [2 + 2 * int(index)] * (kind == "action")
    covered = torch.from_numpy(np.isin(mask, labels)).float()[None]
    return F.adaptive_avg_pool2d(covered, grid)[0].numpy() >= 0.5


def pointing_tally(pointed: Iterable[Pointed], kind: str = "") -> Tally:
    return total(Tally(p.hit, 1) for p in pointed if p.label.startswith(kind))


def chance_tally(pointed: Iterable[Pointed]) -> Tally:
    return total(Tally(p.chance, 1) for p in pointed)
