"""The contact sheet: keyframes of ten stories, the best, the median and the worst, with history and without."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..story.benchmark import StoryScore
from ..story.systems import SHEET_ROWS, TITLES

BEST, MEDIAN, WORST = 3, 4, 3  # stories
INK, PALE = (40, 38, 46), (128, 124, 136)
MARGIN, GAP, LEFT, TITLE, LINE = 24, 3, 78, 26, 13  # pixels


@dataclass(frozen=True, eq=False)
class Block:
    """A story on the sheet."""

    title: str
    strip: np.ndarray  # uint8 (2 h, n w, 3): rows as SHEET_ROWS, a column a scene
    prompts: tuple[str, ...]


def chosen(ranked: Sequence[int]) -> dict[str, list[int]]:
    """Which stories are shown, from all in their order from the best to the worst; each at most once."""
    if len(ranked) <= BEST + MEDIAN + WORST:
        return {"ranked": list(ranked)}
    middle = (len(ranked) - MEDIAN) // 2
    return {
        "best": list(ranked[:BEST]),
        "median": list(ranked[middle : middle + MEDIAN]),
        "worst": list(ranked[-WORST:]),
    }


def title_of(group: str, index: int, score: StoryScore) -> str:
    shares = {name: tally.hits / tally.counted for name, tally in score["ours"].tallies.items() if tally.counted}
    figures = ", ".join(f"{name} {shares[name]:.2f}" for name in ("actor", "place", "prompt") if name in shares)
    return f"{group} · story {index} · {figures}"


def contact_sheet(blocks: Sequence[Block], columns: int) -> Image.Image:
    """Blocks down the columns, from left to right."""
    pictures = [_drawn(block) for block in blocks]
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    rows = -(-len(pictures) // columns)
    size = (MARGIN + columns * (width + MARGIN), MARGIN + rows * (height + MARGIN))
    sheet = Image.new("RGB", size, "white")
    for i, picture in enumerate(pictures):
        column, row = divmod(i, rows)
        sheet.paste(picture, (MARGIN + column * (width + MARGIN), MARGIN + row * (height + MARGIN)))
    return sheet


def _drawn(block: Block) -> Image.Image:
    scenes = len(block.prompts)
    h, w = block.strip.shape[0] // len(SHEET_ROWS), block.strip.shape[1] // scenes
    words = [textwrap.wrap(prompt, max(8, w // 6)) for prompt in block.prompts]
    below = LINE * max(map(len, words)) + 6
    size = (LEFT + scenes * (w + GAP) - GAP, TITLE + len(SHEET_ROWS) * (h + GAP) + below)
    picture = Image.new("RGB", size, "white")
    pen, small = ImageDraw.Draw(picture), ImageFont.load_default(11)
    pen.text((0, 2), block.title, INK, ImageFont.load_default(15))
    for row, name in enumerate(SHEET_ROWS):
        pen.text((0, TITLE + row * (h + GAP) + h // 2 - 7), TITLES[name], PALE, small)
    for column in range(scenes):
        x = LEFT + column * (w + GAP)
        for row in range(len(SHEET_ROWS)):
            part = block.strip[row * h : (row + 1) * h, column * w : (column + 1) * w]
            picture.paste(Image.fromarray(part), (x, TITLE + row * (h + GAP)))
        for i, line in enumerate(words[column]):
            pen.text((x, TITLE + len(SHEET_ROWS) * (h + GAP) + 2 + i * LINE), line, PALE, small)
    return picture
