"""Typefaces for documents: one that a requirement installs, and those of the system for letters that it lacks.

Does not cover: scripts for which the system has no font, whose letters come out as empty boxes; emoji in colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import files
from pathlib import Path

from ..film.captions import Typeface, typeface_for

PACKAGE, FILE = "matplotlib-fontja", "ipaexg.ttf"  # IPAexGothic: Japanese and Latin
WIDE_IN_IT = re.compile("[\u0370-\u052f]")  # Greek and Cyrillic, which it draws as wide as Japanese


def fonts_for(texts: Iterable[str]) -> list[Path]:
    """Files of typefaces, the first for most letters, the others for what it lacks."""
    own = Path(str(next(file.locate() for file in files(PACKAGE) or () if file.name == FILE)))
    text = "".join(texts)
    wide = "".join(WIDE_IN_IT.findall(text))
    lacking = "".join(letter for letter in set(text) if not letter.isspace() and Typeface(own).lacks(letter))
    other = typeface_for([wide, lacking]).file if wide or lacking else None
    if other is None:
        return [own]
    return [other, own] if wide else [own, other]
