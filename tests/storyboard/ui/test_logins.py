"""Who guesses passwords waits longer and longer, and nobody else does."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from storyboard.interfaces.admission import sender
from storyboard.studio import Studio
from storyboard.ui import logins
from storyboard.ui.logins import FORGOTTEN, FREE, LONGEST_WAIT, MOST_BYTES, UNKNOWN_NAMES, Attempts, Logins
from tests.soak.fakes import open_fake
from tests.storyboard.studios import served

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path)
    yield studio
    studio.close()


def test_each_wrong_login_doubles_the_wait() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(FREE + 12):
        assert attempts.begin(HERE) == 0
        left = attempts.begin(HERE) if len(waits) >= FREE else 0
        waits.append(left)
        clock.now += left
    assert waits == [0] * FREE + [1, 2, 4, 8, 16, 32, 64, 128, 256] + [LONGEST_WAIT] * 3


def test_the_wait_is_over_when_it_was_said_to_be_and_asking_does_not_make_it_longer() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(FREE + 1):
        assert attempts.begin(HERE) == 0
    assert [attempts.begin(HERE) for _ in range(100)] == [1.0] * 100
    assert attempts.begin(THERE) == 0, "nobody else waits"
    clock.now += 1
    assert attempts.begin(HERE) == 0


def test_success_and_time_forget() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(FREE + 1):
        attempts.begin(HERE)
    attempts.succeed(HERE)
    assert [attempts.begin(HERE) for _ in range(FREE + 1)] == [0.0] * (FREE + 1)
    clock.now += 1 + FORGOTTEN + 1
    assert [attempts.begin(HERE) for _ in range(FREE + 1)] == [0.0] * (FREE + 1)


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    attempts = Attempts(Clock(), most=3)
    for number in range(100):
        attempts.begin(str(number))
    assert len(attempts) == 3


def test_addresses_of_one_household_are_one() -> None:
    def of(host: str) -> str:
        return sender({"client": (host, 1)})

    assert of("2001:db8::1") == of("2001:db8::2") != of("2001:db8:0:1::1")
    assert (of("::ffff:192.0.2.1"), of(HERE), of("unix"), sender({"client": None})) == (HERE, HERE, "unix", "")


class Door:
    """A server with two who may log in, by a clock that stands still."""

    def __init__(self, address: str, clock: Clock) -> None:
        self.address, self.clock = address, clock

    def log_in(self, password: str, name: str = "mia", host: str = HERE, **form: Any) -> httpx.Response:
        headers = {"X-Forwarded-For": host}  # which the server believes, from this machine
        given: Any = {"files": {"username": (None, name), "password": (None, password)}}  # as Gradio's page sends it
        return httpx.post(f"{self.address}/login", headers=headers, **(form or given))

    def guess(self, times: int, **who: str) -> list[int]:
        return [self.log_in("wrong", **who).status_code for _ in range(times)]


@pytest.fixture
def door(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    clock = Clock()
    monkeypatch.setattr(logins, "Attempts", lambda: Attempts(clock))
    with served(studio, auth=[("mia", "secret"), ("tom", "word")]) as address:
        yield Door(address, clock)


def test_a_server_refuses_the_right_password_too_while_somebody_waits(door: Door) -> None:
    for _ in range(2):  # a success forgets
        assert door.guess(FREE) == [400] * FREE
        assert door.log_in("secret").status_code == 200
    assert door.guess(FREE + 1) == [400] * (FREE + 1)
    refused = door.log_in("secret")
    assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
    assert refused.json() == {"detail": "Too many wrong logins: try again in 1 s"}
    assert "content-security-policy" in refused.headers
    assert door.log_in("secret", host=THERE).status_code == 200
    door.clock.now += 1
    assert door.log_in("secret").status_code == 200


def test_behind_one_address_who_guesses_makes_nobody_else_wait(door: Door) -> None:
    assert door.guess(FREE + 3) == [400] * (FREE + 1) + [429] * 2
    assert door.log_in("word", "tom").status_code == 200
    for number in range(40):  # names that nobody has
        door.guess(1, name=f"name {number}")
    assert door.log_in("word", " tom ").status_code == 200, "as Gradio reads it"
    assert door.log_in("secret").status_code == 429


def test_names_in_every_kind_of_form_are_counted(door: Door) -> None:
    form = {"data": {"username": "mia", "password": "wrong"}}
    assert [door.log_in("", **form).status_code for _ in range(FREE + 2)] == [400] * (FREE + 1) + [429]
    assert door.log_in("secret").status_code == 429


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "text/plain"), (b"username=%ff%fe", "application/x-www-form-urlencoded"),
     (b"--x\r\nnonsense", "multipart/form-data; boundary=x"), (b"x", "multipart/form-data"),
     (b"{}", "application/json"),
     (b'--x\r\nContent-Disposition: form-data; name="username"; filename="f"\r\n\r\nmia\r\n--x--\r\n',
      "multipart/form-data; boundary=x"),
     (b"--x\r\n", "multipart/form-data; boundary=x; charset=none-such")],
)  # fmt: skip
def test_forms_that_are_none_are_refused_in_words(door: Door, content: bytes, kind: str) -> None:
    answer = httpx.post(f"{door.address}/login", content=content, headers={"content-type": kind})
    assert 400 <= answer.status_code < 500 and "Traceback" not in answer.text, answer.text


def test_a_login_has_a_most_length(door: Door) -> None:
    assert door.log_in("x" * MOST_BYTES).status_code == 413


def test_names_that_nobody_has_fill_no_memory(door: Door) -> None:
    counter = Logins(None)  # type: ignore[arg-type]
    scope = {"client": (HERE, 1), "app": SimpleNamespace(auth={"mia": "secret"})}
    names = {counter._who(scope, f"name {number}") for number in range(10_000)}
    assert len(names) == UNKNOWN_NAMES and counter._who(scope, "mia") == f"{HERE} mia"


def test_the_login_page_has_the_script_that_tells_how_long_to_wait(door: Door, studio: Studio) -> None:
    page = httpx.get(door.address)
    assert page.status_code == 200 and page.text.count("throughline/login.js") == 1
    assert "429" in httpx.get(f"{door.address}/throughline/login.js").text
    mine = door.log_in("secret").cookies
    assert "throughline/login.js" not in httpx.get(door.address, cookies=dict(mine)).text
    with served(studio) as free:
        assert "throughline/login.js" not in httpx.get(free).text


def test_without_logins_none_is_counted(studio: Studio) -> None:
    with served(studio) as address:
        form = {"username": "mia", "password": "wrong"}
        answers = [httpx.post(f"{address}/login", data=form).status_code for _ in range(FREE + 3)]
    assert answers == [302] * (FREE + 3)
