"""Every panel at three widths, light and dark, for people to look at; in CI, where nobody does, the two extremes."""

import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_access import bring
from tests.browser.visitor import CAST, Visitor, card, tab, until

SIZES = {1440: 900, 1024: 768, 390: 844}
PANELS = ("scene", "remembers", "takes", "whatif", "film", "shelf")
STILL = """() => {
  const seen = [...document.querySelectorAll('video')].filter(video => video.checkVisibility() && video.src);
  seen.forEach(video => video.pause());
  return seen.every(video => video.readyState >= 2 && !video.seeking);
}"""


@pytest.fixture(scope="module")
def story(guest: Visitor, archive: str) -> dict[str, Any]:
    """Of which one scene has two takes, and one is stale."""
    story = guest.rendered(archive)
    first, *_, last = (scene["id"] for scene in story["scenes"])
    guest.edit(story["id"], "edit_story", changes={"title": "Mia and the robot", "captions": True})
    guest.edit(story["id"], "edit_scene", scene=last, changes={"prompt": CAST[4].replace("waving", "dancing")})
    guest.render(story["id"], [first], again=True)
    return story


WANTED = [(1440, "light"), (390, "dark")] if os.environ.get("CI") else [*product(SIZES, ("light", "dark"))]


@pytest.mark.parametrize(("width", "theme"), WANTED)
def test_screenshots(guest: Visitor, story: dict[str, Any], screenshots: Path, width: int, theme: str) -> None:
    page = guest.page
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    guest.open(story, f"?__theme={theme}")
    expect(card(page, 5)).to_have_attribute("data-state", "stale")
    page.screenshot(path=screenshots / f"strip-{width}-{theme}.png")
    for panel in PANELS:
        bring(page, panel)
        if panel == "takes" and width > 390:
            shelf = tab(page, "takes", 1)
            shelf.get_by_label("Compare the chosen take with").click()
            page.get_by_role("option").first.click()
        if panel == "whatif":
            tab(page, "whatif", 3 if width > 390 else 0).get_by_role("button", name="Without any history").click()
            expect(page.locator(".side [role=tabpanel]:visible .pair")).to_be_visible()
        until(lambda: page.evaluate(STILL))
        page.screenshot(path=screenshots / f"{panel}-{width}-{theme}.png")
        if panel in ("film", "shelf"):
            page.keyboard.press("Escape")
        elif width < 900:
            page.get_by_role("button", name="Close the panel").click()
