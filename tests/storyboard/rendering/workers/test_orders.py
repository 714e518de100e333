"""Orders and clips as bytes, and back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from pipeline.story_pipeline import Clip
from storyboard.media.images import read_picture
from storyboard.rendering.workers.making import keep_known, make, read_known
from storyboard.rendering.workers.order import Order, Remembered, opened, packed, parcel, unpacked
from storyboard.rendering.workers.results import DamagedResult, digest_of, from_bytes, to_bytes
from storyboard.store.blobs import BlobStore
from storyboard.store.clips import keep_picture
from tests.storyboard.studios import MODEL

PAST, PROMPT = "A cat runs on the beach.", "The cat walks on the beach."


@pytest.fixture
def media(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "media")


@pytest.fixture
def order(pipeline: Any, media: BlobStore) -> Order:
    picture = np.random.default_rng(0).integers(0, 255, (48, 72, 3), np.uint8)
    decision = pipeline.filter([PAST], PROMPT)
    assert decision.contributing, "the order is to remember something"
    settings = {"height": 48, "width": 72, "num_frames": 5, "steps": 2, "seed": 3, "negative_prompt": ""}
    past = (Remembered(PAST, keep_picture(media, picture)),)
    return Order(MODEL, "exact", Guidance(text=4.0), decision, settings, past, threads=1)


def made(pipeline: Any, order: Order, media: BlobStore) -> tuple[int, Clip]:
    """The number of steps, and the clip."""

    def encode(prompt: str, keyframe: str) -> Any:
        return pipeline.encode_scene(prompt, read_picture(media.path(keyframe, "png"))[None])

    steps, making = 0, make(pipeline, order, media, encode)
    while True:
        try:
            next(making)
        except StopIteration as end:
            return steps, end.value
        steps += 1


def test_an_order_comes_back_as_it_was_with_all_its_files(order: Order, media: BlobStore, tmp_path: Path) -> None:
    frames = np.arange(48 * 72 * 3, dtype=np.uint8).reshape(1, 48, 72, 3)
    order = replace(order, first=keep_known(media, frames))
    there = BlobStore(tmp_path / "there")
    back = opened(parcel(order, media), there)
    assert back.to_json() == order.to_json()
    assert back.decision == order.decision and back.guidance == order.guidance and back.past == order.past
    assert len(order.files()) == 2 and there.holds(*order.files())
    assert np.array_equal(read_known(there, back.first), frames)


def test_another_seed_is_another_order(order: Order) -> None:
    assert replace(order, settings=order.settings | {"seed": 4}).to_json() != order.to_json()


def test_an_order_from_elsewhere_makes_the_same_clip(
    pipeline: Any, order: Order, media: BlobStore, tmp_path: Path
) -> None:
    there = BlobStore(tmp_path / "there")
    steps, here = made(pipeline, order, media)
    _, away = made(pipeline, opened(parcel(order, media), there), there)
    assert steps == 2 and np.array_equal(here.frames, away.frames)
    assert here.trace.filter == away.trace.filter and here.trace.maps[0].word == away.trace.maps[0].word
    assert np.array_equal(here.trace.maps[0].map, away.trace.maps[0].map)


def test_a_clip_comes_back_as_it_was(pipeline: Any, order: Order, media: BlobStore) -> None:
    _, clip = made(pipeline, order, media)
    back = from_bytes(data := to_bytes(clip), digest_of(data))
    assert np.array_equal(back.frames, clip.frames) and back.frames.dtype == np.uint8
    assert back.frames_per_second == clip.frames_per_second and back.trace.filter == clip.trace.filter
    assert back.trace.guidance == clip.trace.guidance and back.trace.seconds == clip.trace.seconds
    assert [one.word for one in back.trace.maps] == [one.word for one in clip.trace.maps] != []
    assert all(np.array_equal(a.map, b.map) for a, b in zip(back.trace.maps, clip.trace.maps, strict=True))


def test_a_damaged_clip_is_refused(pipeline: Any, order: Order, media: BlobStore) -> None:
    data = to_bytes(made(pipeline, order, media)[1])
    with pytest.raises(DamagedResult, match="is not what its digest"):
        from_bytes(data[:-1] + bytes([data[-1] ^ 1]), digest_of(data))


def damaged_parcels(order: Order, media: BlobStore) -> Iterator[tuple[bytes, str]]:
    head, picture = unpacked(parcel(order, media))
    yield packed(head, [picture + b"!"]), "is not what its name says"
    yield packed(head, []), "has 0 files: expected 1"
    yield packed(b"{}", [picture]), "can't be read"
    yield b"nonsense", "expected lengths"
    yield parcel(order, media)[:-1], "bytes: expected"


def test_a_damaged_parcel_is_refused(order: Order, media: BlobStore, tmp_path: Path) -> None:
    for number, (data, reason) in enumerate(damaged_parcels(order, media)):
        with pytest.raises(ThroughlineError, match=reason):
            opened(data, BlobStore(tmp_path / str(number)))


def test_an_order_whose_file_is_missing_is_not_sent(order: Order, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match="is missing or damaged"):
        parcel(order, BlobStore(tmp_path / "empty"))
