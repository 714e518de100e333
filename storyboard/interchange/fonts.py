"""Typefaces for documents: one that a requirement installs, and those of the system for letters that it lacks.

Does not cover: scripts for which the system has no font, whose letters come out as empty boxes; emoji in colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import files
from pathlib import Path

from ..export.captions import Typeface, typeface_for

PACKAGE, FILE = "matplotlib-fontja", "ipaexg.ttf"  # IPAexGothic: Japanese, Latin, Greek, Cyrillic


def fonts_for(texts: Iterable[str]) -> list[Path]:
    """Files of typefaces, the first for most letters, the others for what it lacks."""
    own = Path(str(next(file.locate() for file in files(PACKAGE) or () if file.name == FILE)))
    text = "".join(texts)
    lacking = "".join(letter for letter in set(text) if not letter.isspace() and Typeface(own).lacks(letter))
    other = typeface_for([lacking]).file if lacking else None
    return [own, other] if other else [own]
