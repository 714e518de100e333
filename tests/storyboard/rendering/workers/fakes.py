"""Hands without Ray: workers are threads of the test, which can be lost, held, and can send damaged clips."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from storyboard.media.images import read_picture
from storyboard.rendering.workers.crew import News
from storyboard.rendering.workers.making import make
from storyboard.rendering.workers.order import Order, opened
from storyboard.rendering.workers.results import digest_of, to_bytes
from storyboard.store.blobs import BlobStore
from tests.storyboard.studios import SECONDS


class FakeHands:
    """lose: how many of the orders that are begun next are lost after a step; damage: how many clips come damaged."""

    def __init__(self, pipeline: Any, folder: Path, workers: int = 2) -> None:
        self.pipeline, self.media, self.workers = pipeline, BlobStore(folder), workers
        self.lose, self.damage, self.gone, self.closed = 0, 0, False, False
        self.begun: list[Order] = []
        self.at_once, self.most_at_once = 0, 0
        self.open = threading.Event()
        self.open.set()
        self._news: defaultdict[str, deque[News]] = defaultdict(deque)
        self._changed, self._numbers = threading.Condition(), count(1)
        self._free = threading.Semaphore(workers)
        self._dropped: set[str] = set()

    def give(self, parcel: bytes) -> str:
        name = str(next(self._numbers))
        threading.Thread(target=self._carry_out, args=(name, parcel), daemon=True).start()
        return name

    def news(self, name: str, patience: float) -> News | None:
        with self._changed:
            self._changed.wait_for(lambda: self._news[name], patience)
            return self._news[name].popleft() if self._news[name] else None

    def drop(self, name: str) -> None:
        self._dropped.add(name)

    def tell_places(self, tell: Callable[[int], None]) -> None:
        tell(self.workers)

    def close(self) -> None:
        self.closed = True

    def _tell(self, name: str, news: News) -> None:
        with self._changed:
            self._news[name].append(news)
            self._changed.notify_all()

    def _carry_out(self, name: str, parcel: bytes) -> None:
        with self._free:
            with self._changed:
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                self._make(name, opened(parcel, self.media))
            finally:
                with self._changed:
                    self.at_once -= 1

    def _make(self, name: str, order: Order) -> None:
        self.begun.append(order)
        self._tell(name, News("begun"))
        assert self.open.wait(SECONDS)

        def encode(prompt: str, keyframe: str) -> Any:
            return self.pipeline.encode_scene(prompt, read_picture(self.media.path(keyframe, "png"))[None])

        with closing(make(self.pipeline, order, self.media, encode)) as steps:
            try:
                while name not in self._dropped:
                    self._tell(name, News("step", next(steps)))
                    with self._changed:
                        lost, self.lose = self.lose > 0, max(0, self.lose - 1)
                    if lost:
                        self._tell(name, News("lost", reason="killed by the test"))
                        return
            except StopIteration as end:
                data = to_bytes(end.value)
                with self._changed:
                    damaged, self.damage = self.damage > 0, max(0, self.damage - 1)
                sent = data[:-1] + bytes([data[-1] ^ 1]) if damaged else data
                self._tell(name, News("done", data=sent, digest=digest_of(data)))
