"""Requests that are cut, slow, large or intricate: a real server and sockets."""

import asyncio
import gc
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from storyboard.studio import Studio
from storyboard.ui import bodies, connections, page
from storyboard.ui.bodies import MOST_VALUES
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, SECONDS, wait_for

SHORT = 0.4  # seconds, of the patience in these tests
BLOCKED_SECONDS = 0.2  # of the processor's time: the most that the loop of events may be kept from others
CALL = "/gradio_api/component_server"
PART = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="clip.mp4"\r\n\r\n'


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = open_fake(tmp_path_factory.mktemp("home"), steps=10**6, step_seconds=0.01)
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def app(studio: Studio) -> Iterator[Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app: Any = page.build(studio)
    app.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **page.options(studio))
    app.address = f"http://127.0.0.1:{port}"
    gc.collect()
    gc.freeze()  # as the app does: a full collection looks through nothing that other tests left here
    yield app
    gc.unfreeze()
    app.close(verbose=False)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", SHORT)
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)


def connect(app: Any) -> socket.socket:
    host, port = app.address.removeprefix("http://").split(":")
    found = socket.create_connection((host, int(port)), timeout=SECONDS)
    return found


def head(path: str, length: int, kind: str = "application/json") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def answer_to(app: Any, *, first: bytes, drip: bytes = b"") -> bytes:
    """All that comes until the server hangs up; meanwhile bytes are sent one after the other."""
    answer, over = b"", threading.Event()
    with connect(app) as connection:

        def send() -> None:
            while drip and not over.wait(SHORT / 10):
                try:
                    connection.sendall(drip)
                except OSError:
                    return

        connection.sendall(first)
        sender = threading.Thread(target=send)
        sender.start()
        with suppress(ConnectionError):
            while part := connection.recv(1 << 16):
                answer += part
        over.set()
        sender.join()
    return answer


# --- slow ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
@pytest.mark.parametrize("drip", [b"", b"a"])
def test_headers_that_do_not_come_are_waited_for_no_longer(
    app: Any, impatient: None, first: bytes, drip: bytes
) -> None:
    assert answer_to(app, first=first, drip=drip if first else b"") == b""


def test_nor_are_those_of_a_second_request(app: Any, impatient: None) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = answer_to(app, first=whole + b"GET / HTTP/1.1\r\nX-Slow: ", drip=b"a")
    assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("drip", [b"", b" "])
@pytest.mark.parametrize("path", [CALL, "/gradio_api/call/list_stories", "/login"])
def test_bodies_that_do_not_come_are_not_waited_for(app: Any, impatient: None, path: str, drip: bytes) -> None:
    kind = "application/x-www-form-urlencoded" if path == "/login" else "application/json"
    answer = answer_to(app, first=head(path, 10**6, kind) + b'{"data":', drip=drip)
    assert answer.startswith(b"HTTP/1.1 408") and b"did not come in time" in answer, answer[:200]


def test_a_slow_body_that_keeps_coming_is_read(app: Any, impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SLOWEST", 100)

    def slowly() -> Iterator[bytes]:
        yield b'{"data": ["%s"' % ME.encode()
        for _ in range(12):
            time.sleep(SHORT / 4)
            yield b" " * 200
        yield b"]}"

    answer = httpx.post(f"{app.address}/gradio_api/call/list_stories", content=slowly(), timeout=SECONDS)
    assert answer.status_code in (200, 422), answer.text


def test_who_waits_for_an_answer_is_not_hung_up_on(app: Any, studio: Studio, impatient: None) -> None:
    story = studio.new_story(ME, "Film", ["A cat."])["story"]["id"]
    path = f"{app.address}/gradio_api/call/render"
    event = httpx.post(path, json={"data": [ME, story, []]}).json()["event_id"]
    with httpx.stream("GET", f"{path}/{event}", timeout=SECONDS) as told:
        lines, began = told.iter_lines(), time.monotonic()
        while time.monotonic() - began < 4 * SHORT:
            next(lines)
        studio.cancel(ME, story)
        assert any("cancelled" in line for line in lines)


# --- cut, and of a kind that nobody reads ----------------------------------------------------------------------------


def multipart(field: bytes, size: int) -> bytes:
    return PART % field + b"A" * size


CUT = {
    "multipart to the page": (CALL, "multipart/form-data; boundary=x", multipart(b"file", 3 << 20)),
    "multipart to Gradio": ("/gradio_api/upload", "multipart/form-data; boundary=x", multipart(b"files", 3 << 20)),
    "multipart login": ("/login", "multipart/form-data; boundary=x", multipart(b"username", 3 << 20)),
    "base64 to the page": (CALL, "application/json", b'{"data": {"verb": "import_story", "data": "' + b"A" * (3 << 20)),
    "base64 to the API": ("/gradio_api/call/import_story", "application/json", b'{"data": ["' + b"A" * (3 << 20)),
}


@pytest.mark.parametrize("kind", CUT)
def test_an_upload_that_is_cut_leaves_no_file(
    app: Any, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gradios = Path(os.environ["GRADIO_TEMP_DIR"])
    before = {*gradios.rglob("*")}
    path, content_type, body = CUT[kind]
    with connect(app) as connection:
        connection.settimeout(SECONDS)
        with suppress(ConnectionError):  # it was refused already
            connection.sendall(head(path, 10 << 20, content_type) + body)
    wait_for(lambda: not app.server.server_state.tasks)
    assert not [*tmp_path.rglob("*")] and {*gradios.rglob("*")} == before


def test_multipart_is_not_read_but_for_logins(app: Any) -> None:
    answer = httpx.post(f"{app.address}{CALL}", files={"file": b"A" * 100}, data={"component_id": "1"})
    assert answer.status_code == 415 and "expected JSON" in answer.text
    answer = httpx.post(f"{app.address}/login", files={"username": (None, "mia"), "password": (None, "x")})
    assert answer.status_code == 302


# --- large -----------------------------------------------------------------------------------------------------------

SENDER = """
import sys, httpx
url, head, filler, count, tail = sys.argv[1:]
body = head.encode() + filler.encode() * int(count) + tail.encode()
answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, timeout=100)
print(answer.status_code, answer.text[:200])
"""


def blocked(app: Any, path: str, head: str, filler: str, count: int, tail: str) -> tuple[str, float]:
    """What another process is answered, and the longest time of the processor between two turns of the loop."""
    with httpx.Client(base_url=app.address, timeout=SECONDS) as client:
        client.get("/healthz")
        loop = next(iter(app.server.server_state.connections)).loop
    times: list[float] = []

    async def beat() -> None:
        while True:
            times.append(time.process_time())
            await asyncio.sleep(0.002)

    beating = asyncio.run_coroutine_threadsafe(beat(), loop)
    given = [app.address + path, head, filler, str(count), tail]
    told = subprocess.run([sys.executable, "-c", SENDER, *given], capture_output=True, text=True, timeout=100)
    time.sleep(0.5)  # what the API does after its answer
    beating.cancel()
    return told.stdout, max(b - a for a, b in pairwise(times))


@pytest.mark.parametrize("entrance", ["page", "program"])
@pytest.mark.parametrize(
    ("filler", "count", "expected"),
    [("A", 20 << 20, "200"), ("[],", (20 << 20) // 3, "413 too many values"), ("1,", 10 << 20, "413 too many values"),
     ("[],", MOST_VALUES // 2 - 20, "200"), ("[", 20 << 20, "413 too many values"), (r"\u0041", 3 << 20, "200")],
)  # fmt: skip
def test_twenty_megabytes_of_json_keep_nobody_waiting(
    app: Any, entrance: str, filler: str, count: int, expected: str
) -> None:
    quote = "" if filler[-1] in ",[" else '"'
    last = "1]" if filler[-1] == "," else ""
    first = "[" if filler[-1] == "," else ""
    value = (f"{quote}{first}", filler, count, f"{last}{quote}")
    config = httpx.get(f"{app.address}/config", timeout=SECONDS).json()
    (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
    if entrance == "page":
        start = f'{{"component_id": {component}, "fn_name": "call", "session_hash": "x", "data": '
        path, before, after = CALL, f'{start}{{"verb": "import_story", "owner": "{ME}", "data": ', "}}"
    else:
        path, before, after = "/gradio_api/call/import_story", f'{{"data": ["{ME}", ', "]}"
    answer, seconds = blocked(app, path, before + value[0], *value[1:3], value[3] + after)
    assert answer.startswith(expected) and seconds < BLOCKED_SECONDS, (answer, seconds)


def test_a_body_of_another_shape_is_not_sent_back(app: Any) -> None:
    answer, seconds = blocked(app, "/gradio_api/call/import_story", '["', "A", 20 << 20, '"]')
    assert answer.startswith("422") and "AAAA" not in answer and seconds < BLOCKED_SECONDS, (answer, seconds)
