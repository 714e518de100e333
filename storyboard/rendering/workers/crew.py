"""Has orders carried out by workers: given out again if one is lost, checked when they come back.

Does not cover: who the workers are and how they are reached (`Hands`); in which order scenes are made (the queue).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from pipeline.errors import ThroughlineError

from ...store.blobs import BlobStore
from ..jobs.job import Made
from .order import Order, parcel
from .results import DamagedResult, from_bytes

if TYPE_CHECKING:  # it loads torch
    from pipeline.story_pipeline import Clip

log = logging.getLogger(__name__)

MOST_GIVEN = 10  # times that an order is begun, if the worker or what it sent was lost each time
MOST_HEADS = 30  # heads that may be lost while they have it: an order can end its worker, hardly the head
LOOK_SECONDS = 0.2  # from one look for news to the next: a render is cancelled that soon
SILENT_SECONDS = 1200.0  # without a step after which a worker is given up; waiting for a free one does not count
BY_ITSELF = "No worker answers: the app renders this scene itself."


@dataclass(frozen=True)
class News:
    """Of an order that was given out. begun: a worker has it; step: `made`; done: a clip, `data`, whose digest is
    `digest`; failed: it can't be made, for a reason; lost: its worker is."""

    kind: Literal["begun", "step", "done", "failed", "lost"]
    made: Made = field(default_factory=Made)
    data: bytes = b""
    digest: str = ""
    reason: str = ""
    expected: bool = True  # whether the reason of a failure is one for users
    by_head: bool = False  # whether all was lost, and no worker of its own accord


@unique
class Lost(Enum):
    """What became of an order that did not come back: its worker, or the head, was lost while it was made, or before.
    The value says how often that may be; None for always."""

    WORKER = MOST_GIVEN
    HEAD = MOST_HEADS
    PARCEL = None


class Hands(Protocol):
    """Workers, and a line of parcels in front of them. Safe for threads; nothing waits longer than it is told to."""

    @property
    def gone(self) -> bool:
        """Whether there are no workers, and none are coming soon."""

    def give(self, parcel: bytes) -> str:
        """Puts a parcel in line, and gives it a name."""

    def news(self, name: str, patience: float) -> News | None:
        """The next that happened to it, waiting so many seconds at most; None for nothing."""

    def drop(self, name: str) -> None:
        """Stops it after its present step, and forgets it."""

    def tell_places(self, tell: Callable[[int], None]) -> None:
        """Calls `tell` whenever there are more workers than ever, with how many."""

    def close(self) -> None:
        """Ends all workers of this machine."""


class Maker(Protocol):
    """As much of a `TakeMaker` as a crew needs."""

    media: BlobStore
    away: Callable[[Order], Generator[Made, None, Clip]] | None
    threads: int | None

    def make(self, order: Order) -> Generator[Made, None, Clip]: ...


Served = TypeVar("Served", bound=Maker)


class Crew:
    """model: digest of the weights that the workers have. threads: of the processor, for each order."""

    def __init__(self, hands: Hands, model: str, threads: int | None = None) -> None:
        self.hands, self.model, self.threads = hands, model, threads
        self.again = 0  # orders that were begun once more

    def served(self, maker: Served) -> Served:
        """The maker, which has the workers make what it is to make."""
        maker.threads = self.threads
        maker.away = lambda order: self.make(order, maker)
        return maker

    def tell_places(self, tell: Callable[[int], None]) -> None:
        self.hands.tell_places(tell)

    def close(self) -> None:
        self.hands.close()

    def make(self, order: Order, maker: Maker) -> Generator[Made, None, Clip]:
        """Yields the steps of an order and returns its clip. Raises ThroughlineError as the pipeline does, and if one
        worker after the other was lost."""
        if order.model == self.model:
            packed = parcel(order, maker.media)
            lost = Counter[Lost]()
            while not self.hands.gone:
                clip = yield from self._given(packed)
                if not isinstance(clip, Lost):
                    return clip
                lost[clip] += 1
                if lost[clip] == clip.value:
                    what = f"{clip.value} {clip.name.lower()}s"
                    raise ThroughlineError(f"{what} were lost while this scene was rendered: it is given up")
                if clip is not Lost.PARCEL:
                    self.again += 1
                    yield Made(notice="A worker was lost: this scene is begun again.")
        yield Made(notice=BY_ITSELF)
        return (yield from maker.make(order))

    def _given(self, packed: bytes) -> Generator[Made, None, Clip | Lost]:
        name, last, since = self.hands.give(packed), Made(), None
        try:
            while since is None or time.monotonic() - since < SILENT_SECONDS:
                news = self.hands.news(name, LOOK_SECONDS)
                if news is None:
                    yield replace(last, preview="", notice="")  # so that who watches can cancel
                    if since is None and self.hands.gone:
                        return Lost.PARCEL
                    continue
                begun, since = since is not None, time.monotonic()
                if news.kind == "done":
                    return from_bytes(news.data, news.digest)
                if news.kind == "failed":
                    raise (ThroughlineError if news.expected else RuntimeError)(news.reason)
                if news.kind == "lost":
                    log.warning("a worker was lost: %s", news.reason)
                    return Lost.PARCEL if not begun else Lost.HEAD if news.by_head else Lost.WORKER
                if news.kind == "step":
                    yield (last := news.made)
            log.warning("a worker made no step for %g s", SILENT_SECONDS)
        except DamagedResult as error:
            log.warning("a worker's clip came damaged: %s", error)
        finally:
            self.hands.drop(name)
        return Lost.WORKER
