"""Decisions about pairs of prompts on disk: given back as they were, to the same filter alone, and bounded."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import text_filter
from pipeline.text_filter import TextFilter
from storyboard.document import edits, plan
from storyboard.document.filter_cache import FilterCache
from storyboard.document.story import Board
from storyboard.rendering.kept_pairs import KeptPairs
from storyboard.store import pairs
from storyboard.store.pairs import PairStore
from tests.storyboard.studios import TEN

FOUND = {"a red coat": ((0, 1), (2, 0)), "a dog": (), "half of \ud83c": ((300, 299),)}
WANTED = [*FOUND, "never seen"]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "REST_SECONDS", 0.0)


def stored(path: Path, **options: Any) -> PairStore:
    store = PairStore(path, **options)
    store.add("filter", "Mia waves", None, FOUND)
    store.close()
    return PairStore(path, **options)


def test_what_was_decided_is_there_after_a_restart(tmp_path: Path) -> None:
    store = stored(tmp_path / "pairs.sqlite3")
    assert store.read("filter", "Mia waves", None, WANTED) == FOUND
    assert store.read("filter", "Mia waves", None, ["a dog"]) == {"a dog": ()}
    store.close()


@pytest.mark.parametrize("asked", [("other", "Mia waves", None), ("filter", "Mia", None), ("filter", "Mia waves", 0.5)])
def test_another_filter_prompt_or_threshold_reads_nothing_of_it(tmp_path: Path, asked: tuple[str, str, Any]) -> None:
    store = stored(tmp_path / "pairs.sqlite3")
    assert store.read(*asked, WANTED) == {}
    store.close()


def test_the_digest_of_a_filter_is_that_of_its_weights_code_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TextFilter.from_backbone().reader.encoder
    before = TextFilter(encoder, "weights").digest
    assert len(before) == 64 and TextFilter(encoder, "weights").digest == before
    assert TextFilter(encoder, "others").digest != before and TextFilter(encoder).digest == ""
    monkeypatch.setattr(text_filter, "DECIDING_PACKAGES", ("numpy",))
    text_filter._digest.cache_clear()
    assert TextFilter(encoder, "weights").digest != before
    text_filter._digest.cache_clear()


def test_the_oldest_prompts_go_when_there_is_no_room(tmp_path: Path) -> None:
    store = PairStore(tmp_path / "pairs.sqlite3", most_bytes=100_000)
    for number in range(60):
        store.add("filter", f"prompt {number}", None, {f"past {k}": ((k, k),) for k in range(100)})
    store.close()
    with sqlite3.connect(tmp_path / "pairs.sqlite3") as db:
        assert pairs._bytes_used(db) <= 110_000
        (left,) = db.execute("SELECT count(*) FROM prompts").fetchone()
        (rows,) = db.execute("SELECT count(*) FROM pairs").fetchone()
    assert 0 < left < 60 and rows == left * 100


def test_a_value_that_the_disk_spoiled_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "pairs.sqlite3"
    stored(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE pairs SET found = CAST(substr(found, 1, 4) || x'05000500' AS BLOB) WHERE length(found) > 4")
    store = PairStore(path)
    assert store.read("filter", "Mia waves", None, WANTED) == {"a dog": ()}
    store.close()


@pytest.mark.parametrize("content", [b"no database at all" * 400, b""])
def test_a_database_that_cant_be_read_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pairs.sqlite3"
    path.write_bytes(content)
    store = PairStore(path)
    assert store.read("filter", "Mia waves", None, WANTED) == {}
    store.close()
    store = stored(path)
    assert store.read("filter", "Mia waves", None, WANTED) == FOUND
    store.close()


def test_where_nothing_can_be_written_everything_goes_on(tmp_path: Path) -> None:
    (tmp_path / "pairs.sqlite3").mkdir()
    store = PairStore(tmp_path / "pairs.sqlite3")
    store.add("filter", "Mia waves", None, FOUND)
    assert store.read("filter", "Mia waves", None, WANTED) == {}
    store.close()


def test_after_a_restart_a_plan_asks_the_filter_about_no_pair(tmp_path: Path) -> None:
    real, story = TextFilter.from_backbone(), edits.new_story("Film", TEN + TEN[:2])
    asked = list[str]()

    class Counted:
        check, words, digest = staticmethod(real.check), real.words, real.digest

        def targets(self, past: Any, prompt: str, threshold: Any) -> Iterator[Any]:
            asked.extend(past)
            return real.targets(past, prompt, threshold)

    found = []
    for _ in range(2):
        store = PairStore(tmp_path / "pairs.sqlite3")
        kept: Any = KeptPairs(Counted, store)  # type: ignore[arg-type]
        found.append((plan.standings(Board(story), FilterCache(real, kept), "m"), len(asked)))
        store.close()
        asked.clear()
    (first, many), (second, few) = found
    assert first == second == plan.standings(Board(story), real, "m")
    assert many > 50 and few < many / 2, "short pasts are decided sooner than looked up"
