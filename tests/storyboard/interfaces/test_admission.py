"""The page, programs and tools pass one throttle, and all say where their jobs come from."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.requests import Request

from pipeline.errors import ThroughlineError
from storyboard.interfaces import admission, http
from storyboard.interfaces.admission import OF_AN_ADDRESS, Throttle
from storyboard.interfaces.pools import Pools
from storyboard.operations.registry import VERBS
from storyboard.studio import Studio
from storyboard.ui import desk
from storyboard.ui.security import Guard
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, YOU, served

HERE, THERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path, steps=10**6, step_seconds=0.01)
    yield studio
    studio.close()


def test_owners_who_are_invented_share_what_their_address_may() -> None:
    throttle = Throttle(per_second=0.001, at_once=3)
    for number in range(3 * OF_AN_ADDRESS):
        throttle(f"{number:032d}", HERE)
    with pytest.raises(ThroughlineError, match="from your network"):
        throttle(ME, HERE)
    throttle(ME, THERE)
    throttle(YOU)  # a host that gives no addresses


def test_so_many_are_counted_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MOST_COUNTED", 5)
    throttle = Throttle()
    for number in range(50):
        throttle(f"{number:032d}", str(number))
    assert len(throttle._owners._left) == len(throttle._addresses._left) == 5


def request_from(host: str) -> gr.Request:
    return gr.Request(Request({"type": "http", "client": (host, 1), "headers": []}))


@pytest.mark.parametrize("verb", ["list_stories", "render"])
def test_verbs_of_programs_pass_the_throttle(studio: Studio, verb: str) -> None:
    throttle = Throttle(per_second=0.001, at_once=1)
    endpoint = http._endpoint(studio, VERBS[verb], Pools(), http.Followers(), throttle)
    story = studio.new_story(ME, "Film", ["A cat."])["story"]["id"]
    given = (ME, story, []) if verb == "render" else (ME,)

    async def ask() -> Any:
        found = endpoint(*given, request_from(HERE))
        return await (anext(found) if verb == "render" else found)

    assert asyncio.run(ask())
    with pytest.raises(gr.Error, match="too many requests"):
        asyncio.run(ask())


def test_the_page_and_programs_share_one_throttle(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "Throttle", lambda: Throttle(per_second=0.001, at_once=2))
    with served(studio) as address:
        assert asked_on_page(address, {"verb": "stories", "owner": ME})["ok"]
        assert "complete" in asked_by_program(address, "list_stories", ME)
        assert "too many requests" in asked_on_page(address, {"verb": "stories", "owner": ME})["error"]
        assert "too many requests" in asked_by_program(address, "list_stories", ME)
        assert asked_on_page(address, {"verb": "stories", "owner": YOU})["ok"]


def asked_on_page(address: str, message: Any, host: str = HERE) -> dict[str, Any]:
    config = httpx.get(f"{address}/config").json()
    (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
    body = {"component_id": component, "fn_name": "call", "session_hash": "x", "data": message}
    headers = {"X-Forwarded-For": host}
    answer = httpx.post(f"{address}/gradio_api/component_server", json=body, headers=headers)
    return dict(answer.json())


def asked_by_program(address: str, verb: str, *data: Any, host: str = HERE) -> str:
    """The first that it is told."""
    path, headers = f"{address}/gradio_api/call/{verb}", {"X-Forwarded-For": host}
    event = httpx.post(path, json={"data": data}, headers=headers).json()["event_id"]
    with httpx.stream("GET", f"{path}/{event}", headers=headers) as told:
        lines = told.iter_lines()
        return f"{next(lines)} {next(lines)}"


def test_jobs_know_the_address_that_asked_for_them(studio: Studio) -> None:
    stories = [studio.new_story(owner, "Film", ["A cat."])["story"] for owner in (ME, YOU)]
    with served(studio) as address:
        asked_on_page(address, {"verb": "render", "owner": ME, "story": stories[0]["id"]}, HERE)
        asked_by_program(address, "render", YOU, stories[1]["id"], [], host="2001:db8::7")
        (mine,) = studio.renderer.queue.jobs(ME, stories[0]["id"])
        (theirs,) = studio.renderer.queue.jobs(YOU, stories[1]["id"])
        assert (mine.address, theirs.address) == (HERE, "2001:db8::/64")
        for owner, story in zip((ME, YOU), stories, strict=True):
            studio.cancel(owner, story["id"])


@pytest.mark.parametrize("path", ["/gradio_api/mcp/", "/gradio_api/mcp", "/gradio_api/mcp/sse"])
def test_tools_can_not_make_up_an_address(path: str) -> None:
    """What calls them comes back from this machine, whose word about addresses is believed."""
    seen: list[dict[bytes, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"]))

    class Open:
        auth = None

    scope = {"type": "http", "method": "POST", "path": path, "client": (HERE, 1), "app": Open(),
             "headers": [(b"x-forwarded-for", b"203.0.113.9"), (b"x-other", b"1")]}  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None: ...

    asyncio.run(Guard(app)(scope, receive, send))
    assert seen == [{b"x-other": b"1", b"x-forwarded-for": HERE.encode()}]
