"""What comes in from pages, shells and programs, checked and turned into values. Raises ThroughlineError."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError

from .story import Board, Take, WordRef, parse

OWNER = re.compile(r"^[0-9A-Za-z_-]{16,64}$")
MOST_BYTES = 20 * 2**20  # of an upload


def checked_owner(owner: str) -> str:
    if not isinstance(owner, str) or not OWNER.match(owner):
        raise ThroughlineError("owner is no secret of 16 to 64 letters and digits")
    return owner


def arguments_of(board: Board, name: str, op: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an edit, from JSON."""
    arguments = {key: value for key, value in op.items() if key not in ("changes", "fields", "scene", "do")}
    if "scene" in op:
        arguments["scene_id"] = op["scene"]
    arguments |= _mapping(op.get("changes", {})) | _mapping(op.get("fields", {}))
    if "word" in op:
        arguments["word"] = parse(WordRef, op["word"])
    if name in ("choose_take", "remove_take"):
        taken = take_of(board, op.get("scene", ""), arguments.pop("take", ""))
        arguments["take_id"] = taken.id
        if name == "remove_take":
            rest = [take.id for take in board.takes(taken.scene) if take.id != taken.id]
            arguments["instead"] = rest[-1] if rest else None
    return arguments


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ThroughlineError(f"changes are {value!r}: expected names with values")
    return value


def take_of(board: Board, scene: str, take: str) -> Take:
    found = board.shelf.get(take)
    if found is None or found.scene != scene:
        raise ThroughlineError(f"take {take!r} does not exist in scene {scene!r}")
    return found


@contextmanager
def uploaded(data: str, name: str) -> Iterator[Path]:
    """An upload, base64, as a temporary file with the name's ending."""
    if len(data) > MOST_BYTES * 4 / 3 + 4:
        raise ThroughlineError(f"{name!r} is too large: expected at most {MOST_BYTES // 2**20} MB")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ThroughlineError(f"{name!r} did not arrive whole: try again") from None
    with tempfile.TemporaryDirectory(prefix="throughline-") as folder:
        path = Path(folder) / (re.sub(r"[^\w.-]", "_", Path(name).name)[-100:].lstrip(".") or "upload")
        path.write_bytes(content)
        yield path
