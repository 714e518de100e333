"""A brush that paints a picture and, with the same strokes, the mask of who is where."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]


def shade(colour: RGB, factor: float) -> RGB:
    """Darker (factor < 1) or lighter (factor > 1, towards white) version of a colour."""
    if factor <= 1:
        return tuple(int(c * factor) for c in colour)  # type: ignore[return-value]
    return tuple(int(c + (255 - c) * (factor - 1)) for c in colour)  # type: ignore[return-value]


def step(origin: Point, angle: float, length: float) -> Point:
    """The point `length` away from `origin`; angle 0 is straight down, positive is forward (to the right)."""
    return origin[0] + math.sin(angle) * length, origin[1] + math.cos(angle) * length


class Brush:
    """Fills shapes in `image` and, if there is a mask, writes `label` into it at the same places."""

    def __init__(self, image: Image.Image, mask: Image.Image | None = None) -> None:
        self._draw = ImageDraw.Draw(image)
        self._mask = ImageDraw.Draw(mask) if mask is not None else None
        self.label = 0

    def _each(self, shape: str, where: Sequence, colour: RGB, **options) -> None:
        getattr(self._draw, shape)(where, fill=colour, **options)
        if self._mask is not None:
            getattr(self._mask, shape)(where, fill=self.label, **options)

    def disc(self, centre: Point, radius: float, colour: RGB, *, squash: float = 1.0) -> None:
        """A filled ellipse; `squash` is its height over its width."""
        (x, y), dy = centre, radius * squash
        self._each("ellipse", [x - radius, y - dy, x + radius, y + dy], colour)

    def dome(self, centre: Point, radius: float, colour: RGB, *, start: float = 180, end: float = 360) -> None:
        (x, y) = centre
        box = [x - radius, y - radius, x + radius, y + radius]
        self._draw.pieslice(box, start, end, fill=colour)
        if self._mask is not None:
            self._mask.pieslice(box, start, end, fill=self.label)

    def box(self, left: float, top: float, right: float, bottom: float, colour: RGB, *, radius: float = 0) -> None:
        self._each("rounded_rectangle", [left, top, right, bottom], colour, radius=radius)

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        self._each("polygon", list(points), colour)

    def line(self, a: Point, b: Point, width: float, colour: RGB) -> None:
        """A stroke with round ends."""
        self._each("line", [a, b], colour, width=max(1, round(width)))
        self.disc(a, width / 2, colour)
        self.disc(b, width / 2, colour)

    def ring(self, centre: Point, radius: float, width: float, colour: RGB) -> None:
        box = [centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius]
        self._draw.ellipse(box, outline=colour, width=max(1, round(width)))
        if self._mask is not None:
            self._mask.ellipse(box, outline=self.label, width=max(1, round(width)))
