"""Messages between the app and the head: a line of JSON, and bytes after it."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection
from typing import Any


def send(pipe: Connection, told: dict[str, Any], data: bytes = b"") -> None:
    """Raises OSError if nobody holds the other end."""
    pipe.send_bytes(json.dumps(told).encode() + b"\n" + data)


def receive(pipe: Connection) -> tuple[dict[str, Any], bytes]:
    """Waits for one. Raises EOFError if nobody holds the other end."""
    line, _, data = pipe.recv_bytes().partition(b"\n")
    told: dict[str, Any] = json.loads(line)
    return told, data
