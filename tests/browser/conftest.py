"""The app in a process of its own, and a real Chromium that looks at it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.visitor import CAST, FEW, PATIENCE, Server, Visitor
from tests.paths import ROOT

EMBEDDED = ROOT / "assets" / "picturebook"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
START_SECONDS = 180

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with the embedded model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log.txt"
    command = [sys.executable, "app.py", "--port", str(port), "--model", str(EMBEDDED)]
    with log.open("w") as file, subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file) as app:
        try:
            yield Server(f"http://127.0.0.1:{port}/", _config(f"http://127.0.0.1:{port}/config", app, log))
        finally:
            app.terminate()
            app.wait(30)
    assert "Traceback" not in log.read_text(), log.read_text()


def _config(address: str, app: "subprocess.Popen[bytes]", log: Path) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert app.poll() is None, f"the app ended: {log.read_text()}"
        try:
            with urlopen(address, timeout=5) as reply:
                return json.load(reply)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the app did not start in {START_SECONDS} s: {log.read_text()}")


# Playwright runs an event loop in the main thread: it ends with this package, before other tests run theirs.
@pytest.fixture(scope="package")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def visit(browser: Browser, server: Server) -> Callable[..., Visitor]:
    """Somebody new, with a browser profile of their own; whoever asks for one lets them leave."""
    return lambda **options: Visitor(browser, server, **options)


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Iterator[Visitor]:
    """Somebody new, for one test; not on the page yet."""
    visitor = visit()
    yield visitor
    visitor.leave()


@pytest.fixture
def finger(visit: Callable[..., Visitor]) -> Iterator[Visitor]:
    """Somebody with a phone, 390 pixels wide."""
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="module")
def guest(visit: Callable[..., Visitor]) -> Iterator[Visitor]:
    """Somebody who stays for all tests of a module."""
    visitor = visit()
    yield visitor
    visitor.leave()


@pytest.fixture(scope="package")
def archive(browser: Browser, server: Server) -> str:
    """A rendered story of five scenes, in base64; rendered once for all tests."""
    maker = Visitor(browser, server)
    story = maker.new_story(*CAST, **FEW)
    maker.render(story["id"])
    made = maker.download(maker.call("film", story=story["id"], format="story.zip")["url"])
    maker.leave()
    return made


@pytest.fixture
def page(guest: Visitor, archive: str) -> Page:
    """The module's page, on a rendered story of its own."""
    return guest.open(guest.rendered(archive))


@pytest.fixture(scope="module")
def unchanged(guest: Visitor, archive: str) -> dict[str, Any]:
    """A rendered story for all tests of a module that leave it as it is."""
    return guest.rendered(archive)


@pytest.fixture
def shown(guest: Visitor, unchanged: dict[str, Any]) -> Page:
    """The module's page, on that story; whatever of it was chosen last."""
    return guest.show(unchanged)
