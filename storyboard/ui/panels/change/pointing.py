"""What somebody points at in a take: a figure, a word of its prompt, a box, or the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...desk import Change

CLICKED, REST, BOX, BRUSH = "", "rest", "box", "brush"  # choices beside words
REST_LABEL, BOX_LABEL, BRUSH_LABEL = "The rest of the picture", "A box that I draw", "What I paint over"
DRAW = "Draw the box: click on two of its corners."
PAINT = "Paint over what to change."
MOST_POINTS = 512  # of one brush: see `storyboard.document.region_edit`
OTHERS = [(REST_LABEL, REST), (BOX_LABEL, BOX), (BRUSH_LABEL, BRUSH)]
Box = Sequence[float]  # left, top, right, bottom, shares of the picture


def key_of(word: Mapping[str, Any]) -> str:
    """Of a word, as a choice."""
    return f"{word['occurrence']}:{word['word']}"


def choices_of(words: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What can be chosen, with what it is called."""
    named = [(word["word"] if not word["occurrence"] else f"{word['word']} ({word['occurrence'] + 1})", key_of(word))
             for word in words]  # fmt: skip
    return [("Click on it in the picture", CLICKED), *named, *OTHERS]


def point(change: Change, words: Sequence[Mapping[str, Any]], across: float, down: float) -> None:
    """What a click at a place of the picture chooses: a corner of a box that is being drawn, the figure there by the
    word that speaks of it, or else the rest."""
    if change.choice == BOX:
        change.box = _with_corner(change.box, across, down)
        return
    found = [figure for figure in change.figures or () if _holds(_at(figure, change.frame), across, down)]
    if not found:
        change.choice, change.box = REST, []
        return
    figure = min(found, key=lambda one: _area(_at(one, change.frame)))
    if figure["words"]:
        change.choice, change.box = key_of(words[figure["words"][0]]), []
    else:  # nobody says who it is
        change.choice, change.box = BOX, _around(box for box in figure["boxes"] if box)


def middle(change: Change, words: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Of the figure that the chosen word speaks of, in the frame that is shown."""
    _, chosen = marks(change, words)
    left, top, right, bottom = chosen[0] if chosen else (0.0, 0.0, 0.0, 0.0)
    return ((left + right) / 2, (top + bottom) / 2) if chosen else None


def marks(change: Change, words: Sequence[Mapping[str, Any]]) -> tuple[list[Box], list[Box]]:
    """The boxes of all figures in the frame that is shown, and of what is chosen."""
    chosen = [i for i, word in enumerate(words) if key_of(word) == change.choice]
    figures = [(figure, _at(figure, change.frame)) for figure in change.figures or ()]
    own = [box for figure, box in figures if box and set(chosen) & set(figure["words"])]
    drawn = [change.box] if change.choice == BOX and len(change.box) == 4 else []
    return [box for _, box in figures if box and box not in own], [*own, *drawn]


def region_of(change: Change, strength: float, upper: float) -> dict[str, Any]:
    """What is chosen, with its new words, as an edit has it. upper: the share of it from above."""
    told: dict[str, Any] = {"words": change.text.strip(), "strength": float(strength)}
    if change.choice == REST:
        return told | {"rest": True}
    if change.choice == BOX:
        return told | {"box": change.box}
    if change.choice == BRUSH:
        return told | {"brush": [{"x": x, "y": y, "radius": radius} for x, y, radius in change.brush]}
    occurrence, _, word = change.choice.partition(":")
    return told | {"word": word, "occurrence": int(occurrence), "upper": float(upper)}


def missing(change: Change) -> str:
    """What is wanting before what is chosen can be changed; "" for nothing."""
    if change.choice == CLICKED:
        return "Click on what to change, or choose a word."
    if change.choice == BOX and len(change.box) != 4:
        return DRAW
    if change.choice == BRUSH and not change.brush:
        return PAINT
    if not change.text.strip():
        return "Type what it should be."
    same = change.text.strip() == change.choice.partition(":")[2]
    return "That is what it is already: type what it should be." if same else ""


def label_of(region: Mapping[str, Any]) -> str:
    """A region that is ready, in words."""
    drawn = "A box" if region.get("box") else "What is painted" if region.get("brush") else ""
    where = "The rest" if region.get("rest") else drawn or region["word"]
    return f"{where} → {region['words']}"


def painted_points(told: object) -> list[list[float]]:
    """Points of a brush as a browser tells them; what is none is left out."""
    points = told[:MOST_POINTS] if isinstance(told, list) else []
    numbers = [point for point in points if isinstance(point, list) and len(point) == 3]
    return [point for point in numbers if all(isinstance(one, int | float) and 0 <= one <= 1 for one in point)]


def wipe(change: Change) -> None:
    """Begins another painting."""
    change.brush, change.painting = [], change.painting + 1


def _with_corner(box: Box, across: float, down: float) -> list[float]:
    """The first corner of a box, or, with the second, the box."""
    if len(box) != 2:
        return [across, down]
    left, right = sorted((box[0], across))
    top, bottom = sorted((box[1], down))
    return [left, top, right, bottom] if left < right and top < bottom else [across, down]


def _around(boxes: Iterable[Box]) -> list[float]:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return [min(lefts), min(tops), max(rights), max(bottoms)]


def _at(figure: Mapping[str, Any], frame: int) -> Box | None:
    boxes = figure["boxes"]
    return boxes[frame] if frame < len(boxes) else None


def _holds(box: Box | None, across: float, down: float) -> bool:
    return box is not None and box[0] <= across <= box[2] and box[1] <= down <= box[3]


def _area(box: Box | None) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) if box else 0.0
