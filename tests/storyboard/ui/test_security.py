"""What a browser or a program may ask of the page, and what it is told: over HTTP, with two users."""

import asyncio
import inspect
import json
import logging
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pipeline.errors import ThroughlineError
from storyboard import logs
from storyboard.interfaces import http
from storyboard.interfaces.admission import Throttle
from storyboard.interfaces.pools import Pools
from storyboard.logs import Lines, event
from storyboard.operations.registry import VERBS
from storyboard.rendering import resources
from storyboard.studio import Studio
from storyboard.ui import page
from storyboard.ui.bodies import MOST_BODY_BYTES
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, YOU

SECRET_WORDS = "Mia hides the purple key"


@pytest.fixture(scope="module")
def mine(studio: Studio) -> dict[str, Any]:
    """A rendered story of the first user."""
    story: dict[str, Any] = studio.new_story(ME, SECRET_WORDS, [SECRET_WORDS, "Mia sleeps."])["story"]
    studio.render(ME, story["id"])
    for _ in studio.follow(ME, story["id"], pause=0.01):
        pass
    return dict(studio.get_story(ME, story["id"])["story"])


def call(address: str, message: Any) -> httpx.Response:
    config = httpx.get(f"{address}/config").json()
    (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
    body = {"component_id": component, "fn_name": "call", "session_hash": "x", "data": message}
    return httpx.post(f"{address}/gradio_api/component_server", json=body)


# --- headers, files, limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/throughline/main.js", "/healthz", "/config", "/media/none.png", "/nothing"])
def test_every_answer_says_what_a_browser_may_do_with_it(address: str, path: str) -> None:
    headers = httpx.get(address + path).headers
    policy = headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and "x-frame-options" not in headers
    if path.startswith("/media/"):
        assert "sandbox" in policy and "default-src 'none'" in policy
    else:
        assert "frame-ancestors 'self' https://huggingface.co" in policy and "object-src 'none'" in policy


@pytest.mark.parametrize(
    "path",
    ["gradio_api/file=/etc/passwd", "gradio_api/file=LIBRARY", "file=LIBRARY", "gradio_api/file/LIBRARY",
     "media/../library.sqlite3", "media/%2e%2e%2flibrary.sqlite3", "throughline/../../library.sqlite3",
     "throughline/%2e%2e/page.py", "throughline/..%2fpage.py", "gradio_api/proxy=https://example.com/x",
     "gradio_api/proxy=http://169.254.169.254/", "gradio_api/upload_progress?upload_id=x", "monitoring",
     "gradio_api/custom_component/x/client/component/..%2f..%2fx", "static/..%2f..%2f..%2fetc%2fpasswd",
     "assets/..%2f..%2f..%2fetc%2fpasswd", "svelte/..%2f..%2fetc%2fpasswd", "gradio_api/deep_link"],
)  # fmt: skip
def test_nothing_outside_is_served(address: str, studio: Studio, path: str) -> None:
    answer = httpx.get(f"{address}/{path.replace('LIBRARY', str(studio.folder / 'library.sqlite3'))}")
    assert answer.status_code in (400, 401, 403, 404, 405), answer.text[:200]
    assert "SQLite" not in answer.text and "root:" not in answer.text and "import" not in answer.text


def test_uploads_to_gradio_are_closed(address: str) -> None:
    assert httpx.post(f"{address}/gradio_api/upload", files={"files": b"x" * 100}).status_code == 404


def test_requests_have_a_most_length(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as declared:
        length = MOST_BODY_BYTES + 1
        declared.sendall(f"POST /config HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode())
        assert declared.recv(1000).startswith(b"HTTP/1.1 413")

    def endless() -> Iterator[bytes]:
        for _ in range((MOST_BODY_BYTES >> 20) + 8):
            yield bytes(1 << 20)

    with suppress(httpx.TransportError):  # the server may hang up before all was sent
        answer = httpx.post(f"{address}/gradio_api/component_server", content=endless())
        assert answer.status_code in (400, 413)


GARBAGE = [b"", b"{", b"[]", b"null", b'{"data": 1}', b"\xff\xfe", b'{"fn_name": "__init__", "component_id": 1}']


@pytest.mark.parametrize("body", GARBAGE)
def test_no_stack_trace_reaches_a_browser(address: str, body: bytes) -> None:
    for path in ("gradio_api/component_server", "gradio_api/queue/join", "gradio_api/call/film", "gradio_api/run/film"):
        headers = {"content-type": "application/json"}
        answer = httpx.post(f"{address}/{path}", content=body, headers=headers)
        assert "Traceback" not in answer.text and ".py" not in answer.text, answer.text[:300]


async def asked(studio: Studio, verb: str, *arguments: Any) -> list[Any]:
    """All that an endpoint of the API gives."""
    found = http._endpoint(studio, VERBS[verb], Pools(), http.Followers(), Throttle())(*arguments)
    return [part async for part in found] if VERBS[verb].streams else [await found]


def test_what_goes_wrong_inside_is_told_in_a_line(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"secret {SECRET_WORDS}")

    monkeypatch.setattr(studio, "stories", broken)
    reply = page.answer(studio, {"verb": "stories", "owner": ME})
    assert reply == {"ok": False, "error": "Something went wrong (RuntimeError): try again"}
    with pytest.raises(Exception, match=r"^'Something went wrong \(RuntimeError\): try again'$"):
        asyncio.run(asked(studio, "list_stories", ME))


def test_one_owner_can_not_ask_without_end() -> None:
    throttle = Throttle(per_second=0.001, at_once=3)
    for _ in range(3):
        throttle(ME)
    with pytest.raises(ThroughlineError, match="too many requests"):
        throttle(ME)
    throttle(YOU)
    throttle(None)


# --- health and log --------------------------------------------------------------------------------------------------


def test_health_is_told_without_a_login_and_without_anything_of_anybody(address: str, mine: dict[str, Any]) -> None:
    answer = httpx.get(f"{address}/healthz")
    found = answer.json()
    assert answer.status_code == 200 and found["ok"] and found["library"] and found["waiting"] == 0
    assert mine["id"] not in answer.text and ME not in answer.text


def test_a_library_that_is_gone_is_not_healthy(tmp_path: Path) -> None:
    studio = open_fake(tmp_path)
    studio.close()
    answer = page.serve_health(studio)
    assert answer.status_code == 503 and json.loads(bytes(answer.body))["library"] is False


def test_a_full_disk_and_a_missing_home_are_told_from_a_dead_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_fake(home := tmp_path / "home")

    def told() -> tuple[int, str]:
        answer = page.serve_health(studio)
        assert str(tmp_path) not in str(answer.body)
        return answer.status_code, json.loads(bytes(answer.body))["problem"]

    assert told() == (200, "")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3 << 20))
        assert told() == (503, "the disk is full: 3 MB left, expected at least 64")
    home.rename(tmp_path / "elsewhere")
    assert told() == (503, "the folder of the stories is missing: mount it again")
    (tmp_path / "elsewhere").rename(home)
    assert told() == (200, "")
    studio.close()
    assert told() == (503, "the library can't be read: restart the app")


def test_the_log_has_ids_and_no_words(studio: Studio, mine: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "storyboard")
    edit = {"do": "edit_scene", "scene": mine["scenes"][0]["id"], "changes": {"prompt": SECRET_WORDS + "s"}}
    for op in (edit, {**edit, "scene": SECRET_WORDS}):
        page.answer(studio, {"verb": "edit", "owner": ME, "story": mine["id"], "op": op})
    page.answer(studio, {"verb": "poll", "owner": ME, "story": mine["id"]})
    lines = [Lines(words=False).format(record) for record in caplog.records]
    told = [json.loads(line) for line in lines]
    assert [(one["event"], one["verb"], one["ok"]) for one in told] == [("call", "edit", True), ("call", "edit", False)]
    assert all(one["story"] == mine["id"] and one["milliseconds"] > 0 for one in told)
    assert SECRET_WORDS not in str(lines) and ME not in str(lines)
    assert SECRET_WORDS in Lines(words=True).format(caplog.records[-1]), "where they are asked for"


def test_an_exception_is_one_line_too(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("storyboard.test")
    try:
        raise ValueError(f"{SECRET_WORDS}\nand more")
    except ValueError:
        logger.exception("a request failed")
    line = Lines(words=False).format(caplog.records[-1])
    assert "\n" not in line and SECRET_WORDS not in line
    assert json.loads(line)["type"] == "ValueError" and "test_security.py" in json.loads(line)["at_lines"][0]
    with logs.to_stderr():
        event("stopped", story="")
    told = json.loads(capsys.readouterr().err)
    assert (told["event"], told["level"]) == ("stopped", "info") and "story" not in told
    event("stopped")
    assert capsys.readouterr().err == ""


# --- two users -------------------------------------------------------------------------------------------------------

WORDS = {"title": "x", "prompts": ["x"], "prompt": "x", "index": 0, "changes": "{}", "past": "SCENE", "name": "",
         "word": "Mia", "scenes": [], "format": "mp4", "archive": "", "threshold": 0.5, "clip": "",
         "sound": "", "fit": "fit", "across": 0.5, "down": 0.5, "fields": "{}", "entry": "Mia", "into": "Tom",
         "picture": "", "region": "whole", "frame": -1, "caption": "", "state": "", "seed": 0, "words": "the robot",
         "variants": 1, "strength": 1.0, "on": True, "text_weight": 2.0, "history_weight": 3.0,
         "which": "first", "regions": '[{"word": "Mia", "words": "a robot"}]'}  # fmt: skip
OF_A_STORY = sorted(name for name, verb in VERBS.items() if "story" in inspect.signature(verb).parameters)


@pytest.mark.parametrize("name", OF_A_STORY)
def test_for_another_user_nothing_of_mine_exists(studio: Studio, mine: dict[str, Any], name: str) -> None:
    scene = mine["scenes"][0]
    ids = {
        "story": mine["id"],
        "scene": scene["id"],
        "take": scene["takes"][0]["id"],
        "past": scene["id"],
        "source": scene["id"],
    }
    arguments = {p.name: ids.get(p.name, WORDS.get(p.name)) for p in VERBS[name].parameters}
    before = studio.get_story(ME, mine["id"])

    def told(story: str) -> str:
        with pytest.raises(Exception, match="does not exist") as caught:
            asyncio.run(asked(studio, name, YOU, *{**arguments, "story": story}.values()))
        return str(caught.value).replace(story, "STORY")

    assert told(mine["id"]) == told("0" * len(mine["id"]))
    assert studio.get_story(ME, mine["id"]) == before


def test_every_endpoint_that_programs_see_is_one_of_ours(address: str) -> None:
    endpoints = httpx.get(f"{address}/gradio_api/info").json()["named_endpoints"]
    assert {name.strip("/") for name in endpoints} == set(VERBS)


def test_what_a_user_lists_is_their_own(studio: Studio, address: str, mine: dict[str, Any]) -> None:
    theirs = call(address, {"verb": "stories", "owner": YOU}).json()
    assert theirs["ok"] and mine["id"] not in json.dumps(theirs)
    assert mine["id"] in call(address, {"verb": "stories", "owner": ME}).text


def test_files_are_found_by_their_digest_alone(studio: Studio, address: str, mine: dict[str, Any]) -> None:
    clip = mine["scenes"][0]["takes"][0]["clip"]
    answer = httpx.get(f"{address}/{clip}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "video/mp4"
    digest = re.sub(r".*/|\..*", "", clip)
    for other in ("", digest[:-1], digest[:-1] + "g", digest.upper(), "*", f"{digest}.json", f"{digest}.sqlite3"):
        name = other if "." in other else f"{other}.mp4"
        assert httpx.get(f"{address}/media/{name}").status_code == 404, name
    trace = studio.library.head(ME, mine["id"]).board.takes[mine["scenes"][0]["takes"][0]["id"]].trace
    assert httpx.get(f"{address}/media/{trace}.json").status_code == 404, "it says what was remembered, in words"


def test_with_a_login_files_need_it_too(studio: Studio, mine: dict[str, Any]) -> None:
    blocks = page.build(studio)
    try:
        options = {**page.options(studio), "prevent_thread_lock": True, "quiet": True, "auth": [("mia", "secret")]}
        _, address, _ = blocks.launch(server_name="127.0.0.1", **options)
        clip = address + mine["scenes"][0]["takes"][0]["clip"]
        with httpx.Client() as client:
            assert client.get(clip).status_code == 404
            assert client.get(f"{address}healthz").status_code == 200
            assert client.post(f"{address}login", data={"username": "mia", "password": "secret"}).status_code == 200
            assert client.get(clip).status_code == 200
    finally:
        blocks.close(verbose=False)


# --- room ------------------------------------------------------------------------------------------------------------


def test_a_render_that_has_no_room_is_not_begun(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    story = studio.new_story(ME, "Film", ["Mia runs."])["story"]
    monkeypatch.setattr(resources, "free_memory", lambda device: 100 << 20)
    studio.render(ME, story["id"])
    *_, last = studio.follow(ME, story["id"], pause=0.01)
    (job,) = last["jobs"].values()
    assert job["state"] == "failed" and "not enough memory to render this scene" in job["error"]
    monkeypatch.undo()
    assert resources.free_memory("cpu") > 0
