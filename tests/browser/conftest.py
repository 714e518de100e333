"""The app in a process of its own, and a real Chromium that looks at it."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.tiny import save_tiny

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = ROOT / "assets" / "picturebook"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
START_SECONDS = 180
HARMLESS = ("unexpected operator", "AbortError", "Connection errored out")  # Chromium's own; streams cut by a reload


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the embedded model, or with the tiny one where that is not there."""
    whole = (EMBEDDED / "model_index.json").is_file()
    model = EMBEDDED if whole else save_tiny(tmp_path_factory.mktemp("models") / "tiny")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log.txt"
    command = [sys.executable, "app.py", "--port", str(port), "--model", str(model)]
    with log.open("w") as file, subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file) as app:
        try:
            _wait_for(f"http://127.0.0.1:{port}/config", app, log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            app.terminate()
            app.wait(30)
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_for(address: str, app: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert app.poll() is None, f"the app ended: {log.read_text()}"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the app did not start in {START_SECONDS} s: {log.read_text()}")


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


class Visitor:
    """A browser profile of its own with one page; remembers what went wrong on it."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.problems: list[str] = []
        self.foreign: list[str] = []  # requests to anywhere else
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        own = (url, "data:", "blob:")
        self.page.on("request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url))

    def ready(self) -> None:
        """Waits until the page has brought back what the browser kept, and asked how the job is doing."""
        self.page.locator("#status .status:not([data-state=''])").wait_for(state="attached")

    def leave(self) -> None:
        self.context.close()
        assert not [text for text in self.problems if not any(known in text for known in HARMLESS)], self.problems
        assert not self.foreign, self.foreign


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The app, freshly opened by somebody new."""
    visitor = Visitor(browser, url)
    visitor.page.goto(url)
    visitor.ready()
    yield visitor.page
    visitor.leave()


@pytest.fixture(scope="module")
def visitor(browser: Browser, url: str) -> Iterator[Visitor]:
    """Somebody who stays for all tests of a module."""
    visitor = Visitor(browser, url)
    yield visitor
    visitor.leave()
