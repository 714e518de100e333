"""Gradio's login page, and what it says to one who has to wait."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from storyboard.ui import logins
from storyboard.ui.logins import FREE, Attempts
from tests.soak.fakes import open_fake
from tests.storyboard.studios import served


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of the server."""
    clock = Clock()
    monkeypatch.setattr(logins, "Attempts", lambda: Attempts(clock))
    return clock


@pytest.fixture
def page(browser: Browser, clock: Clock, tmp_path: Path) -> Iterator[Page]:
    studio = open_fake(tmp_path)
    with served(studio, auth=[("mia", "secret")]) as address:
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.goto(address)
        yield page
        page.close()
    studio.close()


def log_in(page: Page, password: str) -> None:
    page.get_by_label("username").fill("mia")
    page.get_by_label("password").fill(password)
    with page.expect_response("**/login"):
        page.get_by_role("button", name="Login").click()


def test_who_has_to_wait_is_told_for_how_long(page: Page, clock: Clock, screenshots: Path) -> None:
    for _ in range(FREE + 1):
        log_in(page, "wrong")
        expect(page.get_by_text("Incorrect Credentials")).to_be_visible()
    log_in(page, "secret")
    told = page.get_by_role("alert")
    expect(told).to_have_text("Too many wrong logins: try again in 1 s")
    expect(told).to_be_in_viewport()
    page.screenshot(path=screenshots / "login-wait.png")
    clock.now += 1
    log_in(page, "secret")
    expect(page.get_by_role("button", name="Write the first scene")).to_be_visible()
    assert page.get_by_text("Too many").count() == 0
