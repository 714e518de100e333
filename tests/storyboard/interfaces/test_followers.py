"""A crowd that follows one render holds nobody up: not the page, not those who look after the machine."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio import Error

from pipeline.errors import ThroughlineError
from storyboard.interfaces import http
from storyboard.interfaces.admission import Throttle
from storyboard.interfaces.pools import AT_ONCE, Pools, kind_of
from storyboard.operations.registry import PAGE, VERBS
from storyboard.studio import Studio
from tests.soak import followers
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, SECONDS, served, wait_for


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Its renders end when they are cancelled."""
    studio = open_fake(tmp_path, steps=followers.LONG, step_seconds=0.01)
    yield studio
    studio.close()


def test_sixty_followers_keep_nobody_from_the_page(studio: Studio) -> None:
    with served(studio) as address:
        seen = asyncio.run(followers.visit(address, followers=60, seconds=0))
    assert seen.followers == 60 and not seen.unanswered
    assert seen.seconds.keys() == {"healthz", "page", "cancel", "program"}


def streams(studio: Studio, story: str, count: int, most: int = 100) -> list[AsyncIterator[Any]]:
    pools, crowd = Pools(), http.Followers(most)
    return [http._stream(studio, VERBS["render"], pools, crowd, Throttle())(ME, story, []) for _ in range(count)]


def test_whoever_follows_holds_no_thread(studio: Studio) -> None:
    story = studio.new_story(ME, "Film", ["Mia runs."])["story"]["id"]

    async def follow(stream: AsyncIterator[Any], told: asyncio.Barrier) -> list[Any]:
        news = [await anext(stream), await anext(stream)]
        await told.wait()
        return [*news, *[part async for part in stream]]

    async def follow_all() -> tuple[int, list[list[Any]]]:
        told = asyncio.Barrier(61)
        tasks = [asyncio.create_task(follow(stream, told)) for stream in streams(studio, story, 60)]
        await asyncio.wait_for(told.wait(), SECONDS)
        held = sum(thread.name.startswith("AnyIO") for thread in threading.enumerate())
        studio.cancel(ME, story)
        return held, await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)

    held, told = asyncio.run(follow_all())
    assert held <= AT_ONCE["plans"] + AT_ONCE["news"], "which are free meanwhile"
    for plan, *news, last in told:
        assert plan["plan"]["steps"] and last["story"]["id"] == story
        assert [job["state"] for job in news[-1]["jobs"].values()] == ["cancelled"]


def test_too_many_followers_are_refused_in_words(studio: Studio) -> None:
    story = studio.new_story(ME, "Film", ["Mia runs."])["story"]["id"]

    async def follow() -> None:
        first, second, third, fourth = streams(studio, story, 4, most=2)
        assert await anext(first) and await anext(second)
        with pytest.raises(Error, match="2 renders are being followed"):
            await anext(third)
        await first.aclose()  # type: ignore[attr-defined]
        assert await anext(fourth), "once one has gone"

    asyncio.run(follow())


def test_one_address_leaves_places_for_others() -> None:
    crowd = http.Followers(most=4, of_an_address=2)
    with crowd.joined("a"), crowd.joined("a"):
        with pytest.raises(ThroughlineError, match="from your network"), crowd.joined("a"):
            pass
        with crowd.joined("b"), crowd.joined(""):
            assert crowd.count == 4
    with crowd.joined("a"), crowd.joined("a"):
        assert crowd.count == 2, "places that were left can be taken again"


def test_little_is_kept_for_whoever_does_not_read(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told the end all the same."""
    monkeypatch.setattr(http, "LOOK_SECONDS", 0.005)
    story = studio.new_story(ME, "Film", ["Mia runs."])["story"]["id"]
    with served(studio) as address, httpx.Client(base_url=address, timeout=SECONDS) as client:
        path = "/gradio_api/call/render"
        asked = client.post(path, json={"data": [ME, story, []]}).json()["event_id"]
        wait_for(lambda: studio.poll(ME, story)["jobs"] and next(iter(steps(studio, story))) > 300)
        studio.cancel(ME, story)
        parts = [
            line for line in client.get(f"{path}/{asked}").text.splitlines() if line.startswith("event: generating")
        ]
        assert 2 < len(parts) <= http.MOST_UNREAD + 3, "of three hundred steps"


def steps(studio: Studio, story: str) -> Iterator[int]:
    return (job["step"] for job in studio.poll(ME, story)["jobs"].values())


def test_the_more_follow_the_less_often_each_is_told() -> None:
    crowd = http.Followers()
    crowd.count = 1
    assert crowd.pause() <= http.LOOK_SECONDS
    crowd.count = 500
    assert 2.5 <= crowd.pause() <= 5.0


def test_every_kind_of_work_waits_for_itself_alone() -> None:
    done = threading.Event()

    async def work() -> list[str]:
        pools = Pools()
        held = [asyncio.create_task(pools.run("uploads", done.wait, SECONDS)) for _ in range(50)]
        others = [await pools.run(kind, str, kind) for kind in AT_ONCE if kind != "uploads"]
        done.set()
        assert all(await asyncio.gather(*held))
        return others

    assert asyncio.run(work()) == [kind for kind in AT_ONCE if kind != "uploads"]


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("import_clip", "uploads"), ("film", "exports"), ("plan", "plans"), ("models", "slow"), ("cancel", "quick")],
)
def test_every_verb_has_its_pool(verb: str, kind: str) -> None:
    assert kind_of(verb, PAGE[verb].slow) == kind
