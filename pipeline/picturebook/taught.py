"""Subjects that the world never draws, for teaching: stripes, colours that are not in its palette, hats that are no
domes. Twenty of them, each with a name that no caption of the world has.

What a picture shows of them is measured, by no network that ever saw them: pixels of the figure, where the localiser
sees it, go to the nearest of all colours that figures have, the subject's own among them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import renderer, world
from .brush import RGB, shade
from .captions import caption
from .figures import INK
from .localiser import ACTOR, Localiser
from .paints import SHAPES, paint
from .world import ACTIONS, KINDS, PLACES, Actor, ActorLook, WorldScene

SUBJECTS = 20
COLOURS = ("#ef5f9f", "#2cc6b4", "#b4e02f", "#7c1c40", "#98a4f0")  # pink, turquoise, lime, wine, periwinkle
NAMES = ("Quill", "Zubi", "Pim", "Oska", "Brix", "Wendo", "Fizz", "Juno", "Vex", "Kumo")
SHADES = (1.0, 0.78)  # near and far limbs
PICTURES = 5
ENOUGH = 0.5  # of what a drawing of the same scene shows


def taught_subject(index: int) -> Actor:
    """Subject `index` of SUBJECTS: the same for ever."""
    rng = random.Random(f"taught/{index}")
    kind, name = KINDS[index % len(KINDS)], NAMES[index % len(NAMES)]
    top, bottom, hat = rng.sample(COLOURS, 3)
    if index % 2:
        top = f"{top}/white"
    shape = "" if kind == "robot" else f"{SHAPES[index // 2 % len(SHAPES)]} "
    look = {slot: rng.choice(world.slot_values(kind, slot)) for slot in ("skin", "hair", "hair_style")}
    called = name if kind == "person" else f"{name} {kind}"
    return Actor(kind, called, ActorLook(top=top, bottom=bottom, hat=shape + hat, **look))


@dataclass(frozen=True)
class Setting:
    """What a subject does where."""

    scene: WorldScene

    @property
    def prompt(self) -> str:
        said = caption(self.scene, random.Random(0), plain=True).text
        return said.replace("A ", "The ", 1) if self.scene.cast[0].kind != "person" else said


def settings_of(actor: Actor, index: int) -> tuple[list[Setting], list[Setting]]:
    """Where its PICTURES are from, and as many new places and actions as are left."""
    rng = random.Random(f"settings/{index}")
    actions, places = rng.sample(ACTIONS, len(ACTIONS)), rng.sample(PLACES, len(PLACES))
    made = [
        Setting(WorldScene((actor,), (action,), world.draw_place(rng, place), rng.getrandbits(32)))
        for action, place in zip(actions, places, strict=True)
    ]
    return made[:PICTURES], made[PICTURES:]


def lookalike(actor: Actor) -> Actor:
    """The figure of the world that is most like a subject: the nearest colours of its palette, a dome, no stripes."""
    look = actor.look
    own = {"top": _nearest(look.top, tuple(world.COLOURS)), "bottom": _nearest(look.bottom, tuple(world.COLOURS))}
    return replace(actor, look=replace(look, **own, hat=_nearest(look.hat, world.HAT_COLOURS)))


def _nearest(look: str, names: Sequence[str]) -> str:
    wanted = _lab(np.array([paint(look).colour]))[0]
    return min(names, key=lambda name: float(np.linalg.norm(_lab(np.array([world.COLOURS[name]]))[0] - wanted)))


# --- facts -----------------------------------------------------------------------------------------------------------


def facts_of(actor: Actor) -> tuple[str, ...]:
    """What can be said of a subject and of no figure of the world."""
    top, hat = paint(actor.look.top), paint(actor.look.hat)
    return ("top", "bottom", "hat", *(["stripes"] if top.stripe else []), *(["shape"] if hat.shape else []))


def facts_shown(
    actor: Actor, pictures: Sequence[np.ndarray], drawn: Sequence[np.ndarray], localiser: Localiser
) -> dict[str, bool]:
    """Which of the facts pictures show, uint8 (H, W, 3) each. drawn: drawings of the subject in the same scene.

    A colour is there if it covers at least ENOUGH of the share of the figure that it covers in the drawings; stripes if
    it changes from one to the other as often, down the columns; a shape of a hat if what has its colour is higher than
    midway between a dome and the drawn hat.
    """
    seen, true = _measured(actor, pictures, localiser), _measured(actor, drawn, localiser)
    shown = {name: seen[name] >= ENOUGH * true[name] for name in ("top", "bottom", "hat", "stripes")}
    shown["shape"] = seen["height"] >= true["height"] * (1 + DOME / HATS.get(paint(actor.look.hat).shape, DOME)) / 2
    return {name: shown[name] and true[name if name != "shape" else "height"] > 0 for name in facts_of(actor)}


DOME, HATS = 1.2, {"cone": 2.45, "cylinder": 2.1}  # heights of what has a hat's own colour, figure units


def _measured(actor: Actor, pictures: Sequence[np.ndarray], localiser: Localiser) -> dict[str, float]:
    """Means over pictures: shares of the figure, changes down its columns, height of the hat in pixels."""
    found = [
        _measures(actor, picture, mask == ACTOR)
        for picture, mask in zip(pictures, localiser.masks(list(pictures)), strict=True)
    ]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _measures(actor: Actor, picture: np.ndarray, figure: np.ndarray) -> dict[str, float]:
    top, bottom, hat = paint(actor.look.top), paint(actor.look.bottom), paint(actor.look.hat)
    labels = _labels(actor, picture)
    count = max(1, int(figure.sum()))

    def where(colour: RGB) -> np.ndarray:
        return figure & (labels == _palette(actor).index(colour))

    pair = where(top.colour).astype(int) - (where(top.stripe) if top.stripe else 0)
    seen = np.flatnonzero(figure.any(1))
    above = np.arange(len(figure)) < (seen.mean() if seen.size else 0)
    rows = np.flatnonzero((where(hat.colour) & above[:, None]).sum(1) >= 2)
    return {
        "top": where(top.colour).sum() / count,
        "bottom": where(bottom.colour).sum() / count,
        "hat": where(hat.colour).sum() / count,
        "stripes": sum(_changes(column[column != 0]) for column in pair.T) / count,
        "height": float(np.ptp(rows) + 1) if rows.size else 0.0,
    }


def _changes(signs: np.ndarray) -> int:
    return int((signs[1:] != signs[:-1]).sum())


def _palette(actor: Actor) -> list[RGB]:
    """All colours that a figure may have, the subject's own first."""
    own = [paint(look) for look in (actor.look.top, actor.look.bottom, actor.look.hat)]
    mine = [colour for one in own for colour in (one.colour, one.stripe) if colour]
    tables = (world.COLOURS, world.SKIN_OF_KIND[actor.kind], world.HAIRS)
    rest = [colour for table in tables for colour in table.values()]
    return list(dict.fromkeys([*mine, *rest, INK]))


def _labels(actor: Actor, picture: np.ndarray) -> np.ndarray:
    """Which colour of `_palette` every pixel is nearest to, whatever its shade, int (H, W)."""
    palette = _palette(actor)
    shades = np.array([shade(colour, factor) for colour, factor in itertools.product(palette, SHADES)])
    far = ((_lab(picture)[:, :, None] - _lab(shades)) ** 2).sum(-1)
    return far.argmin(-1) // len(SHADES)


def _lab(colours: np.ndarray) -> np.ndarray:
    """sRGB of 0..255 (..., 3) to CIELAB (..., 3)."""
    x = np.asarray(colours, np.float64) / 255
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    f = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(f > 0.008856, np.cbrt(f), 7.787 * f + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def picture_of(setting: Setting) -> np.ndarray:
    """A still of a setting, uint8 (H, W, 3)."""
    return renderer.render(setting.scene, masks=False, frames=[renderer.NUM_FRAMES // 2]).frames[0]
