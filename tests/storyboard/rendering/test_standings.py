"""How a story stands is worked out without a lock that another story's waits for."""

import threading
from pathlib import Path
from typing import Any

import pytest

from storyboard.document import plan
from tests.storyboard.studios import SECONDS, TEN, Desk, open_studio, wait_for


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Planning of a story with the title "Long" begins, and goes on once it may."""
    begun, go, standings = threading.Event(), threading.Event(), plan.standings

    def slow(board: Any, *arguments: Any) -> Any:
        if board.story.title == "Long":
            begun.set()
            assert go.wait(SECONDS)
        return standings(board, *arguments)

    monkeypatch.setattr(plan, "standings", slow)
    return begun, go


def test_a_plan_does_not_wait_for_the_plan_of_another_story(
    pipeline, tmp_path: Path, held: tuple[threading.Event, threading.Event]
) -> None:
    studio, (begun, go) = open_studio(pipeline, tmp_path), held
    long = Desk.new(studio, *TEN)
    studio.edit(long.owner, long.story, {"do": "edit_story", "changes": {"title": "Long"}})
    first = threading.Thread(target=studio.plan, args=(long.owner, long.story))
    first.start()
    assert begun.wait(SECONDS)
    other = studio.new_story("another-owner-of-a-story-1", "Short", TEN[:3])["story"]
    assert len(studio.plan("another-owner-of-a-story-1", other["id"])["plan"]["steps"]) == 3
    assert "standing" in studio.poll("another-owner-of-a-story-1", other["id"])
    assert first.is_alive()
    go.set()
    first.join(SECONDS)
    wait_for(lambda: "standing" in studio.poll(long.owner, long.story))
    studio.close()


def test_a_poll_shows_no_earlier_revision_that_was_on_its_way(
    pipeline, tmp_path: Path, held: tuple[threading.Event, threading.Event]
) -> None:
    studio, (begun, go) = open_studio(pipeline, tmp_path), held
    long = Desk.new(studio, *TEN[:2])
    studio.edit(long.owner, long.story, {"do": "edit_story", "changes": {"title": "Long"}})
    _ = studio.renderer.filter
    assert studio.renderer.standings_soon(studio._head(long.owner, long.story), 0.01) is None
    assert begun.wait(SECONDS)
    studio.edit(long.owner, long.story, {"do": "add_scene", "fields": {"prompt": TEN[2]}})
    go.set()
    head = studio._head(long.owner, long.story)
    found = studio.renderer.standings_soon(head, SECONDS)
    assert found is not None and list(found) == [scene.id for scene in head.board.story.scenes]
    studio.close()
