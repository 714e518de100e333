"""A studio with workers that are not Ray's: what goes out when, what is lost and comes back, and who waits."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storyboard.rendering.workers.crew import BY_ITSELF, MOST_GIVEN, Crew, News
from storyboard.studio import Studio
from tests.soak.workers import prompts
from tests.storyboard.rendering.workers.fakes import FakeHands
from tests.storyboard.studios import MODEL, TEN, YOU, Desk, open_studio, wait_for


@pytest.fixture
def hands(pipeline: Any, tmp_path: Path) -> FakeHands:
    return FakeHands(pipeline, tmp_path / "worker")


@pytest.fixture
def studio(pipeline: Any, hands: FakeHands, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(pipeline, tmp_path / "home")
    studio.renderer.employ(Crew(hands, MODEL))
    yield studio
    hands.open.set()
    studio.close()
    assert hands.closed


@pytest.fixture(scope="module")
def alone(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The clips of the ten scenes as one process makes them."""
    studio = open_studio(pipeline, tmp_path_factory.mktemp("alone"))
    desk = Desk.new(studio, *TEN)
    desk.render()
    made = clips(desk)
    studio.close()
    return made


def clips(desk: Desk) -> list[str]:
    return [take.clip for take in desk.shown if take]


def job_of(desk: Desk, place: int) -> Any:
    jobs = desk.studio.renderer.queue.jobs(desk.owner, desk.story)
    return [job for job in jobs if job.scene == desk.ids[place]][-1]


def test_ten_scenes_come_out_as_one_process_makes_them(studio: Studio, hands: FakeHands, alone: list[str]) -> None:
    desk = Desk.new(studio, *TEN)
    desk.render()
    assert clips(desk) == alone and desk.states == ["fresh"] * 10
    assert len(hands.begun) == 10 and hands.most_at_once == 2


def test_a_scene_goes_out_after_those_that_it_needs_and_others_do_not_wait(studio: Studio, hands: FakeHands) -> None:
    desk = Desk.new(studio, TEN[0], "Mia in a red coat is sitting on the beach.", TEN[1])
    hands.open.clear()
    desk.ask("render")
    wait_for(lambda: len(hands.begun) == 2)
    assert {order.decision.prompt for order in hands.begun} == {TEN[0], TEN[1]}
    hands.open.set()
    desk.follow()
    assert len(hands.begun) == 3 and hands.begun[2].past and desk.states == ["fresh"] * 3


def test_a_scene_that_came_to_need_another_in_line_goes_back(studio: Studio, hands: FakeHands) -> None:
    desk = Desk.new(studio, "A dog is jumping on the snow.", TEN[2], TEN[7])
    hands.open.clear()
    desk.ask("render")
    wait_for(lambda: len(hands.begun) == 2)
    desk.prompt(2, "The dog is running.")  # needs the first scene, which is on its way; nobody said so before
    hands.open.set()
    desk.follow()
    assert desk.states == ["fresh"] * 3
    assert hands.begun[-1].decision.prompt == "The dog is running." and hands.begun[-1].past


def test_what_ends_while_a_scene_looks_up_what_it_needs_is_remembered(
    studio: Studio, hands: FakeHands, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk.new(studio, "A dog is jumping on the snow.", TEN[2], TEN[7])
    standings, make, first, slow = studio.renderer.standings, hands._make, threading.Event(), []

    def look_up_slowly(head: Any) -> Any:
        found = standings(head)
        if head.board.story.scenes[2].prompt == "The dog is running." and desk.shown[1] and not desk.shown[0]:
            slow.append(head)
            first.set()
            wait_for(lambda: desk.shown[0] and not job_of(desk, 0).active)
        return found

    def hold_the_first(name: str, order: Any) -> None:
        if order.decision.prompt.startswith("A dog"):
            first.wait(60)
        make(name, order)

    monkeypatch.setattr(hands, "_make", hold_the_first)
    monkeypatch.setattr(studio.renderer, "standings", look_up_slowly)
    hands.open.clear()
    desk.ask("render")
    wait_for(lambda: len(hands.begun) == 1)
    desk.prompt(2, "The dog is running.")
    hands.open.set()
    desk.follow()
    assert slow and desk.states == ["fresh"] * 3 and hands.begun[-1].past


def test_a_lost_worker_costs_its_scene_alone(studio: Studio, hands: FakeHands, alone: list[str]) -> None:
    hands.lose = 2
    desk = Desk.new(studio, *TEN)
    desk.render()
    assert clips(desk) == alone and len(hands.begun) == 12 and studio.renderer.crew.again == 2


def test_a_scene_that_loses_every_worker_is_given_up(studio: Studio, hands: FakeHands) -> None:
    hands.lose = MOST_GIVEN
    desk = Desk.new(studio, TEN[0])
    desk.render()
    assert job_of(desk, 0).error.startswith(f"{MOST_GIVEN} workers were lost") and len(hands.begun) == MOST_GIVEN
    desk.render(0)
    assert desk.states == ["fresh"]


def test_heads_that_are_lost_are_not_a_scenes_fault(
    studio: Studio, hands: FakeHands, alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, left = hands._make, iter(range(2 * MOST_GIVEN))

    def without_head(name: str, order: Any) -> None:
        if next(left, None) is None:
            make(name, order)
        else:
            hands._tell(name, News("begun"))
            hands._tell(name, News("lost", reason="its head was killed", by_head=True))

    monkeypatch.setattr(hands, "_make", without_head)
    desk = Desk.new(studio, TEN[0])
    desk.render()
    assert clips(desk) == alone[:1] and studio.renderer.crew.again == 2 * MOST_GIVEN


def test_a_scene_that_is_given_up_costs_those_that_remember_it_and_no_others(
    studio: Studio, hands: FakeHands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An early run of `tests.soak.workers` lost 6 of 16 scenes: of a film in which four chains cross, as many as one of
    the second row and those that remember it."""
    film, make, lost = prompts(16), hands._make, 4
    whole = Desk.new(studio, *film)
    whole.render()

    def losing(name: str, order: Any) -> None:
        if order.decision.prompt == film[lost]:
            hands._tell(name, News("begun"))
            hands._tell(name, News("lost", reason="its worker was killed"))
        else:
            make(name, order)

    monkeypatch.setattr(hands, "_make", losing)
    desk = Desk.new(studio, *film)
    desk.render()
    other = [place for place, pair in enumerate(zip(desk.shown, whole.shown, strict=True)) if _differ(*pair)]
    assert other == [4, 8, 11, 12, 14, 15] and desk.shown[lost] is None
    assert job_of(desk, lost).error.startswith(f"{MOST_GIVEN} workers were lost")


def _differ(one: Any, other: Any) -> bool:
    return one is None or one.clip != other.clip


def test_an_order_that_is_lost_before_it_is_begun_costs_nothing(
    studio: Studio, hands: FakeHands, alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, left = hands._make, iter(range(2 * MOST_GIVEN))

    def lost_at_first(name: str, order: Any) -> None:
        if next(left, None) is None:
            make(name, order)
        else:
            hands._tell(name, News("lost", reason="its head was lost before it was handed out"))

    monkeypatch.setattr(hands, "_make", lost_at_first)
    desk = Desk.new(studio, TEN[0])
    desk.render()
    assert clips(desk) == alone[:1] and len(hands.begun) == 1 and studio.renderer.crew.again == 0


def test_a_damaged_clip_is_made_again(studio: Studio, hands: FakeHands, alone: list[str]) -> None:
    hands.damage = 1
    desk = Desk.new(studio, *TEN)
    desk.render()
    assert clips(desk) == alone and len(hands.begun) == 11


def test_without_workers_the_app_renders_itself_and_says_so(studio: Studio, hands: FakeHands, alone: list[str]) -> None:
    hands.gone = True
    desk = Desk.new(studio, *TEN)
    desk.render()
    assert clips(desk) == alone and not hands.begun and job_of(desk, 0).notice == BY_ITSELF


def test_progress_reaches_the_page_and_a_scene_on_a_worker_is_cancelled(studio: Studio, hands: FakeHands) -> None:
    desk = Desk.new(studio, TEN[0], TEN[1], steps=400)
    desk.ask("render")
    wait_for(lambda: all(job_of(desk, k).step > 1 and job_of(desk, k).preview for k in (0, 1)))
    assert desk.ask("poll")["jobs"][desk.ids[0]]["total"] == 400
    desk.ask("cancel")
    desk.follow()
    assert [job_of(desk, k).state for k in (0, 1)] == ["cancelled"] * 2 and desk.shown == [None, None]
    wait_for(lambda: hands.at_once == 0)


def test_a_pipeline_that_refuses_is_heard(studio: Studio, hands: FakeHands, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = News("failed", reason="steps is 0: expected 1 to 1000")
    monkeypatch.setattr(hands, "_make", lambda name, order: hands._tell(name, refusal))
    desk = Desk.new(studio, TEN[0])
    desk.render()
    assert job_of(desk, 0).error == "steps is 0: expected 1 to 1000"


def test_a_short_story_does_not_wait_for_a_long_one(studio: Studio, hands: FakeHands) -> None:
    hands.open.clear()
    long = Desk.new(studio, *prompts(30))
    long.ask("render")
    wait_for(lambda: len(hands.begun) == 2)
    short = Desk.new(studio, "A pirate is reading in the tower.", owner=YOU)
    short.ask("render")
    hands.open.set()
    short.follow()
    assert len(hands.begun) < 30
    long.ask("cancel")


def test_the_plan_says_what_workers_make_of_it(studio: Studio) -> None:
    desk = Desk.new(studio, *TEN)
    desk.render(0, 3)  # to know how long a scene takes that remembers nothing, and one that does
    told = desk.ask("plan")["plan"]["together"]
    assert told["workers"] == 2 and told["chain"] and told["chain_seconds"] <= told["seconds"]
    assert told["seconds"] < desk.ask("plan")["plan"]["seconds"]


def test_region_edits_and_teaching_are_never_two_at_once() -> None:
    from storyboard.rendering.jobs.job import Job, may_begin

    running = Job("me", "a story", "entry", "teach", state="running", number=1)
    may = may_begin([running])
    assert not may(Job("me", "another", "entry", "teach", number=2))
    assert may(Job("me", "another", "scene", order="stale", number=3))


def test_of_one_scene_the_orders_are_made_one_after_the_other(studio: Studio, hands: FakeHands) -> None:
    desk = Desk.new(studio, TEN[0])
    hands.open.clear()
    desk.ask("render", [desk.ids[0]])
    desk.ask("render", [desk.ids[0]], True)
    wait_for(lambda: len(hands.begun) == 1)
    threading.Event().wait(0.3)
    assert len(hands.begun) == 1
    hands.open.set()
    desk.follow()
    assert len(hands.begun) == 2 and len(desk.takes(0)) == 2
