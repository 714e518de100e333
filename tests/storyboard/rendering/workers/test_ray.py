"""Two workers behind Ray itself, with the tiny model: one start of Ray for all of it, for it is slow."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from storyboard.rendering.model_choice import Choice
from storyboard.rendering.workers import nodes
from storyboard.rendering.workers.crew import Crew
from storyboard.rendering.workers.link import Link
from storyboard.rendering.workers.starting import Wanted, start
from storyboard.studio import Studio
from tests.storyboard.studios import TEN, Desk, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not nodes.available(), reason="Ray is not installed")]
READY_SECONDS = 240.0


@pytest.fixture(scope="module")
def choice(tiny_folder: Path) -> Choice:
    return Choice(model=str(tiny_folder))


@pytest.fixture(scope="module")
def studio(choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    home = tmp_path_factory.mktemp("home")
    studio = Studio(choice.load, home, choice.digest())
    crew = start(Wanted(2), choice, home)
    studio.renderer.employ(crew)
    link = link_of(studio)
    try:
        assert link.wait_ready(2, READY_SECONDS), "two workers are to be ready"
        yield studio
    finally:
        studio.close()
        wait_for(lambda: not link.alive())  # nothing of Ray is left


def link_of(studio: Studio) -> Link:
    crew = studio.renderer.crew
    assert isinstance(crew, Crew) and isinstance(crew.hands, Link)
    return crew.hands


@pytest.fixture(scope="module")
def alone(choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    studio = Studio(choice.load, tmp_path_factory.mktemp("alone"), choice.digest())
    desk = Desk.new(studio, *TEN)
    desk.render()
    made = [take.clip for take in desk.shown if take]
    studio.close()
    return made


def test_two_workers_make_what_one_process_makes_bit_for_bit(studio: Studio, alone: list[str]) -> None:
    desk = Desk.new(studio, *TEN)
    desk.render()
    assert [take.clip for take in desk.shown if take] == alone and len(set(alone)) == 10
    assert studio.renderer.crew and studio.renderer.crew.again == 0
    assert len(link_of(studio).workers()) == studio.renderer.queue.places == 2


def test_ray_listens_on_loopback_alone(studio: Studio) -> None:
    own = {process.pid for process in link_of(studio).alive()}
    listening = [c for c in psutil.net_connections("inet") if c.pid in own and c.status == psutil.CONN_LISTEN]
    assert listening and {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_a_scene_on_a_worker_is_cancelled_and_the_next_one_made(studio: Studio) -> None:
    desk = Desk.new(studio, TEN[0], steps=900)
    desk.ask("render")
    jobs = studio.renderer.queue.jobs
    wait_for(lambda: jobs(desk.owner, desk.story)[0].step > 1)
    desk.ask("cancel")
    desk.follow()
    assert jobs(desk.owner, desk.story)[0].state == "cancelled"
    desk.edit(0, steps=2)
    desk.render()
    assert desk.states == ["fresh"]


def test_a_worker_that_is_killed_costs_its_scene_and_another_one_is_hired(studio: Studio) -> None:
    link, desk = link_of(studio), Desk.new(studio, TEN[0], steps=300)
    before, again = set(link.workers()), studio.renderer.crew.again  # type: ignore[union-attr]
    assert len(before) == 2
    desk.ask("render")
    wait_for(lambda: studio.renderer.queue.jobs(desk.owner, desk.story)[0].step > 1)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    desk.follow()
    assert desk.states == ["fresh"] and studio.renderer.crew.again - again in (1, 2)  # type: ignore[union-attr]
    assert link.wait_ready(2, READY_SECONDS)
    wait_for(lambda: len(link.workers()) == 2 and not before & set(link.workers()))


def test_a_head_that_is_killed_is_started_again(studio: Studio, alone: list[str]) -> None:
    link = link_of(studio)
    starts, head = link.starts, link.head
    desk = Desk.new(studio, *TEN)
    desk.ask("render")
    wait_for(lambda: any(desk.shown))
    os.kill(head, signal.SIGKILL)
    began = time.monotonic()
    while any(job.active for job in studio.renderer.queue.jobs(desk.owner, desk.story)):
        assert time.monotonic() - began < READY_SECONDS
        time.sleep(0.1)
    assert [take.clip for take in desk.shown if take] == alone and link.starts == starts + 1
