"""How large a small model's pictures are shown."""

from __future__ import annotations

GOOD_WIDTH = 576  # pixels: a clip is enlarged until it is at least this wide


def good_scale(width: int) -> int:
    """The whole number that enlarges `width` pixels to GOOD_WIDTH or just more."""
    return max(1, -(-GOOD_WIDTH // width))
