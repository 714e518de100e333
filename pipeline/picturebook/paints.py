"""How a look is painted: the world's colours by name, and looks that it never draws by their values.

A look is "[shape] colour[/stripe]": "red", "#e87ab0", "#ffffff/#e87ab0" with stripes, "cone #e87ab0" for a hat that is
no dome.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..errors import ThroughlineError
from .brush import RGB
from .world import COLOURS

SHAPES = ("cone", "cylinder")  # of hats, beside the dome that everybody in the world has
_LOOK = re.compile(rf"(?:({'|'.join(SHAPES)}) )?([a-z]+|#[0-9a-f]{{6}})(?:/([a-z]+|#[0-9a-f]{{6}}))?")


class Paint(NamedTuple):
    colour: RGB
    stripe: RGB | None = None
    shape: str = ""


@lru_cache(maxsize=256)
def paint(look: str) -> Paint:
    """Raises ThroughlineError for a look that can't be painted."""
    found = _LOOK.fullmatch(look)
    if not found:
        raise ThroughlineError(f"look is {look!r}: expected a colour of the world or #rrggbb, such as 'cone #e87ab0'")
    shape, colour, stripe = found.groups()
    return Paint(_rgb(colour), _rgb(stripe) if stripe else None, shape or "")


def _rgb(colour: str) -> RGB:
    if colour.startswith("#"):
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
    if colour not in COLOURS:
        raise ThroughlineError(f"colour is {colour!r}: expected #rrggbb or one of {', '.join(COLOURS)}")
    return COLOURS[colour]
