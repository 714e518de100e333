"""How much a page of a long story works while it is scrolled through, in real Chromium.

    python -m tests.soak.scrolling --scenes 100

Prints the work of the page's thread for a frame and the longest stretch of it, of several runs the least; fails from
FRAME and LONG_TASK on. Processor time, not time passed; on a busy machine it is longer all the same.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import CDPSession, expect, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.visitor import Server, Visitor, ready, until
from tests.conftest import find_chromium
from tests.soak.crowd import serving

FRAME = 1 / 60  # seconds
LONG_TASK = 0.05  # seconds: from here on browsers call a task long
PICTURES = 12  # scenes that are rendered, so that there is something to paint
SCROLL = """async () => {
  scrollTo(0, 0);
  const end = () => document.documentElement.scrollHeight - innerHeight, goal = end();
  let frames = 0;
  await new Promise(done => {
    const frame = () => {
      frames += 1;
      scrollBy(0, 240); // a fast fling: three rows of cards in a tenth of a second
      scrollY < end() - 1 ? requestAnimationFrame(frame) : done();
    };
    requestAnimationFrame(frame);
  });
  return {frames, goal};
}"""


def measure(address: str, scenes: int, times: int) -> tuple[float, float]:
    """Seconds of work for a frame, and of the longest task: each the least of several runs."""
    config = httpx.get(f"{address}/config").json()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        visitor = Visitor(browser, Server(f"{address}/", config))
        story = visitor.new_story(*(f"Mia runs to place {number}." for number in range(scenes)), title="Long")
        visitor.render(story["id"], [scene["id"] for scene in story["scenes"][:PICTURES]])
        visitor.page.goto(visitor.server.url)
        ready(visitor.page)
        expect(visitor.page.locator(".slot")).to_have_count(scenes)
        session = visitor.context.new_cdp_session(visitor.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})  # work, not time
        runs = [_run(visitor, session) for _ in range(times)]
        browser.close()
    return min(spent for spent, _ in runs), min(longest for _, longest in runs)


def _run(visitor: Visitor, session: CDPSession) -> tuple[float, float]:
    before = metrics(session)["TaskDuration"]
    with traced(session) as tasks:
        frames = visitor.page.evaluate(SCROLL)["frames"]
    return (metrics(session)["TaskDuration"] - before) / frames, max(tasks)


def metrics(session: CDPSession) -> dict[str, float]:
    """What the page has done so far, by Chromium's names: counts, and seconds."""
    return {entry["name"]: float(entry["value"]) for entry in session.send("Performance.getMetrics")["metrics"]}


@contextmanager
def traced(session: CDPSession) -> Iterator[list[float]]:
    """What the pages' main threads do: seconds of work of each task, however long it took. Filled at the end."""
    events: list[dict[str, Any]] = []
    ended: list[Any] = []
    tasks: list[float] = []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda end: ended.append(end))
    categories = {"includedCategories": ["toplevel", "__metadata"]}
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": categories})
    yield tasks
    session.send("Tracing.end")
    until(lambda: session.send("Performance.getMetrics") and ended)  # which lets events come in
    main = {(e["pid"], e["tid"]) for e in events if e["args"].get("name") == "CrRendererMain"}
    named = [e for e in events if e["name"] == "ThreadControllerImpl::RunTask" and (e["pid"], e["tid"]) in main]
    tasks.extend(e["tdur"] / 1e6 for e in named if "tdur" in e)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="throughline-scrolling-") as folder,
        serving("tests.soak.crowd", Path(folder)) as address,
    ):
        spent, longest = measure(address, options.scenes, options.times)
    print(f"{options.scenes} scenes: {1000 * spent:.1f} ms of work for a frame, {1000 * longest:.0f} at a stretch")
    return 0 if spent < FRAME and longest < LONG_TASK else 1


if __name__ == "__main__":
    sys.exit(main())
