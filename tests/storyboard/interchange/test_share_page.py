"""The page to share: one file with everything in it, escaped, that asks for nothing; looked at in Chromium."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from storyboard.document import edits
from storyboard.document.story import Board
from storyboard.interchange import formats
from storyboard.media.video import read_clip
from storyboard.store.blobs import BlobStore

from .boards import NASTY, TITLE, kept_board


class Tags(HTMLParser):
    """All elements with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]


def page_of(board: Board, media: BlobStore) -> str:
    digest, suffix = formats.export(board, media, "page.html")
    assert suffix == "html"
    return media.path(digest, suffix).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Board, str]:
    board, media = kept_board(tmp_path_factory.mktemp("media"), [5, 0, 9])
    return board, page_of(board, media)


def test_it_holds_the_film_the_board_and_its_words(made: tuple[Board, str], tmp_path: Path) -> None:
    tags = Tags(made[1])
    (video,), pictures = tags.of("video"), tags.of("img")
    (tmp_path / "film.mp4").write_bytes(base64.b64decode((video["src"] or "").removeprefix("data:video/mp4;base64,")))
    assert len(read_clip(tmp_path / "film.mp4", 96, 144, 8)) == 14
    assert len(pictures) == 2 and all((picture["src"] or "").startswith("data:image/jpeg") for picture in pictures)
    assert [button["data-at"] for button in tags.of("button")] == ["0.000", "0.625"]
    for said in (TITLE, f"{NASTY} 1", "Mia (whispering): Who is there?", "look for a red door", "no clip yet"):
        assert said in tags.text


def test_nothing_that_a_user_wrote_is_more_than_text(made: tuple[Board, str]) -> None:
    page = made[1]
    assert len(Tags(page).of("script")) == 1 and "<script>alert" not in page and "<b>海" not in page
    assert TITLE in Tags(page).text


def test_it_asks_for_nothing(made: tuple[Board, str]) -> None:
    for tag, attributes in Tags(made[1]).found:
        for name in ("src", "href", "poster", "srcset", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), tag
    assert not re.search(r"@import|url\(|https?://", made[1])


def test_its_policy_allows_its_own_script_alone(made: tuple[Board, str]) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", made[1], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(meta["content"] or "" for meta in Tags(made[1]).of("meta") if "http-equiv" in meta)
    assert f"script-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")


def test_a_board_without_a_clip_has_a_page_too(tmp_path: Path) -> None:
    board, media = kept_board(tmp_path, [0])
    quiet = edits.edit_scene(board.story, board.story.scenes[0].id, script={"dialogue": []})
    page = page_of(Board(quiet), media)
    assert "No scene has a clip yet." in page and not Tags(page).of("video")
