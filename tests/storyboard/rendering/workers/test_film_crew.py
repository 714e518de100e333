"""The shell's films, made by workers: as one process makes them."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storyboard.rendering.film import FilmOrder, Progress, SceneDone, render_film
from storyboard.rendering.workers.crew import Crew
from storyboard.rendering.workers.film_crew import FilmCrew
from storyboard.store.blobs import BlobStore
from tests.storyboard.rendering.workers.fakes import FakeHands
from tests.storyboard.studios import MODEL, TEN, wait_for

SETTINGS = {"height": 48, "width": 72, "num_frames": 5, "steps": 2, "seed": 3}


@pytest.fixture
def hands(pipeline: Any, tmp_path: Path) -> FakeHands:
    return FakeHands(pipeline, tmp_path / "worker")


def film_crew(pipeline: Any, order: FilmOrder, hands: FakeHands, tmp_path: Path) -> FilmCrew:
    return FilmCrew(pipeline, order, Crew(hands, MODEL), BlobStore(tmp_path / "media"))


def test_a_film_is_what_one_process_makes_of_it(pipeline: Any, hands: FakeHands, tmp_path: Path) -> None:
    own = np.full((5, 48, 72, 3), 90, np.uint8)
    order = FilmOrder(TEN[:6], settings=SETTINGS, clips=(own,))
    alone = [event for event in render_film(pipeline, order) if isinstance(event, SceneDone)]
    events = list(film_crew(pipeline, order, hands, tmp_path).render())
    shared = [event for event in events if isinstance(event, SceneDone)]
    assert [one.scene for one in shared] == list(range(6)) and hands.most_at_once == 2
    for a, b in zip(alone, shared, strict=True):
        assert np.array_equal(a.frames, b.frames) and np.array_equal(a.keyframe, b.keyframe)
        assert (a.prompt, a.settings, a.continues) == (b.prompt, b.settings, b.continues)
        assert (a.trace is None) == (b.trace is None) == (a.scene == 0)
        if a.trace and b.trace:
            assert a.trace.filter == b.trace.filter and a.trace.guidance == b.trace.guidance
            assert [(m.scene, m.word) for m in a.trace.maps] == [(m.scene, m.word) for m in b.trace.maps]
    steps = [event.step for event in events if isinstance(event, Progress)]
    assert len(steps) == 10 and {step.total for step in steps} == {2}


def test_a_film_whose_scenes_go_on_is_the_same(going_on: Any, tmp_path: Path) -> None:
    hands = FakeHands(going_on, tmp_path / "worker")
    order = FilmOrder(TEN[:3], settings=SETTINGS | {"num_frames": 9}, seams=("continue", "cut"))
    alone = [event for event in render_film(going_on, order) if isinstance(event, SceneDone)]
    crew = film_crew(going_on, order, hands, tmp_path)
    shared = [event for event in crew.render() if isinstance(event, SceneDone)]
    assert crew.needs(1) == {0} and shared[1].continues
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(alone, shared, strict=True))


def test_closing_stops_what_the_workers_make(pipeline: Any, hands: FakeHands, tmp_path: Path) -> None:
    order = replace(FilmOrder(TEN[:2], settings=SETTINGS | {"steps": 500}))
    with closing(film_crew(pipeline, order, hands, tmp_path).render()) as events:
        assert isinstance(next(events), Progress)
    wait_for(lambda: hands.at_once == 0)
