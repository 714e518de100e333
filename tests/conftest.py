"""What every test gets: no network, no telemetry, a home of its own, a browser only where there is one."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.paths import ROOT

BROWSER_TESTS = ROOT / "tests" / "browser"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Set before anything imports torch, gradio or the hub's client; inherited by the programs that tests start.
_home = tempfile.TemporaryDirectory(prefix="throughline-tests-")
atexit.register(_home.cleanup)
os.environ["THROUGHLINE_HOME"] = _home.name
os.environ["GRADIO_TEMP_DIR"] = str(Path(_home.name, "gradio"))
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # processes of `pytest -n`
if WORKERS > 1:
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processor is theirs together
os.environ.setdefault("OMP_NUM_THREADS", str(min(4, os.cpu_count() or 1)))  # torch.get_num_threads()

# The first example loads models: no deadline, and slow examples are no failure.
settings.register_profile("throughline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("throughline-ci", settings.get_profile("throughline"), derandomize=True)
settings.load_profile("throughline-ci" if os.environ.get("CI") else "throughline")


def find_chromium() -> str | None:
    """The browser that the browser tests drive: THROUGHLINE_CHROMIUM, or the first one on the PATH."""
    candidates = (os.environ.get("THROUGHLINE_CHROMIUM"), *CHROMIUM_NAMES)
    return next((found for name in candidates if name and (found := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROWSER_TESTS in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Together(LoadFileScheduling):
    """With `pytest -n`, a file goes to one process; and as many of the browser tests' as are its share, which come
    first: each process starts one app and one browser."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        share = crc32(file.encode()) % self.numnodes
        return f"browser {share}" if file.startswith("tests/browser/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") is None or find_chromium():
        return
    reason = f"no Chromium found (looked for {', '.join(CHROMIUM_NAMES)} and THROUGHLINE_CHROMIUM)"
    if os.environ.get("THROUGHLINE_REQUIRE_BROWSER", "0") not in ("", "0"):
        pytest.fail(f"{reason}, and THROUGHLINE_REQUIRE_BROWSER is set", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser; only for tests marked `browser`, which are skipped where there is none."""
    path = find_chromium()
    assert path is not None, "a test that uses chromium_path must be marked `browser`"
    return path


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder for screenshots: kept after a run, never committed."""
    folder = ROOT / "artifacts" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
