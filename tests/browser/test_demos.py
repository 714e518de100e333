"""The demos in docs/demos: each component of our own runs alone, with its value and its events."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from storyboard.media.video import write_video
from tests.browser.conftest import _config
from tests.paths import ROOT
from tests.storyboard.conftest import gradient

DEMOS = ROOT / "docs" / "demos"


@contextmanager
def running(browser: Browser, folder: Path, name: str, *arguments: str) -> Iterator[Page]:
    """The page of a demo, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": port,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": str(ROOT),
    }
    log, command = folder / "log.txt", [sys.executable, str(DEMOS / f"{name}.py"), *arguments]
    with log.open("w") as file, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file) as app:
        page = browser.new_page()
        try:
            _config(f"http://127.0.0.1:{port}/config", app, log)
            page.goto(f"http://127.0.0.1:{port}/")
            yield page
        finally:
            page.close()
            app.terminate()
            app.wait(30)


@pytest.mark.parametrize("name", sorted(path.stem for path in DEMOS.glob("*.py")))
def test_a_demo_is_short(name: str) -> None:
    lines = [line for line in (DEMOS / f"{name}.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 30


def test_the_pair_alone(browser: Browser, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, gradient(16, 96, 144), 8)
    with running(browser, tmp_path, "pair", str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")) as page:
        expect(page.locator(".half figcaption").first).to_have_text("a.mp4")
        page.get_by_role("button", name="Pause both").or_(page.get_by_role("button", name="Play both")).wait_for()
        page.get_by_role("slider", name="Frame", exact=True).fill("5")
        expect(page.get_by_label("Stopped at frame")).to_have_value("5")


def test_what_is_remembered_alone(browser: Browser, tmp_path: Path) -> None:
    with running(browser, tmp_path, "remembers") as page:
        coat = page.locator(".word", has_text="coat")
        coat.click()
        page.get_by_role("radio", name="Pin").check()
        expect(page.get_by_label("What was done")).to_have_value("pinned: word at 11 of scene first")
        expect(coat).to_have_class("word kept pinned")


def test_the_board_alone(browser: Browser, tmp_path: Path) -> None:
    with running(browser, tmp_path, "board") as page:
        page.get_by_role("button", name="Write the first scene").click()
        page.keyboard.type("A dog runs.")
        expect(page.locator(".cards .prompt")).to_have_value("A dog runs.")
        expect(page.get_by_label("Chosen scene")).not_to_have_value("")
