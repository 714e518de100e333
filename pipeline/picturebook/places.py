"""Paints the places. Each has a sky, a ground and two landmarks whose colours are the place's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from .brush import RGB, Brush, shade
from .world import COLOURS, Place

HORIZON = 0.66  # of the height
SKIES: dict[str, tuple[RGB, RGB]] = {  # top, bottom
    "day": ((112, 190, 240), (206, 236, 250)),
    "dusk": ((236, 132, 120), (255, 214, 156)),
    "night": ((28, 34, 84), (84, 92, 150)),
}
LIGHT = {"day": 1.0, "dusk": 0.9, "night": 0.62}  # how bright the ground and the trees are


def sky(time: str, width: int, height: int) -> Image.Image:
    """A sky that fades from top to bottom, (height, width, 3)."""
    top, bottom = (np.array(c, np.float32) for c in SKIES[time])
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    rows = top * (1 - fade) + bottom * fade
    return Image.fromarray(np.repeat(rows[:, None, :], width, axis=1).round().astype(np.uint8))


def paint_place(place: Place, width: int, height: int) -> Image.Image:
    """The empty stage of a place, (height, width, 3)."""
    image = sky(place.look.time, width, height)
    stage = Stage(Brush(image), place, width, height)
    stage.heaven()
    PAINTERS[place.kind](stage)
    return image


class Stage:
    """Shapes in shares of the picture; a landmark on the right is painted as the mirror image of one on the left."""

    def __init__(self, brush: Brush, place: Place, width: int, height: int) -> None:
        self.brush, self.width, self.height = brush, width, height
        self.time = place.look.time
        self.light = LIGHT[self.time]
        lamp = 0.86 if self.time == "night" else 1.0
        self.main, self.second = (shade(COLOURS[c], lamp) for c in (place.look.main, place.look.second))
        self.mirrored = place.look.side == "right"

    def x(self, share: float) -> float:
        return (1 - share if self.mirrored else share) * self.width

    def lit(self, colour: RGB) -> RGB:
        return shade(colour, self.light)

    def ground(self, colour: RGB) -> None:
        h = self.height
        self.brush.box(0, HORIZON * h, self.width, h, self.lit(colour))
        self.brush.box(0, 0.86 * h, self.width, h, shade(self.lit(colour), 0.93))

    def box(self, left: float, top: float, right: float, bottom: float, colour: RGB, radius: float = 0) -> None:
        a, b = sorted((self.x(left), self.x(right)))
        self.brush.box(a, top * self.height, b, bottom * self.height, colour, radius=radius * self.height)

    def polygon(self, points: list[tuple[float, float]], colour: RGB) -> None:
        self.brush.polygon([(self.x(x), y * self.height) for x, y in points], colour)

    def disc(self, x: float, y: float, radius: float, colour: RGB, squash: float = 1.0) -> None:
        self.brush.disc((self.x(x), y * self.height), radius * self.height, colour, squash=squash)

    def dome(self, x: float, y: float, radius: float, colour: RGB) -> None:
        self.brush.dome((self.x(x), y * self.height), radius * self.height, colour)

    def line(self, a: tuple[float, float], b: tuple[float, float], width: float, colour: RGB) -> None:
        ends = [(self.x(x), y * self.height) for x, y in (a, b)]
        self.brush.line(ends[0], ends[1], width * self.height, colour)

    def heaven(self) -> None:
        """Sun, low sun or moon with stars."""
        if self.time == "day":
            self.disc(0.52, 0.14, 0.08, (255, 236, 140))
            for x, y in ((0.36, 0.12), (0.41, 0.09), (0.45, 0.13)):
                self.disc(x, y, 0.05, (250, 252, 255), squash=0.7)
        elif self.time == "dusk":
            self.disc(0.5, 0.5, 0.15, (255, 236, 170))
        else:
            self.disc(0.52, 0.14, 0.07, (250, 246, 214))
            for x, y in ((0.1, 0.1), (0.3, 0.06), (0.42, 0.2), (0.66, 0.09), (0.82, 0.16), (0.93, 0.05)):
                self.disc(x, y, 0.012, (250, 246, 214))


def _playground(s: Stage) -> None:
    s.ground((132, 196, 104))
    s.polygon([(0.06, 0.28), (0.13, 0.28), (0.36, 0.74), (0.28, 0.76)], s.main)  # slide
    for x in (0.035, 0.11):
        s.line((x, 0.28), (x, 0.76), 0.03, shade(s.main, 0.7))
    for a, b in (((0.68, 0.76), (0.74, 0.22)), ((0.74, 0.22), (0.92, 0.22)), ((0.92, 0.22), (0.98, 0.76))):
        s.line(a, b, 0.035, s.second)  # swing
    for x in (0.79, 0.87):
        s.line((x, 0.24), (x, 0.56), 0.014, (90, 84, 84))
    s.box(0.76, 0.55, 0.9, 0.6, shade(s.second, 0.75))


def _snow(s: Stage) -> None:
    s.polygon([(0.3, 0.68), (0.6, 0.24), (0.92, 0.68)], s.lit((150, 166, 196)))
    s.polygon([(0.515, 0.365), (0.6, 0.24), (0.69, 0.365), (0.6, 0.4)], s.lit((250, 252, 255)))
    s.ground((240, 245, 252))
    s.box(0.05, 0.44, 0.29, 0.72, s.main)  # cabin
    s.polygon([(0.02, 0.46), (0.17, 0.24), (0.32, 0.46)], s.second)
    s.box(0.13, 0.54, 0.21, 0.72, shade(s.main, 0.6))
    for x in (0.8, 0.92):
        s.polygon([(x - 0.07, 0.72), (x, 0.36), (x + 0.07, 0.72)], s.lit((60, 116, 96)))


def _beach(s: Stage) -> None:
    s.brush.box(0, 0.5 * s.height, s.width, HORIZON * s.height, s.lit((60, 150, 206)))
    s.ground((244, 220, 164))
    s.polygon([(0.66, 0.55), (0.94, 0.55), (0.89, 0.64), (0.71, 0.64)], s.second)  # boat
    s.line((0.8, 0.56), (0.8, 0.24), 0.02, (110, 80, 60))
    s.polygon([(0.815, 0.26), (0.815, 0.52), (0.93, 0.52)], shade(s.second, 1.45))
    s.line((0.17, 0.36), (0.17, 0.8), 0.025, (110, 80, 60))
    s.dome(0.17, 0.46, 0.22, s.main)  # umbrella
    s.polygon([(0.125, 0.46), (0.17, 0.24), (0.215, 0.46)], shade(s.main, 1.5))


def _forest(s: Stage) -> None:
    s.box(0, 0.5, 1, 0.7, s.lit((70, 132, 88)))
    s.ground((104, 156, 84))
    for x, y, r, colour in ((0.13, 0.4, 0.25, s.main), (0.87, 0.36, 0.22, s.second), (0.66, 0.46, 0.13, s.second)):
        s.box(x - 0.022, y, x + 0.022, 0.76, s.lit((112, 78, 52)))
        s.disc(x, y, r, shade(colour, 0.88))
        s.disc(x + 0.015, y - 0.03, r * 0.78, colour)


def _street(s: Stage) -> None:
    windows = (255, 238, 160) if s.time != "day" else (196, 226, 244)
    for left, right, top, colour in (
        (0.02, 0.3, 0.2, s.main),
        (0.36, 0.62, 0.4, (186, 176, 168)),
        (0.68, 0.98, 0.26, s.second),
    ):
        s.box(left, top, right, 0.7, colour)
        s.box(left, top, right, top + 0.045, shade(colour, 0.75))
        for x in (left + 0.05, right - 0.11):
            s.box(x, top + 0.1, x + 0.06, top + 0.22, windows)
    s.ground((126, 126, 138))
    s.brush.box(0, HORIZON * s.height, s.width, 0.71 * s.height, s.lit((196, 190, 184)))
    for i in range(5):
        s.box(0.04 + 0.2 * i, 0.9, 0.15 + 0.2 * i, 0.925, s.lit((240, 236, 220)))


def _kitchen(s: Stage) -> None:
    h = s.height
    window = (int(s.x(0.5) - 0.19 * s.width), int(0.1 * h), int(s.x(0.5) + 0.19 * s.width), int(0.5 * h))
    wall = shade(s.second, 1.5)
    for box in (
        (0, 0, window[0], h),
        (window[2], 0, s.width, h),
        (0, 0, s.width, window[1]),
        (0, window[3], s.width, h),
    ):
        s.brush.box(*box, wall)
    for a, b in (
        ((0.31, 0.1), (0.31, 0.5)),
        ((0.69, 0.1), (0.69, 0.5)),
        ((0.31, 0.1), (0.69, 0.1)),
        ((0.31, 0.5), (0.69, 0.5)),
    ):
        s.line(a, b, 0.03, (250, 250, 246))
    s.ground((206, 160, 112))
    s.box(0.02, 0.44, 0.3, 0.78, s.main)  # stove
    s.box(0.06, 0.54, 0.26, 0.72, shade(s.main, 0.6), radius=0.02)
    s.box(0.01, 0.41, 0.31, 0.45, (236, 236, 236))
    s.box(0.09, 0.3, 0.23, 0.41, (150, 156, 166), radius=0.02)
    s.box(0.76, 0.2, 0.97, 0.78, s.second, radius=0.03)  # fridge
    s.box(0.76, 0.4, 0.97, 0.415, shade(s.second, 0.7))
    s.box(0.785, 0.27, 0.8, 0.36, (240, 240, 240))


def _desert(s: Stage) -> None:
    s.polygon([(0.36, 0.7), (0.62, 0.34), (0.66, 0.7)], s.lit((226, 176, 104)))
    s.polygon([(0.62, 0.34), (0.88, 0.7), (0.66, 0.7)], s.lit((190, 138, 82)))
    s.ground((238, 196, 122))
    s.line((0.14, 0.34), (0.14, 0.78), 0.12, s.main)  # cactus
    for x, y, top in ((0.055, 0.54, 0.44), (0.225, 0.5, 0.36)):
        s.line((0.14, y), (x, y), 0.075, s.main)
        s.line((x, y), (x, top), 0.075, s.main)
    s.polygon([(0.74, 0.78), (0.865, 0.46), (0.99, 0.78)], s.second)  # tent
    s.polygon([(0.83, 0.78), (0.865, 0.56), (0.9, 0.78)], shade(s.second, 0.55))


def _farm(s: Stage) -> None:
    s.disc(0.55, 0.86, 0.34, s.lit((112, 176, 96)), squash=0.9)
    s.ground((148, 200, 104))
    s.polygon([(0.03, 0.74), (0.03, 0.42), (0.17, 0.2), (0.31, 0.42), (0.31, 0.74)], s.main)  # barn
    s.line((0.03, 0.42), (0.17, 0.2), 0.035, shade(s.main, 0.65))
    s.line((0.17, 0.2), (0.31, 0.42), 0.035, shade(s.main, 0.65))
    s.box(0.12, 0.52, 0.22, 0.74, (246, 240, 226))
    s.box(0.72, 0.52, 0.97, 0.68, s.second, radius=0.03)  # tractor
    s.box(0.84, 0.36, 0.95, 0.54, shade(s.second, 0.8))
    s.box(0.86, 0.4, 0.93, 0.5, (206, 232, 244))
    for x, r in ((0.76, 0.075), (0.91, 0.11)):
        s.disc(x, 0.7, r, (52, 48, 54))
        s.disc(x, 0.7, r * 0.45, (206, 200, 190))


PAINTERS: dict[str, Callable[[Stage], None]] = {
    "playground": _playground,
    "snow": _snow,
    "beach": _beach,
    "forest": _forest,
    "street": _street,
    "kitchen": _kitchen,
    "desert": _desert,
    "farm": _farm,
}
