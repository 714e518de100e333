"""The contact sheet: a story's scenes in a grid, as on a printed storyboard.

A panel shows the number of its scene, its keyframe, when it begins in the film, how it follows the scene before, and
the first lines of its prompt. One line of vermilion runs through each row.

Does not cover: prompts of more than PROMPT_LINES lines, which end in an ellipsis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..film.captions import ACCENT, BLANK, INK, PAPER, RULE, SOFT_INK, Typeface, typeface_for, wrapped

PAGE = (1754, 1240)  # pixels: A4 across at 150 dots an inch
PAGE_COLUMNS, PAGE_ROWS = 3, 2
MARGIN, GAP = 96, 40  # around the page; between panels
PICTURE = (494, 329)  # the largest picture; those of another shape are made smaller
HEADER, FOOTER = 112, 64
NUMBER_ROW = 46  # above the picture
PROMPT_LINES, LINE = 4, 26
PANEL_HEIGHT = NUMBER_ROW + PICTURE[1] + 14 + PROMPT_LINES * LINE
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE, NUMBER_SIZE = 40, 19, 16, 20
RADIUS = 17  # of the disc around a number


@dataclass(frozen=True, eq=False)
class Panel:
    number: int  # from 1
    prompt: str
    picture: Image.Image | None  # None while the scene has no take
    seconds: float | None  # when it begins in the film; None while it is not in it
    seam: str = ""  # in words; "" for a cut


def contact_sheet(title: str, facts: str, panels: Sequence[Panel]) -> Image.Image:
    """All panels on one sheet, as tall as it takes: about 1 MB of memory a panel. facts: a few words that stand beside
    the title."""
    columns = 2 if len(panels) in (2, 4) else 3 if len(panels) <= 12 else 4 if len(panels) <= 32 else 6
    rows = max(1, -(-len(panels) // columns))
    width = 2 * MARGIN + columns * PICTURE[0] + (columns - 1) * GAP
    height = HEADER + MARGIN + rows * (PANEL_HEIGHT + GAP) + MARGIN // 2
    sheet = Image.new("RGB", (width, height), PAPER)
    face = _face(title, facts, panels)
    _header(sheet, title, facts, face)
    _grid(sheet, panels, columns, face)
    return sheet


def sheet_pages(title: str, facts: str, panels: Sequence[Panel]) -> Iterator[Image.Image]:
    """The panels in pages of PAGE_COLUMNS x PAGE_ROWS; one empty page for a story without scenes."""
    each, face = PAGE_COLUMNS * PAGE_ROWS, _face(title, facts, panels)
    parts = [panels[start : start + each] for start in range(0, len(panels), each)] or [()]
    for number, part in enumerate(parts, 1):
        page = Image.new("RGB", PAGE, PAPER)
        _header(page, title, facts, face)
        _grid(page, part, PAGE_COLUMNS, face)
        if len(parts) > 1:
            place = (PAGE[0] - MARGIN, PAGE[1] - FOOTER / 2)
            ImageDraw.Draw(page).text(place, f"{number} / {len(parts)}", SOFT_INK, face.at(SMALL_SIZE), anchor="rm")
        yield page


def _face(title: str, facts: str, panels: Sequence[Panel]) -> Typeface:
    return typeface_for([title, facts, *(panel.prompt for panel in panels)])


def _header(sheet: Image.Image, title: str, facts: str, face: Typeface) -> None:
    draw, base = ImageDraw.Draw(sheet), HEADER - 18
    small = face.at(SMALL_SIZE + 2)
    room = sheet.width - 2 * MARGIN - small.getlength(facts) - GAP
    (shown,) = wrapped(title, face.at(TITLE_SIZE), room, 1) or [""]
    draw.text((MARGIN, base), shown, INK, face.at(TITLE_SIZE), anchor="ls")
    draw.text((sheet.width - MARGIN, base), facts, SOFT_INK, small, anchor="rs")


def _grid(sheet: Image.Image, panels: Sequence[Panel], columns: int, face: Typeface) -> None:
    left = (sheet.width - columns * PICTURE[0] - (columns - 1) * GAP) // 2
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        x, y = left + column * (PICTURE[0] + GAP), HEADER + 10 + row * (PANEL_HEIGHT + GAP)
        last = column == columns - 1 or index == len(panels) - 1
        _thread(sheet, x, y, PICTURE[0] + (0 if last else GAP))
        _panel(sheet, panel, x, y, face)


def _thread(sheet: Image.Image, x: int, y: int, length: int) -> None:
    ImageDraw.Draw(sheet).line((x, y + RADIUS, x + length, y + RADIUS), ACCENT, 2)


def _panel(sheet: Image.Image, panel: Panel, x: int, y: int, face: Typeface) -> None:
    draw = ImageDraw.Draw(sheet)
    _number(sheet, panel, x + RADIUS, y + RADIUS, face)
    if panel.seconds is not None:
        _on_thread(draw, mark_words(panel.seconds), x + PICTURE[0], y + RADIUS, face, INK, "rm")
    if panel.seam:
        _on_thread(draw, panel.seam, x + 2 * RADIUS + 9, y + RADIUS, face, SOFT_INK, "lm")
    _picture(sheet, panel.picture, x, y + NUMBER_ROW, face)
    top = y + NUMBER_ROW + PICTURE[1] + 14
    for i, line in enumerate(wrapped(panel.prompt, face.at(TEXT_SIZE), PICTURE[0], PROMPT_LINES)):
        draw.text((x, top + i * LINE + LINE / 2), line, INK, face.at(TEXT_SIZE), anchor="lm")


def _number(sheet: Image.Image, panel: Panel, x: int, y: int, face: Typeface) -> None:
    """Its number in a disc, hollow while there is no clip. Discs are drawn four times as large: Pillow's edges are
    rough."""
    font = face.at(NUMBER_SIZE if panel.number < 100 else NUMBER_SIZE - 5)
    sheet.paste(ACCENT, (x - RADIUS, y - RADIUS), _disc(RADIUS))
    if panel.picture is None:
        sheet.paste(PAPER, (x - RADIUS + 2, y - RADIUS + 2), _disc(RADIUS - 2))
    ink = PAPER if panel.picture else ACCENT
    ImageDraw.Draw(sheet).text((x, y), str(panel.number), ink, font, anchor="mm")


def _disc(radius: int) -> Image.Image:
    disc = Image.new("L", (8 * radius, 8 * radius))
    ImageDraw.Draw(disc).ellipse((0, 0, 8 * radius - 1, 8 * radius - 1), 255)
    return disc.reduce(4)


def _on_thread(draw: ImageDraw.ImageDraw, text: str, x: int, y: int, face: Typeface, ink: str, anchor: str) -> None:
    """Words that interrupt the line on which they stand."""
    font = face.at(SMALL_SIZE)
    left, _, right, _ = draw.textbbox((x, y), text, font, anchor=anchor)
    draw.rectangle((left - 9, y - 4, right + 9, y + 4), PAPER)
    draw.text((x, y), text, ink, font, anchor=anchor)


def _picture(sheet: Image.Image, picture: Image.Image | None, x: int, y: int, face: Typeface) -> None:
    draw, (width, height) = ImageDraw.Draw(sheet), PICTURE
    if picture is None:
        draw.rectangle((x, y, x + width - 1, y + height - 1), BLANK, RULE)
        draw.text((x + width / 2, y + height / 2), "no clip yet", SOFT_INK, face.at(SMALL_SIZE), anchor="mm")
        return
    share = min(width / picture.width, height / picture.height)
    size = (round(picture.width * share), round(picture.height * share))
    place = (x + (width - size[0]) // 2, y + (height - size[1]) // 2)
    sheet.paste(picture.resize(size, Image.Resampling.LANCZOS), place)
    draw.rectangle((place[0] - 1, place[1] - 1, place[0] + size[0], place[1] + size[1]), None, INK)


def mark_words(seconds: float) -> str:
    """Minutes, seconds and tenths."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
