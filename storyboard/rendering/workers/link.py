"""The app's end of the head: starts it, starts it again, and never waits for it."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from ..jobs.job import Made
from ..model_choice import Choice
from .access import LOOPBACK
from .crew import News
from .messages import receive, send

log = logging.getLogger(__name__)

HEAD = "storyboard.rendering.workers.head"
STARTING_SECONDS, SILENT_SECONDS = 120.0, 30.0  # without a sign of life: from a head that starts, from one that ran
NOBODY_SECONDS = 300.0  # without a worker that is ready, after which the app renders itself until there is one
CLOSING_SECONDS, KILLING_SECONDS = 5.0, 3.0
MOST_STARTS = 3  # of heads in a row of which none had a worker that was ready
MOST_REFUSALS = 6  # workers in a row that could not begin


@dataclass(frozen=True)
class Terms:
    """What a head is told. workers: on this machine; port: for others, 0 for any."""

    choice: Choice
    model: str  # digest of its weights
    token: str
    workers: int
    listen: str = LOOPBACK
    port: int = 0


class Link:
    """`crew.Hands`, by a head in a process of its own."""

    def __init__(self, terms: Terms) -> None:
        self.terms, self.address, self.ready = terms, "", 0
        self.starts = 0  # heads that were started
        self._gone, self._ready_at = False, time.monotonic()
        self._tell: Callable[[int], None] = lambda places: None
        self._most = 0  # workers that were ready at once
        self._news: defaultdict[str, deque[News]] = defaultdict(deque)
        self._parcels: dict[str, bytes] = {}  # that are not over
        self._changed, self._sending = threading.Condition(), threading.Lock()
        self._closed, self._idle_starts, self._refusals = False, 0, 0
        self._processes: list[tuple[int, float]] = []  # of the head, with their times of birth
        self._folder = tempfile.TemporaryDirectory(prefix="tl-", ignore_cleanup_errors=True)  # short: it holds sockets
        self._pipe: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="workers", daemon=True)
        self._thread.start()

    @property
    def gone(self) -> bool:
        return self._gone or (self.ready == 0 and time.monotonic() - self._ready_at > NOBODY_SECONDS)

    # --- `Hands` ---------------------------------------------------------------------------------------------------

    def give(self, parcel: bytes) -> str:
        name = secrets.token_hex(8)
        with self._sending:
            with self._changed:
                self._parcels[name] = parcel
            self._send({"do": "give", "name": name}, parcel)
        return name

    def news(self, name: str, patience: float) -> News | None:
        with self._changed:
            self._changed.wait_for(lambda: self._news.get(name), patience)
            return self._news[name].popleft() if self._news.get(name) else None

    def drop(self, name: str) -> None:
        with self._sending:
            with self._changed:
                self._parcels.pop(name, None)
                self._news.pop(name, None)
            self._send({"do": "drop", "name": name})

    def tell_places(self, tell: Callable[[int], None]) -> None:
        with self._changed:
            self._tell = tell
        if self._most:
            tell(self._most)

    def close(self) -> None:
        self._closed = self._gone = True
        if self._sending.acquire(timeout=CLOSING_SECONDS):  # not if a head does not read: it is killed below
            self._send({"do": "end"})
            self._sending.release()
        self._thread.join(CLOSING_SECONDS)
        self._kill()
        self._thread.join(CLOSING_SECONDS)
        self._folder.cleanup()

    def wait_ready(self, workers: int, patience: float) -> bool:
        """Whether so many workers hold the model, waiting so many seconds at most."""
        with self._changed:
            return self._changed.wait_for(lambda: self.ready >= workers or self._gone, patience) and not self._gone

    # --- its processes -----------------------------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The id of the head's process."""
        return self._processes[0][0]

    def alive(self) -> list[psutil.Process]:
        """All processes of the head that live."""
        found = []
        for pid, born in list(self._processes):
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def workers(self) -> list[int]:
        """Ids of the processes of this machine that hold a pipeline, as far as the last sign of life told of them."""
        found = []
        for process in self.alive():
            with suppress(psutil.Error):
                if "ray::Worker" in " ".join(process.cmdline()):
                    found.append(process.pid)
        return found

    # --- the head --------------------------------------------------------------------------------------------------

    def _send(self, told: dict[str, Any], data: bytes = b"") -> None:
        """To no head if there is none just now: all parcels go to the next one. With `_sending` held, so that a head
        hears of every parcel once; without `_changed`, or who waits for news would wait for a head that does not
        read."""
        if self._pipe is not None:
            with suppress(OSError):
                send(self._pipe, told, data)

    def _run(self) -> None:
        while not self._closed:
            pipe, process = self._start()
            reason = self._listen(pipe)
            self._lose(process, reason)
            with self._sending:
                pipe.close()

    def _start(self) -> tuple[Connection, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", HEAD, str(theirs.fileno())]
        source = str(Path(__file__).resolve().parents[3])
        with theirs:
            process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], cwd=source, start_new_session=True, stdin=subprocess.DEVNULL
            )
        for kind in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):  # a head may hang in the middle of a message
            ours.setsockopt(socket.SOL_SOCKET, kind, struct.pack("ll", int(SILENT_SECONDS), 0))
        pipe = Connection(ours.detach())
        terms = asdict(self.terms) | {"folder": tempfile.mkdtemp(prefix="h", dir=self._folder.name)}
        with self._changed:
            self.starts += 1
            self._idle_starts += 1
            self._processes = [(process.pid, psutil.Process(process.pid).create_time())]
        with suppress(OSError):  # it is gone already, as will be heard
            send(pipe, terms)
        return pipe, process

    def _listen(self, pipe: Connection) -> str:
        """Hears a head until it is lost; why it is."""
        patience = STARTING_SECONDS
        try:
            while pipe.poll(patience):
                told, data = receive(pipe)
                if patience != SILENT_SECONDS:  # it is the first: a beat
                    self._hand_over(pipe)
                    patience = SILENT_SECONDS
                with self._changed:
                    self._hear(told, data)
                    self._changed.notify_all()
        except (EOFError, OSError, ValueError) as error:
            return f"it ended ({type(error).__name__})"
        return f"it was silent for {patience:g} s"

    def _hand_over(self, pipe: Connection) -> None:
        """Gives what waits to a head that listens by now."""
        with self._sending:
            with self._changed:
                waiting = list(self._parcels.items())
            self._pipe = pipe
            for name, parcel in waiting:
                self._send({"do": "give", "name": name}, parcel)

    def _hear(self, told: dict[str, Any], data: bytes) -> None:
        event, name = told.pop("event"), told.pop("name", "")
        if event == "beat":
            self._beat(**told)
        elif event == "refused":
            self._refusals += 1
            log.warning("a worker could not begin: %s", told["reason"])
            self._gone = self._gone or self._refusals >= MOST_REFUSALS
        elif name in self._parcels:
            made = Made(**told) if event == "step" else Made()
            rest = told if event != "step" else {}
            self._news[name].append(News(event, made, data, **rest))

    def _beat(self, ready: int, address: str, processes: Iterable[tuple[int, float]]) -> None:
        self.ready, self.address = ready, address
        self._processes = [self._processes[0], *((pid, born) for pid, born in processes)]
        if ready:
            self._ready_at = time.monotonic()
            self._idle_starts = self._refusals = 0
        if ready > self._most:
            self._most = ready
            self._tell(ready)

    def _lose(self, process: subprocess.Popen[bytes], reason: str) -> None:
        """Ends what is left of a head; what it had is lost."""
        self._kill()
        process.wait()
        with self._changed:
            if self._closed:
                return
            log.warning("the head of the workers is lost: %s", reason)
            self._pipe, self.ready = None, 0
            self._gone = self._gone or self._idle_starts >= MOST_STARTS
            for name in self._parcels:
                self._news[name].append(News("lost", reason="the head of the workers was lost", by_head=True))
            self._parcels.clear()
            self._closed = self._closed or self._gone
            self._changed.notify_all()

    def _kill(self) -> None:
        killed = self.alive()
        for process in killed:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs([one for one in killed if one.pid != self.head], KILLING_SECONDS)  # `Popen` waits for that


def worker_threads(workers: int) -> int:
    """How many threads of the processor each of so many workers has, so that they don't crowd each other out."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(asked) if asked.isdecimal() and int(asked) else max(1, cores // max(1, workers))
