"""Owners are free to invent: what a newcomer gets of a line that invented ones have filled."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document.story import Scene
from storyboard.rendering.callers import calling_from
from storyboard.rendering.limits import QueueLimits
from storyboard.studio import Studio
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, SECONDS, wait_for

SMALL = QueueLimits(waiting=200, own_waiting=60, address_waiting=100, reserved=50)  # a tenth of those that ship
FIVE = [f"invented-{number}-" + "0" * 16 for number in range(5)]


class Begun:
    """The scenes that were begun, in order; each goes on when it is let."""

    def __init__(self, studio: Studio) -> None:
        self.scenes: list[str] = []
        self._let = threading.Semaphore(0)
        studio.renderer.maker.on_step = self._step  # type: ignore[attr-defined]

    def _step(self, scene: Scene, step: int) -> None:
        if step == 1:
            self.scenes.append(scene.id)
            assert self._let.acquire(timeout=SECONDS)

    def next(self) -> str:
        """Ends the present scene: the one that begins then."""
        before = len(self.scenes)
        self._let.release()
        wait_for(lambda: len(self.scenes) > before)
        return self.scenes[-1]

    def let_all(self) -> None:
        self._let.release(10_000)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path, limits=SMALL, step_seconds=0)
    yield studio
    studio.close()


def ask(studio: Studio, owner: str, scenes: int, prompt: str = "A cat") -> list[str]:
    """Their ids; none if the line has no room."""
    made = studio.new_story(owner, "Film", [f"{prompt} {number}." for number in range(scenes)])["story"]
    try:
        studio.render(owner, made["id"])
    except ThroughlineError as error:
        assert "try again later" in str(error)
        return []
    return [scene["id"] for scene in made["scenes"]]


def fill(studio: Studio) -> int:
    """The five take all they can, with ever fewer scenes: how many that were."""
    asked = [ask(studio, owner, scenes) for scenes in (50, 30, 20) for owner in FIVE]
    return sum(map(len, asked))


@pytest.mark.parametrize("theirs", ["", "192.0.2.1"])
@pytest.mark.parametrize("served", [0, 1, 4, 7])
def test_with_five_invented_owners_who_fill_the_line_a_newcomer_waits_for_two_scenes_at_most(
    studio: Studio, theirs: str, served: int
) -> None:
    begun = Begun(studio)
    with calling_from(theirs):
        filled = fill(studio)
        assert filled >= (SMALL.address_waiting if theirs else SMALL.waiting - SMALL.reserved)
        wait_for(lambda: begun.scenes)
        for _ in range(served):
            begun.next()
        mine = ask(studio, ME, 4)
    told = studio.poll(ME, studio.stories(ME)["stories"][0]["id"])["jobs"][mine[0]]["position"]
    order = [begun.next(), begun.next()]
    assert told == order.index(mine[0]) + 1, "after the scene that was under way and one more at most"
    another = ask(studio, "n" * 32, 2, "A dog")
    assert another[0] in (begun.next(), begun.next()), "so does who comes next"
    begun.let_all()


def test_a_sheet_counts_by_its_cells(studio: Studio) -> None:
    begun = Begun(studio)
    (scene,) = ask(studio, FIVE[0], 1)
    wait_for(lambda: begun.scenes)
    story = studio.stories(FIVE[0])["stories"][0]["id"]
    weights = [float(number) for number in range(6)]
    studio.sheet(FIVE[0], story, scene, weights, weights)
    with pytest.raises(ThroughlineError, match="36 of your scenes are waiting"):
        studio.sheet(FIVE[0], story, scene, weights, weights)
    assert studio.renderer.queue.state()["waiting"] == 36
    mine = ask(studio, ME, 2)
    assert begun.next() == mine[0]
    studio.cancel_trials(FIVE[0], story)
    begun.let_all()
