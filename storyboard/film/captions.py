"""Words in pictures: a typeface that can draw them, broken into lines; captions under frames, and cards.

Pillow's own typeface is the first choice, since it is the same everywhere, but it draws ASCII only. For anything else
the fonts of the system are searched, and the one that draws most of the text is taken.

Does not cover: several typefaces in one text; colour emoji; scripts for which the system has none of the fonts named
here, whose letters come out as empty boxes; right-to-left and joining scripts where Pillow lacks Raqm.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, SOFT_INK, ACCENT = "#fbf8f2", "#2f2a24", "#7d7261", "#d24d2c"  # as in the page's theme
RULE, BLANK = "#d3c8b4", "#f4efe5"

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
FAMILIES = (  # file names without their ending, best first
    "NotoSans-Regular",
    "DejaVuSans",
    "LiberationSans-Regular",
    "Arial",
    "segoeui",
    "Helvetica",
    "NotoSansCJK-Regular",
    "NotoSansCJKsc-Regular",
    "NotoSansSC-Regular",
    "SourceHanSansSC-Regular",
    "PingFang",
    "Hiragino Sans GB",
    "msyh",
    "wqy-microhei",
    "wqy-zenhei",
    "DroidSansFallbackFull",
    "simsun",
    "Arial Unicode",
    "NotoSansArabic-Regular",
    "NotoSansHebrew-Regular",
    "NotoSansDevanagari-Regular",
    "NotoSansThai-Regular",
)
ENDINGS = (".ttf", ".otf", ".ttc")
NO_LETTER = "\uffff"  # what it looks like is how a font draws letters that it lacks

WIDE = "\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"  # scripts that break between any two letters
PIECE = re.compile(rf"\s+|[{WIDE}]|[^\s{WIDE}]+")

MOST_CAPTION_LINES = 3
SMALLEST_LETTERS = 12  # pixels


@dataclass(frozen=True)
class Typeface:
    file: Path | None = None  # None for Pillow's own

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """The typeface at `size` pixels."""
        return _font(self.file, size)

    def lacks(self, text: str) -> int:
        """How many different letters of a text it can't draw."""
        return sum(not _draws(self.file, letter) for letter in {*text} if not letter.isspace())


def typeface_for(texts: Iterable[str]) -> Typeface:
    """One typeface for all of the texts."""
    text = "".join(texts)
    own = Typeface()
    if not own.lacks(text):
        return own
    return min([own, *(Typeface(file) for file in _system_fonts(FOLDERS))], key=lambda found: found.lacks(text))


@lru_cache(maxsize=4)
def _system_fonts(folders: tuple[str, ...]) -> tuple[Path, ...]:
    """Files of FAMILIES, best first."""
    found: dict[str, Path] = {}
    for folder in folders:
        for place, _, names in os.walk(Path(folder).expanduser()):
            found.update({Path(name).stem: Path(place, name) for name in names if name.lower().endswith(ENDINGS)})
    return tuple(found[family] for family in FAMILIES if family in found)


@lru_cache(maxsize=32)
def _font(file: Path | None, size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(file), size) if file else ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


@lru_cache(maxsize=20_000)
def _draws(file: Path | None, letter: str) -> bool:
    font = _font(file, 20)
    return bytes(font.getmask(letter)) != bytes(font.getmask(NO_LETTER))


# --- lines -----------------------------------------------------------------------------------------------------------


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
    """At most `most` lines of at most `width` pixels; what is left over is told by an ellipsis."""
    lines = list(islice(_lines(text, font, width), most + 1))
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and font.getlength(last + "...") > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip(" ,.;:") + "..."]  # Pillow's own typeface has these dots in any version


def _lines(text: str, font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    line = ""
    for piece in _pieces(text, font, width):
        if line and font.getlength((line + piece).rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += piece if line else piece.lstrip()
    if line.strip():
        yield line.rstrip()


def _pieces(text: str, font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """Words, spaces, and parts of words that are wider than a line."""
    for found in PIECE.findall("".join(letter if letter.isprintable() else " " for letter in text)):
        piece = " " if found.isspace() else found
        while font.getlength(piece) > width and len(piece) > 1:
            fits = max(1, _fitting(piece, font, width))
            yield piece[:fits]
            piece = piece[fits:]
        yield piece


def _fitting(word: str, font: ImageFont.FreeTypeFont, width: float) -> int:
    """How many letters of a word fit into a line."""
    return bisect_right(range(1, len(word) + 1), width, key=lambda count: font.getlength(word[:count]))


def _line_count(text: str, font: ImageFont.FreeTypeFont, width: float) -> int:
    """No more than one beyond what a caption may have: a text of a thousand lines is not laid out to count them."""
    return sum(1 for _ in islice(_lines(text, font, width), MOST_CAPTION_LINES + 1))


# --- captions --------------------------------------------------------------------------------------------------------


def caption_strips(captions: Sequence[tuple[int, str]], width: int) -> list[np.ndarray]:
    """A strip of paper for each (number, text), all of one height, to lie under pictures of `width` pixels: uint8
    (S, W, 3), S even. Letters get somewhat smaller for all where one text needs more than MOST_CAPTION_LINES lines;
    what is longer still ends in an ellipsis."""
    face = typeface_for(text for _, text in captions)
    room = width * 0.84
    largest, smallest = max(SMALLEST_LETTERS, width // 28), max(SMALLEST_LETTERS, width // 38)
    for size in range(largest, smallest - 1, -1):
        if all(_line_count(text, face.at(size), room) <= MOST_CAPTION_LINES for _, text in captions):
            break
    texts = [wrapped(text, face.at(size), room, MOST_CAPTION_LINES) for _, text in captions]
    line, most = round(size * 1.35), max([1, *map(len, texts)])
    height = (round(size * 1.3) + line * most) // 2 * 2
    return [
        np.asarray(_strip(number, lines, face.at(size), (width, height), line))
        for (number, _), lines in zip(captions, texts, strict=True)
    ]


def _strip(
    number: int, lines: list[str], font: ImageFont.FreeTypeFont, size: tuple[int, int], line: int
) -> Image.Image:
    strip = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(strip)
    top = (size[1] - line * len(lines)) / 2 + line / 2
    margin = size[0] * 0.08
    draw.text(
        (margin / 2, (size[1] - line * max(1, len(lines))) / 2 + line / 2), str(number), ACCENT, font, anchor="mm"
    )
    for i, text in enumerate(lines):
        draw.text((margin, top + i * line), text, INK, font, anchor="lm")
    return strip


# --- cards -----------------------------------------------------------------------------------------------------------


def card_picture(text: str, size: tuple[int, int]) -> np.ndarray:  # (H, W, 3)
    """Words in the middle of a black picture, uint8; letters as large as lets them in. size: width and height."""
    width, height = size
    face, given = typeface_for([text]), text.strip().splitlines()
    for letters in range(max(SMALLEST_LETTERS, width // 14), SMALLEST_LETTERS - 1, -1):
        font, line = face.at(letters), round(letters * 1.4)
        most = max(1, int(height * 0.8 / line))
        lines = [words for words_given in given for words in wrapped(words_given, font, width * 0.8, most) or [""]]
        if len(lines) <= most:
            break
    card, shown = Image.new("RGB", size), lines[:most]
    draw, top = ImageDraw.Draw(card), (height - line * (len(shown) - 1)) / 2
    for i, words in enumerate(shown):
        draw.text((width / 2, top + i * line), words, PAPER, font, anchor="mm")
    return np.asarray(card)
