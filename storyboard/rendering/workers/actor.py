"""A worker: a process that holds the pipeline and carries out one order after the other.

Ray makes one of these in every process; nothing in here knows Ray. Those who ask for news wait for them here rather
than ask again and again.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ThroughlineError

from ...media.images import read_picture
from ...store.blobs import BlobStore
from ..jobs.job import Made
from ..model_choice import Choice
from .making import make
from .order import opened
from .results import digest_of, to_bytes

if TYPE_CHECKING:  # it loads torch
    from pipeline.history import HistoryScene

KEPT_ENCODINGS = 512  # past scenes, about 80 KB each
NEWS_SECONDS = 0.5  # that who asks for news waits at most
GATHER_SECONDS = 0.2  # that steps wait for the next ones: each telling costs as much as a third of a small model's step
OLD_SECONDS = 3600.0  # after which a file that came with an order is deleted

Told = dict[str, Any]  # what happened last, as plain values


class Worker:
    """choice: the fields of a `Choice`. model: the digest that its weights must have. Raises ThroughlineError."""

    def __init__(self, choice: Mapping[str, Any], model: str) -> None:
        chosen = Choice(**choice)
        found = chosen.digest()
        if found != model:
            raise ThroughlineError(f"model {chosen.model!r} is {found[:12]}… here: expected {model[:12]}…")
        self.model, self.pipeline = model, chosen.load()
        self._folder = tempfile.TemporaryDirectory(prefix="throughline-worker-")
        self.media = BlobStore(Path(self._folder.name))
        self._encoded: dict[tuple[str, str], HistoryScene] = {}
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()
        self._name, self._told = "", Told()

    def ready(self) -> int:
        """The id of its process, once the model is loaded."""
        return os.getpid()

    def begin(self, name: str, parcel: bytes) -> None:
        """Begins an order; one that is under way is stopped after its present step."""
        with self._changed:
            self._name, self._told = name, {"count": 1, "kind": "begun"}
        threading.Thread(target=self._carry_out, args=(name, parcel), name="order", daemon=True).start()

    def news(self, name: str, seen: int) -> Told:
        """What happened last, if it is later than news number `seen`; without a kind, nothing did. The end of an order
        is told at once, steps together with those that follow soon."""
        with self._changed:
            self._changed.wait_for(lambda: self._name != name or self._told["count"] > seen, NEWS_SECONDS)
            self._changed.wait_for(lambda: self._name != name or self._told["kind"] != "step", GATHER_SECONDS)
            return self._told if self._name == name and self._told["count"] > seen else {}

    def stop(self, name: str) -> None:
        with self._changed:
            if self._name == name:
                self._name = ""

    def _carry_out(self, name: str, parcel: bytes) -> None:
        """The boundary of the thread: whatever happens is told."""
        try:
            self._make(name, parcel)
        except ThroughlineError as error:
            self._tell(name, kind="failed", reason=str(error), expected=True)
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            self._tell(name, kind="failed", reason=reason, expected=False)

    def _make(self, name: str, parcel: bytes) -> None:
        with self._one_at_a_time:
            order = opened(parcel, self.media)
            if order.model != self.model:
                raise ThroughlineError(f"an order is for model {order.model[:12]}…: expected {self.model[:12]}…")
            with closing(make(self.pipeline, order, self.media, self._encode)) as steps:
                try:
                    while self._name == name:
                        self._tell_step(name, next(steps))
                except StopIteration as end:
                    data = to_bytes(end.value)
                    self._tell(name, kind="done", data=data, digest=digest_of(data))
        self.media.collect((), OLD_SECONDS)

    def _tell_step(self, name: str, made: Made) -> None:
        """With the last preview and notice: who is told of this step may not have been told of the one before."""
        last = self._told
        seen = {"preview": made.preview or last.get("preview", ""), "notice": made.notice or last.get("notice", "")}
        finished = {"seconds": made.seconds, "lasts": made.lasts}
        self._tell(name, kind="step", step=made.step, total=made.total, **seen, **finished)

    def _tell(self, name: str, **told: Any) -> None:
        with self._changed:
            if self._name == name:
                self._told = {"count": self._told["count"] + 1, **told}
                self._changed.notify_all()

    def _encode(self, prompt: str, keyframe: str) -> HistoryScene:
        key = (prompt, keyframe)
        if key not in self._encoded:
            picture = read_picture(self.media.path(keyframe, "png"))
            if len(self._encoded) >= KEPT_ENCODINGS:
                self._encoded.pop(next(iter(self._encoded)))
            self._encoded[key] = self.pipeline.encode_scene(prompt, picture[None])
        return self._encoded[key]
