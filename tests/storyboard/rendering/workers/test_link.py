"""The app's end of the head, with a head without Ray that ends and hangs when it is told to."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storyboard.rendering.model_choice import Choice
from storyboard.rendering.workers import link as module
from storyboard.rendering.workers.crew import News
from storyboard.rendering.workers.link import Link, Terms
from tests.storyboard.studios import wait_for

SILENT_SECONDS, PATIENCE = 1.0, 20.0
HEADS = 100  # that are killed


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    return tmp_path / "heard"


@pytest.fixture
def link(heard: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    monkeypatch.setattr(module, "HEAD", "tests.storyboard.rendering.workers.fake_head")
    monkeypatch.setattr(module, "SILENT_SECONDS", SILENT_SECONDS)
    link = Link(Terms(Choice(), "a model", str(heard), 1))
    yield link
    link.close()
    assert not link.alive()


def words(heard: Path) -> list[tuple[str, str]]:
    return [tuple(json.loads(line)) for line in heard.read_text().splitlines()] if heard.exists() else []


def given(heard: Path) -> list[str]:
    return [what for do, what in words(heard) if do == "give"]


def next_news(link: Link, name: str) -> News:
    news = link.news(name, PATIENCE)
    assert news is not None
    return news


def kinds(link: Link, name: str, count: int) -> list[str]:
    return [next_news(link, name).kind for _ in range(count)]


def test_what_is_given_before_a_head_listens_is_heard_once_and_after_the_terms(link: Link, heard: Path) -> None:
    names = [link.give(f"parcel {k}".encode()) for k in range(5)]
    for name in names:
        assert kinds(link, name, 2) == ["begun", "done"]
        link.drop(name)
    assert words(heard)[0][0] == "terms" and sorted(given(heard)) == [f"parcel {k}" for k in range(5)]


def test_what_was_dropped_before_a_head_listens_is_not_given(link: Link, heard: Path) -> None:
    link.drop(link.give(b"not wanted"))
    assert kinds(link, link.give(b"wanted"), 2) == ["begun", "done"] and given(heard) == ["wanted"]


def test_a_head_that_ends_loses_what_it_had_and_the_next_one_gets_only_what_comes_then(link: Link, heard: Path) -> None:
    slow = link.give(b"slow")
    assert next_news(link, slow).kind == "begun"
    ending = link.give(b"end")
    assert kinds(link, slow, 1) == ["lost"] and kinds(link, ending, 2) == ["begun", "lost"]
    fresh = link.give(b"fresh")  # mostly before there is another head
    assert kinds(link, fresh, 2) == ["begun", "done"]
    assert link.starts == 2 and given(heard) == ["slow", "end", "fresh"]


def test_a_clip_that_came_before_its_head_was_lost_is_not_lost(link: Link) -> None:
    made, ending = link.give(b"made"), link.give(b"end")
    wait_for(lambda: link.starts == 2)
    assert kinds(link, made, 2) == ["begun", "done"] and kinds(link, ending, 2) == ["begun", "lost"]
    assert link.wait_ready(1, PATIENCE)


@pytest.mark.parametrize("parcel", [b"hang", b"deaf"])
def test_a_head_that_hangs_is_lost_soon_even_in_the_middle_of_a_clip(link: Link, parcel: bytes) -> None:
    assert link.wait_ready(1, PATIENCE)
    began = time.monotonic()
    assert kinds(link, link.give(parcel), 2) == ["begun", "lost"]
    assert time.monotonic() - began < 10 * SILENT_SECONDS
    assert kinds(link, link.give(b"fresh"), 2) == ["begun", "done"]


def test_who_gives_more_than_a_head_reads_does_not_wait_for_ever(link: Link) -> None:
    assert link.wait_ready(1, PATIENCE)
    link.give(b"deaf")
    began = time.monotonic()
    large = link.give(bytes(10 << 20))
    assert time.monotonic() - began < 10 * SILENT_SECONDS
    assert kinds(link, large, 1) == ["lost"]


def test_heads_that_are_killed_at_any_time_lose_nothing_for_good(link: Link) -> None:
    assert link.wait_ready(1, PATIENCE)
    for count in range(12):
        name = link.give(b"parcel")
        if count % 3 == 2:
            os.kill(link.head, signal.SIGKILL)
        while (news := next_news(link, name)).kind != "done":
            if news.kind == "lost":
                link.drop(name)
                name = link.give(b"parcel")
        assert news.data == b"parcel" and news.digest == "of parcel"
        link.drop(name)
    assert link.starts >= 4 and not link.gone


@pytest.mark.slow
def test_a_hundred_heads_that_are_killed_at_random_lose_nothing(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """While three wait for what they gave, and give again what was lost."""
    monkeypatch.setattr(module, "SILENT_SECONDS", 10.0)  # a busy machine is no head that hangs
    monkeypatch.setenv("HEAD_STARTING_SECONDS", "0.05")
    assert link.wait_ready(1, PATIENCE)
    chance, killed, made = random.Random(1), 0, list[bool]()

    def make(own: int) -> None:
        count = 0
        while killed < HEADS:
            parcel, count = f"{own} {count}".encode() * 2000, count + 1
            while (news := _made(link, parcel)) is None:
                pass
            made.append(news.data == parcel)

    threads = [threading.Thread(target=make, args=(own,), daemon=True) for own in range(3)]
    for thread in threads:
        thread.start()
    while killed < HEADS:
        time.sleep(chance.uniform(0.0, 0.1))
        if link.wait_ready(1, PATIENCE):
            with suppress(ProcessLookupError):
                os.kill(link.head, signal.SIGKILL)
                killed += 1
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert not any(thread.is_alive() for thread in threads) and len(made) > 10 and all(made) and not link.gone


def _made(link: Link, parcel: bytes) -> News | None:
    """The end of a parcel that is given; None if it is lost."""
    name = link.give(parcel)
    try:
        while (news := next_news(link, name)).kind == "begun":
            pass
        return news if news.kind == "done" else None
    finally:
        link.drop(name)
