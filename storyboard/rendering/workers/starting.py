"""Options of commands that have workers, and a crew made of them."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ThroughlineError

from ..model_choice import Choice
from .access import FILE, LOOPBACK, PORT, VARIABLE, checked, is_loopback, parse_address, read_token, token_for
from .nodes import check_available, prepare, start_node

if TYPE_CHECKING:
    from .crew import Crew

MOST = 64
LOOK_SECONDS = 2.0  # from one look at the head to the next
WORKERS_HELP = (
    "render scenes that do not need one another at once, by so many processes of this machine, each with the model "
    "(needs Ray; 0 with --worker-listen: only by machines that join; default: none, the app renders itself)"
)
LISTEN_HELP = f"address of this machine, or ADDRESS:PORT, on which other machines may join (default port: {PORT})"


@dataclass(frozen=True)
class Wanted:
    """workers: on this machine. listen, port: for other machines."""

    workers: int
    listen: str = LOOPBACK
    port: int = 0

    @classmethod
    def of(cls, options: argparse.Namespace) -> Wanted | None:
        """None if no workers were asked for. Raises ThroughlineError for what can't be."""
        workers, listen = options.workers, options.worker_listen
        if workers is None and listen is None:
            return None
        workers = 0 if workers is None else workers
        if not 0 <= workers <= MOST or (not workers and listen is None):
            raise ThroughlineError(f"workers is {workers}: expected 1 to {MOST}, or 0 with --worker-listen")
        host, port = _place(listen) if listen else (LOOPBACK, 0)
        is_loopback(host)
        return cls(workers, host, port)


def _place(text: str) -> tuple[str, int]:
    return parse_address(text) if text.count(":") == 1 else (text, PORT)


def add_options(group: argparse._ActionsContainer) -> None:
    """The options of `Wanted`."""
    group.add_argument("--workers", type=int, metavar="N", help=WORKERS_HELP)
    group.add_argument("--worker-listen", metavar="ADDRESS", help=LISTEN_HELP)


def start(wanted: Wanted, choice: Choice, folder: Path) -> Crew:
    """Begins to start the workers. folder: of the app, where the token is. Raises ThroughlineError without Ray, and
    for an address of the network without a token."""
    check_available()
    token = token_for(wanted.listen, folder)
    from .crew import Crew
    from .link import Link, Terms, worker_threads

    model = choice.digest()
    terms = Terms(choice, model, token, wanted.workers, wanted.listen, wanted.port)
    return Crew(Link(terms), model, worker_threads(wanted.workers))


def join(address: str, workers: int, listen: str | None, folder: Path) -> None:
    """Lends so many places of this machine to a head until it is interrupted, or the head is gone. Raises
    ThroughlineError without Ray or a token, and for a head that does not answer."""
    check_available()
    host, port = parse_address(address)
    prepare(_token(folder), str(Path(__file__).resolve().parents[3]))
    ip = _resolved(host)
    head = f"{ip}:{port}"
    own = listen or (LOOPBACK if is_loopback(ip) else _own_address(ip, port))
    on_end = signal.getsignal(signal.SIGTERM)
    try:
        node = start_node(own, workers, head)
    except Exception as error:
        reason = str(error).splitlines()[0][:200]
        raise ThroughlineError(f"the head at {head} could not be joined: {reason}") from error
    signal.signal(signal.SIGTERM, on_end)  # Ray's own waits half a minute
    print(f"joined {head} with {workers} place{'s' if workers > 1 else ''}", flush=True)
    try:
        while node.remaining_processes_alive():
            time.sleep(LOOK_SECONDS)
    finally:
        node.kill_all_processes(check_alive=False, allow_graceful=False)
    raise ThroughlineError(f"the head at {head} is gone")


def _resolved(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError:
        raise ThroughlineError(f"join is {host!r}: expected the name or address of a machine") from None


def _own_address(ip: str, port: int) -> str:
    """The address of this machine that others see when it talks to them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((ip, port))  # sends nothing
        own: str = probe.getsockname()[0]
    return own


def _token(folder: Path) -> str:

    given = os.environ.get(VARIABLE)
    return checked(given, VARIABLE) if given else read_token(folder / FILE)
