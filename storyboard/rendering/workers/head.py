"""The process between the app and Ray: it may hang or be killed, and the app goes on.

    python -m storyboard.rendering.workers.head DESCRIPTOR

It starts Ray, hires a worker for every place there is, on whatever machine, hands parcels to those that are free, and
tells what becomes of them. Messages go through a socket that the app holds the other end of: once that is closed, all
of it ends. A message is a line of JSON, and bytes after it.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .messages import receive, send
from .nodes import PLACE, prepare, start_node

BEAT_SECONDS = 1.0  # from one sign of life to the next, and from one count of the places
LOOK_SECONDS = 0.05  # that a look for news of workers takes while there is none
REST_SECONDS = 0.2  # between looks while no worker has anything to do
REFUSED_SECONDS = 5.0  # until another one is hired after one that could not begin
GET_SECONDS = 10.0  # for what is there already


@dataclass(eq=False)
class Hired:
    """A worker. ready: the answer that it gives once it holds the model; None once it has. task: what it makes."""

    actor: Any
    ready: Any
    task: str = ""
    asked: Any = None  # the answer that will say what is new
    seen: int = 0  # of what is new


class Head:
    """settings: the messages's first, as `link.Link` sends it."""

    def __init__(self, pipe: Connection, settings: dict[str, Any]) -> None:
        import ray
        import ray._private.worker

        self.ray: Any = ray
        self.pipe, self.settings = pipe, settings
        listen = settings["listen"]
        self.node = start_node(listen, settings["workers"], port=settings["port"], folder=settings["folder"])
        ray._private.worker._global_node = self.node  # whose address `init` keeps then, be it loopback
        ray.init(address=self.node.gcs_address, log_to_driver=False, logging_level=logging.WARNING)
        self.hired, self.line, self.places = list[Hired](), deque[tuple[str, bytes]](), 0
        self._beat, self._rest_until = 0.0, 0.0

    def run(self) -> None:
        """Until the app closes its end, which raises EOFError."""
        while True:
            patience = 0.0 if any(one.asked for one in self.hired) else REST_SECONDS
            while self.pipe.poll(patience):
                self._hear(*receive(self.pipe))
                patience = 0.0  # what was asked for is not to wait for more
            if time.monotonic() - self._beat > BEAT_SECONDS:
                self._count()
            self._look()
            self._hand_out()

    def _hear(self, told: dict[str, Any], data: bytes) -> None:
        if told["do"] == "give":
            self.line.append((told["name"], data))
        elif told["do"] == "drop":
            name = told["name"]
            self.line = deque(one for one in self.line if one[0] != name)
            for one in self.hired:
                if one.task == name:
                    one.actor.stop.remote(name)
                    one.task, one.asked = "", None
        elif told["do"] == "end":
            raise EOFError

    def _count(self) -> None:
        """Tells that it lives, and hires if there is a place for one more."""
        self._beat = time.monotonic()
        self.places = int(self.ray.cluster_resources().get(PLACE, 0))
        while len(self.hired) < self.places and self._beat > self._rest_until:
            self.hired.append(self._hire())
        ready = sum(one.ready is None for one in self.hired)
        address = self.node.gcs_address
        send(self.pipe, {"event": "beat", "ready": ready, "address": address, "processes": _processes()})

    def _hire(self) -> Hired:
        """Does not wait for it."""
        from .actor import Worker

        wanted = self.ray.remote(Worker).options(num_cpus=0, resources={PLACE: 1}, max_concurrency=4)
        actor = wanted.remote(self.settings["choice"], self.settings["model"])
        return Hired(actor, actor.ready.remote())

    def _look(self) -> None:
        """Takes the answers that are there."""
        waited = {one.ready or one.asked: one for one in self.hired if one.ready is not None or one.asked is not None}
        if not waited:
            return
        answers, _ = self.ray.wait(list(waited), num_returns=1, timeout=LOOK_SECONDS)
        for answer in answers:
            one = waited[answer]
            try:
                self._take(one, self.ray.get(answer, timeout=GET_SECONDS))
            except self.ray.exceptions.RayActorError as error:
                self._dismiss(one, str(error).splitlines()[0][:300])
            except self.ray.exceptions.RayError as error:
                self._dismiss(one, f"{type(error).__name__}: {error}".splitlines()[0][:300])

    def _take(self, one: Hired, told: Any) -> None:
        if one.ready is not None:
            one.ready, self._beat = None, 0.0  # tell at once that there is one more
            return
        one.asked = None
        if told:
            one.seen = told["count"]
            send(self.pipe, {"event": told["kind"], "name": one.task} | _plain(told), told.get("data", b""))
        if told.get("kind") in ("done", "failed"):
            one.task = ""
        else:
            one.asked = one.actor.news.remote(one.task, one.seen)

    def _dismiss(self, one: Hired, reason: str) -> None:
        """A worker that is lost, or that could not begin at all."""
        self.hired.remove(one)
        self.ray.kill(one.actor)
        if one.task:
            send(self.pipe, {"event": "lost", "name": one.task, "reason": reason})
        if one.ready is not None:
            self._rest_until = time.monotonic() + REFUSED_SECONDS
            send(self.pipe, {"event": "refused", "reason": reason})

    def _hand_out(self) -> None:
        free = [one for one in self.hired if one.ready is None and not one.task]
        for one, (name, data) in zip(free, list(self.line), strict=False):
            self.line.popleft()
            one.task, one.seen = name, 0
            one.actor.begin.remote(name, data)
            one.asked = one.actor.news.remote(name, 0)


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in ("data", "kind", "count")}


def _processes() -> list[tuple[int, float]]:
    """Ids and times of birth of all processes that began here."""
    import psutil

    found = list[tuple[int, float]]()
    for child in psutil.Process().children(recursive=True):
        try:
            found.append((child.pid, child.create_time()))
        except psutil.NoSuchProcess:
            continue
    return found


def main(descriptor: int) -> None:
    """Ends without waiting for Ray, which may not answer any more."""
    os.dup2(2, 1)  # Ray prints
    pipe = Connection(descriptor)
    settings, _ = receive(pipe)
    prepare(settings["token"], str(Path(__file__).resolve().parents[3]))
    head = None
    try:
        head = Head(pipe, settings)
        head.run()
    except (EOFError, OSError):
        pass  # the app has gone
    finally:
        if head:
            head.node.kill_all_processes(check_alive=False, allow_graceful=False)
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
