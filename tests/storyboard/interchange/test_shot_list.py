"""The shot list: a row a scene, safe to open in a spreadsheet."""

import csv
from pathlib import Path

from storyboard.document import edits
from storyboard.document.story import Board
from storyboard.interchange import formats
from storyboard.interchange.shots import shot_rows
from storyboard.screenplays.shot_list import COLUMNS

from .boards import NASTY, board_of, kept_board


def rows_of(board: Board, folder: Path) -> list[dict[str, str]]:
    _, media = kept_board(folder, [])
    digest, suffix = formats.export(board, media, "shots.csv")
    with media.path(digest, suffix).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_says_everything_of_its_scene(tmp_path: Path) -> None:
    board = board_of([5, 0, 9], seed=7, steps=12)
    first, second, third = rows_of(board, tmp_path)
    assert tuple(first) == COLUMNS
    assert first["Action"] == f"{NASTY} 1" and first["Heading"] == "INT. KITCHEN - NIGHT"
    assert first["Dialogue"] == "Mia (whispering): Who is there?\nトム: わたしです。"
    assert (first["Cast"], first["Notes"], first["Clip"]) == ("Mia, Tom", "look for a red door", "scene01.mp4")
    assert (first["Seconds"], first["Frames"], first["Seed"], first["Steps"]) == ("0.625", "5", "7", "12")
    assert (second["Status"], second["Clip"], second["Starts at"]) == ("no clip yet", "", "")
    assert (third["Starts at"], third["Seam"], third["Seam seconds"]) == ("0.625", "dip to black", "0.5")


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    board = board_of([0])
    for start in "=+-@":
        prompt = f'{start}HYPERLINK("http://x")'
        story = edits.edit_scene(board.story, board.story.scenes[0].id, prompt=prompt)
        (row,) = rows_of(Board(story), tmp_path)
        assert row["Action"] == f"'{prompt}"


def test_captions_are_those_of_the_scene_alone() -> None:
    board = board_of([5, 5])
    story = edits.edit_shot(board.story, board.story.scenes[0].id, caption="Later.")
    assert [row.caption for row in shot_rows(Board(story, board.takes))] == ["Later.", ""]
