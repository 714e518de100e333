"""How long a person waits in real Chromium: from edit, slider, move and undo to the acknowledged save, in a long story.

    python -m tests.soak.latency --scenes 100 --times 20

Prints the median and the 95th percentile of each, and how long after the address was entered the first card is there.
Fails if a median is LIMIT or more. The model is a fake one: the figures are those of the page, the server, the store.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.visitor import Server, Visitor, card, ready
from tests.conftest import find_chromium
from tests.soak.crowd import processors, serving

LIMIT = 150.0  # milliseconds
FIRST_CARD = "first card"
# Notes when requests were sent and answered, in milliseconds, and whether a listener in Python was asked or the board.
WATCH = """
window.saves = [];
const send = window.fetch;
window.fetch = async (...asked) => {
  const sent = performance.now(), answer = await send(...asked);
  const body = String(asked[1]?.body ?? ''), listener = body.includes('"fn_index"');
  const save = {listener, sent, answered: performance.now()};
  if (listener || /"verb":\\s*"(edit|undo)"/.test(body)) window.saves.push(save);
  return answer;
};
new MutationObserver((_, watch) => {
  if (!document.querySelector('.cards .card')) return;
  window.firstCard = performance.now();
  watch.disconnect();
}).observe(document, {childList: true, subtree: true});
"""
# Does something and gives the milliseconds until the first save that was sent after it is answered.
TIMED = """async ([act, place]) => {
  const acts = {
    edit() {
      const area = document.querySelectorAll('.cards .prompt')[place];
      area.focus();
      area.setRangeText(' again');
      area.dispatchEvent(new Event('input'));
      area.blur();
    },
    slider() {
      const slider = document.querySelector('.side input[type=range][aria-label*="Text guidance"]');
      slider.value = Number(slider.value) > 5 ? 1 : Number(slider.value) + 1;
      slider.dispatchEvent(new Event('input', {bubbles: true}));
      slider.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
    },
    move() {
      const card = document.querySelectorAll('.cards .card')[place];
      card.focus();
      card.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', altKey: true, bubbles: true}));
    },
    undo: () => window.throughline.undo(),
  };
  const began = performance.now();
  acts[act]();
  for (;;) {
    const save = window.saves.find(({listener, sent}) => sent >= began && listener === (act === 'slider'));
    if (save) return save.answered - began;
    if (performance.now() - began > 20000) throw new Error(act + ' was not saved');
    await new Promise(wake => setTimeout(wake, 1));
  }
}"""


def measure(address: str, scenes: int, times: int) -> dict[str, list[float]]:
    """Milliseconds of each act, and until the first card of each visit."""
    config = httpx.get(f"{address}/config").json()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        visitor = Visitor(browser, Server(f"{address}/", config))
        visitor.page.add_init_script(WATCH)
        visitor.new_story(*(f"Mia runs to place {number}." for number in range(scenes)), title="Long")
        found: dict[str, list[float]] = {FIRST_CARD: []}
        for _ in range(max(3, times // 4)):
            visitor.page.goto(visitor.server.url)
            ready(visitor.page)
            found[FIRST_CARD].append(float(visitor.page.evaluate("window.firstCard")))
        found |= _acts(visitor.page, scenes, times)
        browser.close()
    return found


def _acts(page: Page, scenes: int, times: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {act: [] for act in ("edit", "slider", "move", "undo")}
    for number in range(times):
        for act, figures in found.items():
            place = (7 * number) % (scenes - 1)
            if act == "slider":
                card(page, place + 1).locator(".number").click()
                expect(page.locator(".side h2")).to_have_text(f"Scene {place + 1}")
            page.evaluate("window.throughline.drained()")
            page.wait_for_timeout(300)  # what the last act brought about is over
            figures.append(float(page.evaluate(TIMED, [act, place])))
    return found


def run(scenes: int, times: int, folder: Path) -> dict[str, list[float]]:
    with serving("tests.soak.crowd", folder) as address:
        return measure(address, scenes, times)


def told(found: Mapping[str, Sequence[float]]) -> str:
    lines = [
        f"{act}: median {median(figures):.0f} ms, p95 {quantiles(figures, n=20)[-1]:.0f} ms"
        for act, figures in found.items()
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="throughline-latency-") as folder:
        found = run(options.scenes, options.times, Path(folder))
    print(f"{options.scenes} scenes, {processors()} processors, the browser's and the server's")
    print(told(found))
    slow = [act for act, figures in found.items() if act != FIRST_CARD and median(figures) >= LIMIT]
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
