"""Draws an actor in the middle of an action: a pose is a few angles, a figure is a pose in clothes.

Lengths are in figure units u: a figure is about 6 u tall and its head 2.4 u wide. Everybody faces right.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from .brush import RGB, Brush, Point, shade, step
from .paints import paint
from .world import HAIRS, SKIN_OF_KIND, Actor

Limb = tuple[float, float]  # angles of the upper and of the lower half, radians from straight down

THIGH, SHIN, TORSO, UPPER_ARM, FOREARM, HEAD = 0.85, 0.8, 1.75, 0.85, 0.8, 1.2
INK: RGB = (40, 36, 48)
# radians of phase and units of travel a frame
PACE = {
    "running": 0.95,
    "walking": 0.6,
    "jumping": 0.55,
    "waving": 0.8,
    "dancing": 0.6,
    "skiing": 0.4,
    "cycling": 0.7,
    "playing": 0.55,
}
TRAVEL = {"running": 0.26, "walking": 0.12, "skiing": 0.3, "cycling": 0.24}


@dataclass(frozen=True)
class Pose:
    legs: tuple[Limb, Limb] = ((-0.12, -0.12), (0.12, 0.12))  # far leg, near leg
    arms: tuple[Limb, Limb] = ((-0.35, -0.15), (0.35, 0.45))  # far arm, near arm
    lean: float = 0.0  # of the torso, radians
    lift: float = 0.0  # feet above the ground
    sway: float = 0.0  # sideways


def pose(action: str, p: float) -> Pose:
    """The pose of an action at phase p (radians)."""
    s, c = math.sin(p), math.cos(p)
    if action == "running":
        bend = (0.3 + 0.9 * max(0.0, c), 0.3 + 0.9 * max(0.0, -c))
        legs = ((1.0 * s, 1.0 * s - bend[0]), (-1.0 * s, -1.0 * s - bend[1]))
        return Pose(legs, ((-1.1 * s, -1.1 * s + 1.3), (1.1 * s, 1.1 * s + 1.3)), 0.3, 0.3 * abs(c))
    if action == "walking":
        legs = ((0.5 * s, 0.5 * s - 0.25 * max(0.0, c)), (-0.5 * s, -0.5 * s - 0.25 * max(0.0, -c)))
        return Pose(legs, ((-0.5 * s, -0.5 * s + 0.2), (0.5 * s, 0.5 * s + 0.2)), 0.04, 0.06 * abs(c))
    if action == "jumping":
        up = s * s
        legs = ((-0.35 + 0.5 * up, -0.1 - 0.9 * up), (0.35 + 0.3 * up, 0.1 - 0.9 * up))
        return Pose(legs, ((-0.5 - 1.9 * up, -0.3 - 2.3 * up), (0.5 + 1.9 * up, 0.3 + 2.3 * up)), 0.0, 1.5 * up)
    if action == "waving":
        return Pose(arms=((-0.4, -0.25), (1.9, 2.65 + 0.55 * s)))
    if action == "dancing":
        legs = ((-0.25 - 0.35 * max(0.0, s), -0.1), (0.25 + 0.35 * max(0.0, -s), 0.1))
        return Pose(legs, ((-1.5 - 0.7 * s, -1.9 - 0.9 * s), (1.5 - 0.7 * s, 1.9 - 0.9 * s)), 0.16 * s, 0, 0.45 * s)
    if action == "skiing":
        return Pose(((0.6, -0.5), (0.75, -0.45)), ((0.5 + 0.3 * s, 1.3), (0.7 + 0.3 * s, 1.4)), 0.42, 0.1)
    if action == "cycling":
        legs = (_pedal_leg(p + math.pi), _pedal_leg(p))
        return Pose(legs, ((1.0, 1.25), (0.95, 1.2)), 0.34, 0.78)
    return Pose(arms=((-0.4, -0.2), (0.85 + 0.35 * s, 1.3 + 0.35 * s)))  # playing with a ball


def _pedal_leg(p: float) -> Limb:
    """Angles of a leg whose foot turns around a pedal crank ahead of and below the hip."""
    x, y = 0.42 + 0.38 * math.cos(p), 1.05 + 0.38 * math.sin(p)
    reach = min(math.hypot(x, y), THIGH + SHIN - 0.01)
    cosine = (THIGH**2 + reach**2 - SHIN**2) / (2 * THIGH * reach)
    thigh = math.atan2(x, y) + math.acos(max(-1.0, min(1.0, cosine)))
    knee = (math.sin(thigh) * THIGH, math.cos(thigh) * THIGH)
    return thigh, math.atan2(x - knee[0], y - knee[1])


def figure(brush: Brush, actor: Actor, action: str, feet: Point, u: float, phase: float, label: int) -> None:
    """Paints `actor` with its feet at `feet` (pixels), u pixels a unit; its things get label + 1 in the mask."""
    p = pose(action, phase)
    reach = max(math.cos(a) * THIGH + math.cos(b) * SHIN for a, b in p.legs)
    if action == "cycling":
        reach = THIGH + SHIN - 0.25
    hip = (feet[0] + p.sway * u, feet[1] - (reach + p.lift) * u)
    neck = (hip[0] + math.sin(p.lean) * TORSO * u, hip[1] - math.cos(p.lean) * TORSO * u)
    brush.label = label + 1
    _things_behind(brush, action, feet, hip, u, phase)
    brush.label = label
    _body(brush, actor, p, hip, neck, u)
    brush.label = label + 1
    _things_before(brush, action, feet, neck, p, u, phase)


def _body(brush: Brush, actor: Actor, p: Pose, hip: Point, neck: Point, u: float) -> None:
    look = actor.look
    skin, (top, stripe, _), bottom = SKIN_OF_KIND[actor.kind][look.skin], paint(look.top), paint(look.bottom).colour
    shoulder = (neck[0], neck[1] + 0.35 * u)
    head = (neck[0] + math.sin(p.lean) * 0.5 * u, neck[1] - 0.92 * u)
    if actor.kind in ("cat", "dog"):
        _tail(brush, actor.kind, hip, skin, u)
    _arm(brush, (shoulder[0] - 0.3 * u, shoulder[1]), p.arms[0], shade(top, 0.78), shade(skin, 0.85), u)
    _leg(brush, (hip[0] - 0.22 * u, hip[1]), p.legs[0], shade(bottom, 0.8), u)
    _leg(brush, (hip[0] + 0.22 * u, hip[1]), p.legs[1], bottom, u)
    brush.line((hip[0], hip[1] - 0.05 * u), (hip[0], hip[1] + 0.1 * u), 1.35 * u, bottom)
    chest = (neck[0] + (hip[0] - neck[0]) * 0.3, neck[1] + (hip[1] - neck[1]) * 0.3)
    waist = (neck[0] + (hip[0] - neck[0]) * 0.75, neck[1] + (hip[1] - neck[1]) * 0.75)
    brush.line(chest, waist, 1.62 * u, shade(top, 0.86))
    brush.line((chest[0] + 0.12 * u, chest[1]), (waist[0] + 0.12 * u, waist[1]), 1.34 * u, top)
    if stripe:
        _stripes(brush, chest, waist, stripe, u)
    if actor.kind == "robot":
        brush.disc((chest[0] + 0.2 * u, chest[1] + 0.35 * u), 0.32 * u, shade(top, 1.6))
    if actor.kind == "person" and look.hair_style == "long":
        roots, ends = (head[0] - 0.85 * u, head[1] - 0.1 * u), (head[0] - 1.35 * u, head[1] + 1.5 * u)
        brush.line(roots, ends, 0.95 * u, shade(HAIRS[look.hair], 0.85))
    _HEADS[actor.kind](brush, actor, head, skin, u)
    _arm(brush, (shoulder[0] + 0.3 * u, shoulder[1]), p.arms[1], shade(top, 0.9), skin, u)


def _stripes(brush: Brush, chest: Point, waist: Point, colour: RGB, u: float) -> None:
    """Two bands across the torso."""
    for share in (0.12, 0.88):
        x, y = chest[0] + (waist[0] - chest[0]) * share, chest[1] + (waist[1] - chest[1]) * share
        brush.line((x - 0.55 * u, y), (x + 0.6 * u, y), 0.42 * u, colour)


def _leg(brush: Brush, hip: Point, limb: Limb, colour: RGB, u: float) -> None:
    knee = step(hip, limb[0], THIGH * u)
    ankle = step(knee, limb[1], SHIN * u)
    brush.line(hip, knee, 0.72 * u, colour)
    brush.line(knee, ankle, 0.64 * u, colour)
    brush.disc((ankle[0] + 0.18 * u, ankle[1] + 0.08 * u), 0.48 * u, INK, squash=0.6)


def _arm(brush: Brush, shoulder: Point, limb: Limb, sleeve: RGB, skin: RGB, u: float) -> None:
    elbow = step(shoulder, limb[0], UPPER_ARM * u)
    hand = step(elbow, limb[1], FOREARM * u)
    brush.disc(hand, 0.34 * u, skin)
    brush.line(shoulder, elbow, 0.54 * u, sleeve)
    brush.line(elbow, step(elbow, limb[1], FOREARM * 0.72 * u), 0.5 * u, sleeve)


def _tail(brush: Brush, kind: str, hip: Point, fur: RGB, u: float) -> None:
    points = [(0.5, 0.1), (1.3, -0.1), (1.6, -1.0)] if kind == "cat" else [(0.5, 0.0), (1.2, -0.6)]
    path = [(hip[0] - x * u, hip[1] + y * u) for x, y in points]
    for a, b in itertools.pairwise(path):
        brush.line(a, b, (0.32 if kind == "cat" else 0.45) * u, shade(fur, 0.85))


def _face(brush: Brush, head: Point, u: float, *, cheeks: RGB | None = None, mouth: float = 0.55) -> None:
    for x in (0.18, 0.78):
        brush.disc((head[0] + x * u, head[1] + 0.02 * u), 0.15 * u, INK, squash=1.35)
    if cheeks:
        for x in (-0.12, 0.98):
            brush.disc((head[0] + x * u, head[1] + 0.45 * u), 0.2 * u, cheeks, squash=0.7)
    brush.dome((head[0] + 0.48 * u, head[1] + mouth * u), 0.24 * u, (170, 60, 60), start=0, end=180)


def _person(brush: Brush, actor: Actor, head: Point, skin: RGB, u: float) -> None:
    hair = HAIRS[actor.look.hair]
    brush.disc((head[0] - 0.12 * u, head[1] - 0.1 * u), (HEAD + 0.12) * u, hair)
    brush.disc((head[0] + 0.22 * u, head[1] + 0.12 * u), (HEAD - 0.18) * u, skin)
    brush.dome((head[0] + 0.02 * u, head[1] - 0.12 * u), (HEAD + 0.04) * u, hair, start=178, end=318)
    _face(brush, (head[0], head[1] + 0.15 * u), u, cheeks=shade(skin, 0.88))
    _hat(brush, actor.look.hat, head, u)


def _cat(brush: Brush, actor: Actor, head: Point, fur: RGB, u: float) -> None:
    for x in (-0.75, 0.75):
        tip = (head[0] + x * 1.25 * u, head[1] - 1.75 * u)
        brush.polygon(
            [(head[0] + (x - 0.5) * u, head[1] - 0.6 * u), tip, (head[0] + (x + 0.5) * u, head[1] - 0.6 * u)],
            shade(fur, 0.85),
        )
    brush.disc(head, HEAD * 1.08 * u, fur, squash=0.92)
    brush.disc((head[0] + 0.5 * u, head[1] + 0.45 * u), 0.5 * u, shade(fur, 1.55), squash=0.75)
    brush.disc((head[0] + 0.52 * u, head[1] + 0.22 * u), 0.14 * u, (226, 120, 130))
    _face(brush, (head[0], head[1] - 0.08 * u), u, mouth=0.62)
    _hat(brush, actor.look.hat, (head[0], head[1] - 0.1 * u), u)


def _dog(brush: Brush, actor: Actor, head: Point, fur: RGB, u: float) -> None:
    brush.disc(head, HEAD * u, fur)
    brush.disc((head[0] + 0.75 * u, head[1] + 0.42 * u), 0.72 * u, shade(fur, 1.45), squash=0.7)
    brush.disc((head[0] + 1.25 * u, head[1] + 0.2 * u), 0.27 * u, INK, squash=0.8)
    for x in (0.1, 0.65):
        brush.disc((head[0] + x * u, head[1] - 0.2 * u), 0.15 * u, INK, squash=1.35)
    brush.line(
        (head[0] - 0.85 * u, head[1] - 0.5 * u), (head[0] - 1.1 * u, head[1] + 0.65 * u), 0.7 * u, shade(fur, 0.66)
    )
    _hat(brush, actor.look.hat, (head[0], head[1] - 0.05 * u), u)


def _robot(brush: Brush, actor: Actor, head: Point, metal: RGB, u: float) -> None:
    lamp = paint(actor.look.hat).colour
    brush.line((head[0], head[1] - 1.0 * u), (head[0], head[1] - 1.6 * u), 0.22 * u, shade(metal, 0.6))
    brush.disc((head[0], head[1] - 1.75 * u), 0.48 * u, lamp)
    left, right, top, bottom = head[0] - 1.2 * u, head[0] + 1.2 * u, head[1] - 1.05 * u, head[1] + 0.95 * u
    brush.box(left, top, right, bottom, shade(metal, 0.82), radius=0.35 * u)
    brush.box(left + 0.18 * u, top, right, bottom, metal, radius=0.35 * u)
    brush.box(
        head[0] - 0.55 * u, head[1] - 0.55 * u, head[0] + 1.05 * u, head[1] + 0.4 * u, (44, 52, 70), radius=0.3 * u
    )
    for x in (-0.1, 0.6):
        brush.disc((head[0] + x * u, head[1] - 0.08 * u), 0.24 * u, (150, 240, 230))


_HEADS = {"person": _person, "cat": _cat, "dog": _dog, "robot": _robot}


def _hat(brush: Brush, hat: str, head: Point, u: float) -> None:
    if hat == "none":
        return
    colour, _, shape = paint(hat)
    if shape:
        _SHAPES[shape](brush, colour, head, u)
        return
    brush.dome((head[0] - 0.02 * u, head[1] - 0.45 * u), 1.16 * u, colour)
    brush.box(
        head[0] - 1.3 * u, head[1] - 0.68 * u, head[0] + 1.3 * u, head[1] - 0.3 * u, shade(colour, 0.8), radius=0.18 * u
    )
    brush.disc((head[0] - 0.02 * u, head[1] - 1.62 * u), 0.3 * u, shade(colour, 1.5))


def _cone(brush: Brush, colour: RGB, head: Point, u: float) -> None:
    left, right, foot = head[0] - 1.15 * u, head[0] + 1.1 * u, head[1] - 0.45 * u
    brush.polygon([(left, foot), (head[0] - 0.02 * u, head[1] - 2.9 * u), (right, foot)], colour)


def _cylinder(brush: Brush, colour: RGB, head: Point, u: float) -> None:
    x, y = head[0] - 0.02 * u, head[1]
    brush.box(x - 0.95 * u, y - 2.5 * u, x + 0.95 * u, y - 0.4 * u, colour)
    brush.box(x - 1.55 * u, y - 0.75 * u, x + 1.55 * u, y - 0.35 * u, shade(colour, 0.8), radius=0.1 * u)


_SHAPES = {"cone": _cone, "cylinder": _cylinder}


def _things_behind(brush: Brush, action: str, feet: Point, hip: Point, u: float, phase: float) -> None:
    if action == "cycling":
        rear, front = (feet[0] - 0.85 * u, feet[1] - 0.75 * u), (feet[0] + 1.75 * u, feet[1] - 0.75 * u)
        crank = (feet[0] + 0.42 * u, feet[1] - 0.7 * u)
        for wheel in (rear, front):
            brush.ring(wheel, 0.85 * u, 0.2 * u, INK)
            brush.line(step(wheel, phase, 0.75 * u), step(wheel, phase + math.pi, 0.75 * u), 0.09 * u, (150, 150, 160))
        bars = (feet[0] + 1.45 * u, feet[1] - 2.5 * u)
        for a, b in ((rear, crank), (crank, bars), (rear, hip), (hip, crank), (bars, front)):
            brush.line(a, b, 0.2 * u, (206, 60, 96))
    elif action == "skiing":
        brush.line(
            (feet[0] - 1.7 * u, feet[1] + 0.1 * u), (feet[0] + 1.9 * u, feet[1] + 0.1 * u), 0.22 * u, (196, 60, 60)
        )
        brush.line(
            (feet[0] + 1.9 * u, feet[1] + 0.1 * u), (feet[0] + 2.3 * u, feet[1] - 0.3 * u), 0.22 * u, (196, 60, 60)
        )


def _things_before(brush: Brush, action: str, feet: Point, neck: Point, p: Pose, u: float, phase: float) -> None:
    if action == "skiing":
        shoulder = (neck[0] + 0.3 * u, neck[1] + 0.35 * u)
        hand = step(step(shoulder, p.arms[1][0], UPPER_ARM * u), p.arms[1][1], FOREARM * u)
        brush.line(hand, (hand[0] - 1.3 * u, feet[1]), 0.15 * u, (70, 70, 84))
    elif action == "playing":
        height = abs(math.cos(phase)) * 1.9
        ball = (feet[0] + 1.95 * u, feet[1] - (0.6 + height) * u)
        brush.disc(ball, 0.62 * u, (236, 84, 96))
        brush.disc((ball[0] - 0.1 * u, ball[1] - 0.1 * u), 0.3 * u, (252, 232, 220))
