"""The storyboard on paper: a row a scene, with its picture and its fields, as PDF whose text can be searched.

Two layouts: a landscape sheet in English, and e-konte, the upright sheet of Japanese studios with the columns of their
forms. A row is as high as its longest field; what is longer than a page goes on in the next one. Nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from PIL import Image

from ..document.story import Board
from ..export.contact_sheet import mark_words
from ..export.film import panels
from ..store.blobs import BlobStore
from ..store.clips import stream_frames
from ..store.files import whole_file
from .fonts import fonts_for
from .shots import ShotRow, clean, shot_rows

FACE = "main"
INK, SOFT_INK, RULE, BLANK = (47, 42, 36), (125, 114, 97), (170, 158, 138), (244, 239, 229)  # as in the page's theme
MARGIN, PAD = 10.0, 1.6  # millimetres: around the page, within a cell
LINE, HEAD, TITLE = 4.0, 6.0, 12.0  # millimetres: how high a line of text, the heads of columns, the title are
TEXT_POINTS, HEAD_POINTS, TITLE_POINTS = 8.5, 7.5, 15.0
KONTE_RATE = 24  # frames a second by which e-konte counts: 2+12 is two seconds and a half


@dataclass(frozen=True)
class Column:
    head: str
    share: float  # of the page's width
    text: Callable[[ShotRow], str] | None  # None for the picture


@dataclass(frozen=True)
class Layout:
    orientation: Literal["landscape", "portrait"]
    columns: tuple[Column, ...]
    total: Callable[[float], str]  # seconds in words


def konte_seconds(seconds: float) -> str:
    """Seconds and frames, as e-konte has them."""
    whole, frames = divmod(round(seconds * KONTE_RATE), KONTE_RATE)
    return f"{whole}+{frames:02}"


def _times(row: ShotRow) -> str:
    return f"{row.seconds:.1f} s" + ("" if row.starts is None else f"\nat {mark_words(row.starts)}")


def _action(row: ShotRow) -> str:
    return "\n".join(part for part in (row.heading, row.action) if part)


def _dialogue(row: ShotRow) -> str:
    said = "\n".join(row.dialogue)
    return said if row.caption in ("", said) else "\n".join(part for part in (said, f"[{row.caption}]") if part)


def _content(row: ShotRow) -> str:
    """What e-konte has in one column: place, action, who is in it, notes."""
    cast = f"登場: {'、'.join(row.cast)}" if row.cast else ""
    return "\n".join(part for part in (row.heading, row.action, cast, row.notes) if part)


LANDSCAPE = Layout(
    "landscape",
    (
        Column("No.", 0.04, lambda row: str(row.number)),
        Column("Picture", 0.22, None),
        Column("Action", 0.24, _action),
        Column("Dialogue", 0.2, _dialogue),
        Column("Notes", 0.14, lambda row: row.notes),
        Column("Cast", 0.09, lambda row: "\n".join(row.cast)),
        Column("Time", 0.07, _times),
    ),
    lambda seconds: f"{seconds:.1f} s",
)
KONTE = Layout(
    "portrait",
    (
        Column("カット", 0.08, lambda row: str(row.number)),
        Column("画面", 0.32, None),
        Column("内容", 0.29, _content),
        Column("セリフ", 0.22, _dialogue),
        Column("秒", 0.09, lambda row: konte_seconds(row.seconds)),
    ),
    konte_seconds,
)


def board_pdf(path: Path, board: Board, media: BlobStore, layout: Layout) -> None:
    """Raises OSError if the file can't be written."""
    rows = shot_rows(board)
    pictures = [panel.picture for panel in panels(board, lambda take: stream_frames(media, take))]
    sheet = _Sheet(layout, board.story.title, rows)
    for row, picture in zip(rows, pictures, strict=True):
        sheet.add(row, picture, board.story.width / board.story.height)
    with whole_file(path) as part:
        part.write_bytes(bytes(sheet.pdf.output()))


class _Sheet:
    """The pages of a board. All lengths are millimetres."""

    def __init__(self, layout: Layout, title: str, rows: Sequence[ShotRow]) -> None:
        self.layout, self.title = layout, clean(title) or "Storyboard"
        count, seconds = len(rows), layout.total(sum(row.seconds for row in rows))
        self.facts = f"{count} scene{'' if count == 1 else 's'}, {seconds}" if layout is LANDSCAPE else f"計 {seconds}"
        self.pdf = _Pages(orientation=layout.orientation, format="A4")
        texts = [column.text(row) for row in rows for column in layout.columns if column.text]
        self.pdf.use_fonts(fonts_for([self.title, self.facts, *(column.head for column in layout.columns), *texts]))
        self.pdf.set_title(self.title)
        self.width = self.pdf.epw
        self._page()

    def add(self, row: ShotRow, picture: Image.Image | None, shape: float) -> None:
        """A row; shape: width of the pictures by their height."""
        fields = [
            self.pdf.lines(column.text(row), self._room(column)) if column.text else [] for column in self.columns
        ]
        picture_height = next(self._room(column) for column in self.columns if column.text is None) / shape
        first = True
        while first or any(fields):
            height = max([picture_height * first, *(LINE * len(lines) for lines in fields)]) + 2 * PAD
            if self.pdf.get_y() + min(height, self.full) > self.pdf.h - MARGIN:
                self._page()
            most = int((min(height, self.full) - 2 * PAD) / LINE)
            shown, fields = [lines[:most] for lines in fields], [lines[most:] for lines in fields]
            self._draw(shown, picture if first else None, min(height, self.full), first)
            first = False

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.layout.columns

    @property
    def full(self) -> float:
        """The room for rows on a page."""
        return self.pdf.h - 2 * MARGIN - TITLE - HEAD

    def _room(self, column: Column) -> float:
        return column.share * self.width - 2 * PAD

    def _page(self) -> None:
        self.pdf.add_page()
        self.pdf.say(self.title, (MARGIN, MARGIN), self.width * 0.7, TITLE_POINTS)
        facts = f"{self.facts}   {self.pdf.page_no()}"
        self.pdf.say(facts, (MARGIN + self.width * 0.7, MARGIN + 1), self.width * 0.3, HEAD_POINTS, SOFT_INK, "R")
        top, x = MARGIN + TITLE, MARGIN
        for column in self.columns:
            self.pdf.say(column.head, (x + PAD, top + 1), self._room(column), HEAD_POINTS, SOFT_INK)
            x += column.share * self.width
        self.pdf.set_xy(MARGIN, top + HEAD)

    def _draw(self, fields: Iterable[list[str]], picture: Image.Image | None, height: float, first: bool) -> None:
        top, x = self.pdf.get_y(), MARGIN
        self.pdf.set_draw_color(*RULE)
        for column, lines in zip(self.columns, fields, strict=True):
            self.pdf.rect(x, top, column.share * self.width, height)
            place = (x + PAD, top + PAD)
            if column.text is None and first:
                self._picture(picture, place, self._room(column), height - 2 * PAD)
            for number, line in enumerate(lines):
                self.pdf.say(line, (place[0], place[1] + number * LINE), self._room(column), TEXT_POINTS)
            x += column.share * self.width
        self.pdf.set_xy(MARGIN, top + height)

    def _picture(self, picture: Image.Image | None, place: tuple[float, float], width: float, height: float) -> None:
        if picture is None:
            self.pdf.set_fill_color(*BLANK)
            self.pdf.rect(*place, width, height, style="F")
        else:
            self.pdf.image(picture, *place, w=width)


class _Pages(FPDF):
    """A4 with one family of typefaces."""

    def use_fonts(self, files: Sequence[Path]) -> None:
        """The first for most letters, the others for what it lacks."""
        self.set_margin(MARGIN)
        self.set_auto_page_break(False)
        names = [FACE, *(f"other{number}" for number in range(1, len(files)))]
        for name, file in zip(names, files, strict=True):
            self.add_font(name, fname=str(file))
        self.set_font(FACE, size=TEXT_POINTS)
        self.set_fallback_fonts(names[1:])

    def lines(self, text: str, width: float) -> list[str]:
        """A text broken into lines of `width`."""
        self.set_font_size(TEXT_POINTS)
        found: list[str] = []
        for line in filter(None, map(clean, text.splitlines())):
            found += self.multi_cell(width, LINE, line, dry_run=True, output="LINES", padding=0)  # type: ignore[arg-type]
        return found

    def say(
        self, text: str, place: tuple[float, float], width: float, points: float,
        colour: tuple[int, int, int] = INK, align: str = "L",
    ) -> None:  # fmt: skip
        self.set_xy(*place)
        self.set_font_size(points)
        self.set_text_color(*colour)
        self.cell(width, LINE, text, align=align, new_x=XPos.LEFT, new_y=YPos.TOP)
