"""Who guesses passwords waits longer and longer, and nobody else does."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storyboard.studio import Studio
from storyboard.ui import logins
from storyboard.ui.logins import FORGOTTEN, FREE, LONGEST_WAIT, Attempts, sender
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


def test_a_server_refuses_the_right_password_too_while_an_address_waits(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(logins, "Attempts", lambda: Attempts(clock))
    with served(studio, auth=[("mia", "secret")]) as address:

        def log_in(password: str, host: str = HERE) -> httpx.Response:
            headers = {"X-Forwarded-For": host}  # which the server believes, from this machine
            return httpx.post(f"{address}/login", data={"username": "mia", "password": password}, headers=headers)

        for _ in range(2):  # a success forgets
            assert [log_in("wrong").status_code for _ in range(FREE)] == [400] * FREE
            assert log_in("secret").status_code == 200
        assert [log_in("wrong").status_code for _ in range(FREE + 1)] == [400] * (FREE + 1)
        refused = log_in("secret")
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        assert refused.json() == {"detail": "Too many wrong logins: try again in 1 s"}
        assert "content-security-policy" in refused.headers
        assert log_in("secret", THERE).status_code == 200
        clock.now += 1
        assert log_in("secret").status_code == 200


def test_without_logins_none_is_counted(studio: Studio) -> None:
    with served(studio) as address:
        form = {"username": "mia", "password": "wrong"}
        answers = [httpx.post(f"{address}/login", data=form).status_code for _ in range(FREE + 3)]
    assert answers == [302] * (FREE + 3)
