"""A worker as Ray would make one, in this process."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from storyboard.rendering.model_choice import Choice
from storyboard.rendering.workers import actor
from storyboard.rendering.workers.actor import Worker
from storyboard.rendering.workers.order import Order, parcel
from storyboard.rendering.workers.results import from_bytes
from storyboard.store.blobs import BlobStore

SETTINGS = {"height": 48, "width": 72, "num_frames": 5, "steps": 30, "seed": 3, "negative_prompt": ""}


@pytest.fixture(scope="module")
def worker(tiny_folder: Path) -> Iterator[Worker]:
    choice = Choice(model=str(tiny_folder))
    worker = Worker(asdict(choice), choice.digest())
    yield worker
    worker._folder.cleanup()  # which elsewhere goes with the process


@pytest.fixture
def order(worker: Worker) -> Order:
    return Order(worker.model, "exact", Guidance(), worker.pipeline.filter([], "A cat runs."), SETTINGS, threads=1)


def told(worker: Worker, name: str) -> Iterator[dict[str, Any]]:
    """All that is told of an order until it is over, as the head asks for it."""
    seen = 0
    while True:
        news = worker.news(name, seen)
        if news:
            seen = news["count"]
            yield news
        if news.get("kind") in ("done", "failed"):
            return


def test_steps_are_told_together(worker: Worker) -> None:
    worker._name, worker._told = "three", {"count": 1, "kind": "begun"}
    for step in (1, 2, 3):
        worker._tell("three", kind="step", step=step)
    assert worker.news("three", 1)["step"] == 3
    assert worker.news("three", 1)["count"] == 4


def test_steps_are_told_and_the_end(
    worker: Worker, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "GATHER_SECONDS", 0.0)
    worker.begin("one", parcel(order, BlobStore(tmp_path)))
    news = list(told(worker, "one"))
    steps = [one for one in news if one["kind"] == "step"]
    assert news[-1]["kind"] == "done" and 0 < len(steps) <= SETTINGS["steps"]
    assert all(one["preview"] and one["total"] == SETTINGS["steps"] for one in steps), "previews are not passed over"
    assert [one["step"] for one in steps] == sorted({one["step"] for one in steps})
    clip = from_bytes(news[-1]["data"], news[-1]["digest"])
    *_, alone = worker.pipeline.generate("A cat runs.", (), Guidance(), order.decision, **SETTINGS)
    assert np.array_equal(clip.frames, alone.frames)


def test_an_order_that_is_stopped_tells_nothing_and_the_next_one_is_made(
    worker: Worker, order: Order, tmp_path: Path
) -> None:
    media = BlobStore(tmp_path)
    worker.begin("long", parcel(replace(order, settings=SETTINGS | {"steps": 900}), media))
    assert worker.news("long", 0)["kind"] in ("begun", "step")
    worker.stop("long")
    assert worker.news("long", 0) == {}
    worker.begin("next", parcel(order, media))
    assert list(told(worker, "next"))[-1]["kind"] == "done"


def test_what_can_not_be_made_is_told_with_its_reason(worker: Worker, order: Order, tmp_path: Path) -> None:
    media = BlobStore(tmp_path)
    for wrong, reason in (
        (replace(order, settings=SETTINGS | {"steps": 0}), "steps is 0"),
        (replace(order, model="f" * 64), "an order is for model ffff"),
    ):
        worker.begin(reason, parcel(wrong, media))
        last = list(told(worker, reason))[-1]
        assert (last["kind"], last["expected"]) == ("failed", True) and last["reason"].startswith(reason)


def test_a_worker_with_other_weights_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ThroughlineError, match=r"is [0-9a-f]{12}… here: expected ffffffffffff…"):
        Worker(asdict(Choice(model=str(tiny_folder))), "f" * 64)
