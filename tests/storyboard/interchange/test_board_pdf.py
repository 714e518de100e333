"""Storyboards on paper, read back by another library: every field of every scene, a picture each, on A4."""

import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from storyboard.document import edits
from storyboard.document.story import Board
from storyboard.interchange import formats
from storyboard.interchange.board_pdf import konte_seconds
from storyboard.interchange.fonts import fonts_for

from .boards import kept_board


def pages_of(board: Board, media, kind: str) -> PdfReader:  # type: ignore[no-untyped-def]
    digest, suffix = formats.export(board, media, kind)
    assert suffix == "pdf"
    return PdfReader(media.path(digest, "pdf"))


def words(reader: PdfReader) -> str:
    """All that can be read, without what line breaks did to it."""
    return re.sub(r"\s+", "", "".join(page.extract_text() for page in reader.pages))


@pytest.mark.parametrize(
    "kind, heads, seconds",
    [
        ("board.pdf", ["Picture", "Action", "Dialogue", "Notes", "Cast", "Time"], ["0.6 s", "2.1 s"]),
        ("ekonte.pdf", ["カット", "画面", "内容", "セリフ", "秒"], ["0+15", "2+03"]),
    ],
)
def test_every_field_of_every_scene_is_there(kind: str, heads: list[str], seconds: list[str], tmp_path: Path) -> None:
    board, media = kept_board(tmp_path, [5, 0, 5])
    reader = pages_of(board, media, kind)
    text = words(reader)
    fields = [
        "INT. KITCHEN - NIGHT",
        "Mia (whispering): Who is there?",
        "トム: わたしです。",
        "look for a red door",
        "Tom",
    ]
    prompts = [" ".join(scene.prompt.split()) for scene in board.story.scenes]
    for field in [board.story.title, *heads, *seconds, *fields, *prompts]:
        assert re.sub(r"\s+", "", field) in text, field
    assert sum(len(page.images) for page in reader.pages) == 2, "one scene has no picture"
    width, height = (float(side) / 72 * 25.4 for side in reader.pages[0].mediabox[2:])
    a4 = (297, 210) if kind == "board.pdf" else (210, 297)
    assert (round(width), round(height)) == a4


def test_what_is_longer_than_a_page_goes_on_in_the_next_one(tmp_path: Path) -> None:
    board, media = kept_board(tmp_path, [5, 5])
    first = board.story.scenes[0].id
    notes = " ".join(f"word{number}" for number in range(230))
    story = edits.edit_scene(board.story, first, script={"notes": notes})
    reader = pages_of(Board(story, board.takes), media, "board.pdf")
    found = re.findall(r"word(\d+)", "".join(page.extract_text() for page in reader.pages))
    assert [int(number) for number in found] == list(range(230)) and len(reader.pages) >= 3


def test_an_empty_board_is_a_page_with_its_title(tmp_path: Path) -> None:
    board, media = kept_board(tmp_path, [])
    assert "0scenes,0.0s" in words(pages_of(board, media, "board.pdf"))


@pytest.mark.parametrize("seconds, told", [(0, "0+00"), (2.5, "2+12"), (0.99, "1+00"), (61.25, "61+06")])
def test_e_konte_counts_seconds_and_frames(seconds: float, told: str) -> None:
    assert konte_seconds(seconds) == told


def test_most_letters_need_no_font_of_the_system() -> None:
    assert len(fonts_for(["Mia & Tom — ñ", "わたしです。猫"])) == 1
