"""How long after the address was entered the first card is seen in real Chromium, here and in another checkout.

    python -m tests.soak.first_card --scenes 100 --times 10 --other CHECKOUT

Both pages are served at the same time, over fake models, each with the same story, and are visited in turns: in a new
browser that has nothing cached, then twice more. A card is seen once a frame is drawn in which it has a size and its
prompt. Fails if the median of this checkout is the later one.
"""

import argparse
import secrets
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.visitor import PATIENCE, Server
from tests.conftest import find_chromium
from tests.paths import ROOT
from tests.soak.crowd import processors, serving

REST = 1500  # milliseconds after which nothing is under way that the visit brought about
VISITS = ("nothing cached", "second visit", "third visit")
SIGNS = {"card": ".cards .card", "panel": ".side h2"}
# Notes when each of the signs is first drawn, in milliseconds since the page was asked for.
WATCH = """(signs => {
  window.seen = {};
  const look = () => {
    for (const [name, sign] of Object.entries(signs)) {
      const node = name in window.seen ? null : document.querySelector(sign);
      const told = node?.checkVisibility() && node.offsetHeight && (node.querySelector('.prompt')?.value
        ?? node.textContent.trim());
      if (told) window.seen[name] = performance.now();
    }
    if (Object.keys(window.seen).length < Object.keys(signs).length) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
SEEN = "signs => signs.every(sign => sign in (window.seen ?? {})) && window.seen"

Figures = dict[tuple[str, str], list[float]]  # milliseconds, by which visit and which sign


def visit(browser: Browser, address: str, owner: str, found: Figures) -> None:
    """Somebody with a browser of their own, who comes and comes again."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(f"localStorage.setItem('throughline-owner', '{owner}'); {WATCH}({SIGNS!r})")
    for which in VISITS:
        page = context.new_page()
        page.goto(address, wait_until="commit")
        seen = page.wait_for_function(SEEN, arg=list(SIGNS), timeout=PATIENCE).json_value()
        for sign, moment in seen.items():
            found.setdefault((which, sign), []).append(float(moment))
        page.wait_for_timeout(REST)
        page.close()
    context.close()


def measure(checkouts: Sequence[Path], scenes: int, times: int) -> list[Figures]:
    """Figures of each checkout."""
    owner, prompts = secrets.token_hex(16), [f"Mia runs to place {number}." for number in range(scenes)]
    with ExitStack() as opened:
        addresses = []
        for checkout in checkouts:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="throughline-first-")))
            address = opened.enter_context(serving("tests.soak.crowd", folder, checkout))
            server = Server(f"{address}/", httpx.get(f"{address}/config").json())
            assert server.call(owner, "new_story", title="Long", prompts=prompts)["ok"], checkout
            addresses.append(server.url)
        playwright = opened.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        found: list[Figures] = [{} for _ in checkouts]
        for address in addresses:
            visit(browser, address, owner, {})  # what a server does once is not counted
        for _ in range(times):
            for address, figures in zip(addresses, found, strict=True):
                visit(browser, address, owner, figures)
        browser.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--times", type=int, default=10, help="visitors of each page")
    parser.add_argument("--other", type=Path, help="a checkout of another commit")
    options = parser.parse_args()
    checkouts = [ROOT, *([options.other.resolve()] if options.other else [])]
    found = measure(checkouts, options.scenes, options.times)
    print(f"{options.scenes} scenes, {options.times} visitors in turn, {processors()} processors; medians, ms")
    later = False
    for which in VISITS:
        for sign in SIGNS:
            medians = [median(figures[which, sign]) for figures in found]
            print(f"{which}, {sign}:", " against ".join(f"{figure:.0f}" for figure in medians))
            later |= sign == "card" and medians[0] > min(medians)
    return int(later)


if __name__ == "__main__":
    sys.exit(main())
