"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What some system forbids in names, and what nobody sees but what turns the direction of what is seen.
FORBIDDEN = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+'
)  # by some system, or unseen
MOST_NAME_BYTES = 200  # of the 255 that systems take


def file_name(text: str, otherwise: str) -> str:
    """`text` as a name that every system takes: in its own letters, without what separates folders or can't be seen."""
    name = FORBIDDEN.sub("-", unicodedata.normalize("NFC", text)).strip(" .-")
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > 10:
        stem, dot, suffix = name, "", ""
    kept = stem.encode()[: MOST_NAME_BYTES - len(suffix.encode()) - 1].decode(errors="ignore").rstrip(" .")
    return f"{kept}{dot}{suffix}" if kept else otherwise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`: it takes its place when the block ends well, and goes when it fails.

    Raises OSError if nothing can be written there.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)  # mkstemp lets nobody else read it
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
