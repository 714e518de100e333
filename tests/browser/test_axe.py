"""What axe-core finds on every panel, light and dark; a page 320 pixels wide, and one that is zoomed to 200%."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.visitor import CAST, FEW, Visitor, card, tab, until

TABS = {
    "scene": "Scene",
    "remembers": "Remembers",
    "takes": "Takes",
    "whatif": "What if",
    "meter": "Meter",
    "find": "Find",
}
OVERLAYS = ("Film", "Stories", "Model", "Keys", "Cast")
WIDE = """() => [document.documentElement, document.querySelector('.tl'), document.querySelector('.tl > .overlay'),
  document.querySelector('.side')].filter(node => node?.checkVisibility() && node.scrollWidth > node.clientWidth + 1)
  .map(node => `${node.className}: ${node.scrollWidth} in ${node.clientWidth}`)"""


def screens(page: Page, number: int) -> Iterator[str]:
    """Brings up, one after the other, the board, every tab of a scene, and all that lies over the board."""
    yield "board"
    page.get_by_role("button", name="Words the model knows").click()
    yield "palette"
    page.get_by_role("button", name="Words the model knows").click()
    card(page, number).locator(".shot").click()
    for name, words in TABS.items():
        if page.locator(f".side [role=tab][data-tab-id={name}]:visible").count():
            tab(page, name)
        else:  # there is no room for it in the row
            page.locator(".side .overflow-menu > button").click()
            page.locator(".side .overflow-dropdown button", has_text=words).click()
        yield name
    if (close := page.get_by_role("button", name="Close the panel")).is_visible():
        close.click()
    for name in OVERLAYS:
        page.locator(".topbar").get_by_role("button", name=re.compile(f"^{name}")).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        yield name
        until(lambda: page.keyboard.press("Escape") or not page.get_by_role("dialog").count())


def changing(page: Page, number: int) -> None:
    """Brings up the Change dialog."""
    tab(page, "scene", number).get_by_role("button", name="Change part of it").click()
    expect(page.locator("#over-Change .pointed img")).to_be_visible()


PAPER = """() => {
  const {colorScheme} = getComputedStyle(document.documentElement);
  const ground = getComputedStyle(document.querySelector('.tl')).backgroundColor;
  return [colorScheme, ...ground.match(/[0-9.]+/g).map(Number)];
}"""


def faults(page: Page) -> list[tuple[str, Any]]:
    """What axe-core calls serious or critical: the rule, and where."""
    told = Axe().run(page).response
    assert any(rule["id"] == "color-contrast" for rule in told["passes"]), "no text was judged"
    bad = [fault for fault in told["violations"] if fault["impact"] in ("serious", "critical")]
    return [(fault["id"], [node["html"][:160] for node in fault["nodes"][:4]]) for fault in bad]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault(guest: Visitor, archive: str, theme: str) -> None:
    story = guest.rendered(archive)
    guest.call("cast_keep", story=story["id"], scene=story["scenes"][0]["id"], entry="Mia")
    guest.edit(story["id"], "cast_add", name="robot")
    guest.edit(story["id"], "edit_scene", scene=story["scenes"][1]["id"], changes={"prompt": "A zorblax is running."})
    page = guest.open(story, f"?__theme={theme}")
    scheme, *paper = page.evaluate(PAPER)
    assert scheme == theme and (max(paper[:3]) < 60) == (theme == "dark"), (scheme, paper)
    found = {screen: bad for screen in screens(page, 3) if (bad := faults(page))}
    changing(page, 3)
    last = faults(page)
    assert not found and not last, (found, last)


@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (720, 2)])  # 720: a window of 1440 at 200%
def test_nothing_scrolls_sideways(visit: Callable[..., Visitor], archive: str, width: int, zoom: int) -> None:
    visitor = visit(viewport={"width": width, "height": 640}, device_scale_factor=zoom)
    page = visitor.open(visitor.rendered(archive))
    page.get_by_role("button", name="Keys").click()
    box = page.get_by_role("dialog", name="Keys").bounding_box()
    page.keyboard.press("Escape")
    rows = page.locator(".topbar button:visible").evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    found = {screen: wide for screen in screens(page, 3) if (wide := page.evaluate(WIDE))}
    visitor.leave()
    assert box and box["x"] + box["width"] <= width, box
    assert len({round(row / 20) for row in rows}) <= 2, rows  # of the head, at the least width
    assert not found, found


def test_skip_links_lead_past_the_head(guest: Visitor) -> None:
    page = guest.open(guest.new_story(CAST[0], **FEW))
    for name, place in (("To the board", ".board"), ("To the scene's panel", ".side")):
        link = page.get_by_role("link", name=name)
        link.focus()
        expect(link).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("place => document.activeElement.closest(place) !== null", place), name
