"""Who may join: the address that the head listens on, and the token that every machine must have."""

from __future__ import annotations

import ipaddress
import os
import secrets
import stat
from pathlib import Path

from pipeline.errors import ThroughlineError

LOOPBACK = "127.0.0.1"
PORT = 6380  # of the head, if it listens to other machines
VARIABLE = "THROUGHLINE_WORKER_TOKEN"
FILE = "worker-token"  # in the folder of the app
LEAST = 32  # characters of a token


def is_loopback(address: str) -> bool:
    """Raises ThroughlineError for what is no IP address, and for one that means all of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise ThroughlineError(f"worker-listen is {address!r}: expected an IP address of this machine") from None
    if found.is_unspecified:
        raise ThroughlineError(f"worker-listen is {address!r}: expected one address of this machine, not all of them")
    return found.is_loopback


def token_for(listen: str, folder: Path) -> str:
    """The token of a head: of the environment, else of a file, which is made if the head listens to this machine alone.

    Raises ThroughlineError for an address of the network without a token, and for a file that others can read.
    """
    given, file = os.environ.get(VARIABLE), folder / FILE
    if given:
        return checked(given, VARIABLE)
    if file.exists():
        return read_token(file)
    if not is_loopback(listen):
        raise ThroughlineError(
            f"worker-listen is {listen!r} and there is no token: expected one in {VARIABLE}, or in {file}"
        )
    return _made(file)


def read_token(file: Path) -> str:
    """Raises ThroughlineError for a file that is missing or that others can read."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise ThroughlineError(f"{file} has mode {mode:o}: expected 600, nobody else may read the token")
        return checked(file.read_text(encoding="utf-8").strip(), str(file))
    except OSError as error:
        raise ThroughlineError(f"{file} can't be read: {error.strerror}") from error


def checked(token: str, place: str) -> str:
    """Raises ThroughlineError for a token that is too short to be one."""
    if len(token) < LEAST:
        raise ThroughlineError(f"the token in {place} has {len(token)} characters: expected at least {LEAST}")
    return token


def _made(file: Path) -> str:
    token = secrets.token_hex(LEAST)
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(token)
    return token


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT. Raises ThroughlineError for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise ThroughlineError(f"join is {text!r}: expected HOST:PORT")
    return host, int(port)
