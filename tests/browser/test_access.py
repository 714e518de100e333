"""By keyboard alone; a name for every control; dark mode; 390 pixels."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.visitor import CAST, FEW, LONG, Visitor, card, expect_prompts, ready, saved, tab, until

NAMED = {
    "button",
    "textbox",
    "slider",
    "checkbox",
    "switch",
    "radio",
    "combobox",
    "tab",
    "link",
    "menuitem",
    "spinbutton",
    "dialog",
    "tabpanel",
    "img",
    "image",
    "progressbar",
}
SCREENS = ("scene", "remembers", "takes", "whatif", "find", "film", "shelf", "help", "menu")


def bring(page: Page, screen: str) -> None:
    """Opens a screen of the page."""
    if screen == "film":
        page.get_by_role("button", name="Film").first.click()
        page.get_by_role("button", name="Pause the film").click()
        for name in ("Shot", "Cards", "Sound"):
            page.get_by_role("button", name=f"{name} ▼").click()
    elif screen == "shelf":
        page.get_by_role("button", name="Stories").click()
        page.get_by_role("button", name="New story").first.click()
    elif screen == "help":
        page.get_by_role("button", name="Keys").click()
        expect(page.get_by_role("dialog")).to_be_visible()
    elif screen == "menu":
        card(page, 2).locator("[data-act=more]").click()
    else:
        details(page, 3)
        panel = tab(page, screen)
        if screen == "remembers":
            panel.locator("[role=button].word", has_text=re.compile("^Mia$")).click()
            expect(panel.locator(".heat")).to_be_visible()
        if screen == "whatif":
            expect(panel.locator(".chips .gallery-item").first).not_to_be_empty()


def details(page: Page, number: int) -> None:
    """Brings the panel up for a scene, wide or narrow."""
    if page.locator(".side").get_attribute("data-open") != "true":
        card(page, number).locator(".shot").click()
    expect(page.locator(".side h2")).to_have_text(f"Scene {number}")


@pytest.mark.parametrize("screen", SCREENS)
def test_every_control_has_a_name(guest: Visitor, shown: Page, screen: str) -> None:
    bring(shown, screen)
    session = guest.context.new_cdp_session(shown)
    session.send("Accessibility.enable")
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if not node.get("ignored") and node["role"]["value"] in NAMED]
    assert len(controls) > 40 or screen in ("film", "shelf", "help"), len(controls)
    nameless = [
        session.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"].get("attributes")
        for node in controls
        if not str(node.get("name", {}).get("value", "")).strip() and node["role"]["value"] not in ("img", "image")
    ]
    assert not nameless, nameless
    session.detach()
    until(lambda: shown.keyboard.press("Escape") or not shown.locator(".overlay").count())


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, selector: str) -> None:
    """Goes on with Tab until the focus is there."""
    for _ in range(80):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {selector}")


def test_a_story_is_made_by_keyboard_alone(visitor: Visitor) -> None:
    visitor.new_story(title="Keys")
    page = visitor.page
    page.goto(visitor.server.url)
    ready(page)
    tab_to(page, ".empty .primary")
    press(page, "Enter")
    expect(card(page, 1).locator(".prompt")).to_be_focused()
    page.keyboard.type(CAST[0])
    press(page, "Escape")
    expect(card(page, 1)).to_be_focused()
    tab_to(page, ".add-last")
    press(page, "Enter")
    expect(card(page, 2).locator(".prompt")).to_be_focused()
    page.keyboard.type(CAST[1])
    press(page, "Escape")
    expect(card(page, 2)).to_be_focused()
    press(page, "Home")
    expect(card(page, 1)).to_be_focused()
    press(page, "ArrowRight")
    expect(card(page, 2)).to_be_focused()
    press(page, "Alt+ArrowLeft")
    expect_prompts(page, CAST[1], CAST[0])
    expect(card(page, 1)).to_be_focused()
    press(page, "Enter")
    expect(card(page, 1).locator(".prompt")).to_be_focused()
    press(page, "Escape")
    expect(card(page, 1)).to_be_focused()
    press(page, "Delete")
    expect_prompts(page, CAST[0])
    press(page, "Control+z")
    expect_prompts(page, CAST[1], CAST[0])
    press(page, "Control+z")
    expect_prompts(page, CAST[0], CAST[1])
    press(page, "Control+Shift+z")
    expect_prompts(page, CAST[1], CAST[0])
    saved(page)


def test_what_was_rendered_between_two_looks_is_said_and_what_was_cancelled_is_not(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    page, held, came = guest.open(story), list[Route](), False
    spoken = page.locator(".spoken")

    def hold(route: Route) -> None:
        asks = re.search(r'"verb":\s*"poll"', route.request.post_data or "")
        held.append(route) if asks and not came else route.continue_()

    page.route("**/component_server/", hold)
    until(lambda: page.evaluate("1") and held)
    guest.render(story["id"])
    came = True
    for route in held:
        route.continue_()
    expect(spoken).to_have_text("Scene 1 is rendered")
    longer = {"prompt": CAST[1], "steps": LONG["steps"]}
    guest.edit(story["id"], "edit_scene", scene=story["scenes"][0]["id"], changes=longer)
    card(page, 1).get_by_role("button", name="Render: scene 1").click()
    expect(spoken).to_have_text("Rendering scene 1")
    card(page, 1).get_by_role("button", name="Cancel: scene 1").click()
    expect(card(page, 1)).to_have_attribute("data-state", "stale")
    expect(spoken).not_to_have_text("Scene 1 is rendered")
    page.unroute("**/component_server/", hold)


def test_a_scene_is_set_and_rendered_by_keyboard_alone(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    page = guest.open(story)
    card(page, 1).focus()
    tab_to(page, ".side [role=tab][aria-selected=true]")
    press(page, "Home", "ArrowRight")
    expect(page.locator(".side [data-tab-id=remembers]")).to_be_focused()
    expect(page.locator(".side [data-tab-id=remembers]")).to_have_attribute("aria-selected", "true")
    press(page, "Home")
    tab_to(page, ".side .acts .primary")
    press(page, "Enter")
    expect(card(page, 1)).to_have_attribute("data-state", "fresh")
    expect(page.locator(".spoken")).to_have_text("Scene 1 is rendered")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_it_is_not_far_from_a_card_to_the_panel(page: Page) -> None:
    for number in (1, 4):
        card(page, number).focus()
        stops = 0
        while not page.evaluate("document.activeElement.closest('.side') !== null"):
            page.keyboard.press("Tab")
            stops += 1
            assert stops <= 12


FOCUS = """() => {
  const seen = node => {
    const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(node);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 || boxShadow !== 'none';
  };
  const node = document.activeElement;
  return seen(node) || node.matches('input') && Boolean(node.closest('label')) && seen(node.closest('label'));
}"""


def test_the_focus_is_always_seen(page: Page) -> None:
    card(page, 1).focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        where = page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        assert where.startswith("<body") or page.evaluate(FOCUS), where


# --- looks ---

SMALL = """selector => [...document.querySelectorAll(selector)].filter(node => node.checkVisibility()).map(node => {
  const {width, height} = node.getBoundingClientRect();
  return [width, height, node.className, node.getAttribute('aria-label')];
}).filter(([width, height]) => width > 0 && (width < 43.5 || height < 43.5))"""


def test_390_pixels_are_enough(finger: Visitor, archive: str) -> None:
    page = finger.open(finger.rendered(archive))
    for screen in ("strip", *SCREENS):
        if screen != "strip":
            bring(page, screen)
        wide = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('.tl').scrollWidth]")
        assert max(wide) <= 390, (screen, wide)
        if screen == "strip":
            targets = ".strip button, .strip textarea, .planbar button, .topbar button, .topbar input"
            assert not page.evaluate(SMALL, targets)
        if screen in ("film", "shelf", "help", "menu"):
            until(
                lambda: page.keyboard.press("Escape") or page.locator("[inert] .slot").count() == 0
            )  # once it listens
        elif screen != "strip":
            page.get_by_role("button", name="Close the panel").click()
            expect(page.locator(".side")).to_have_attribute("data-open", "false")


UNCOVERED = """node => {
  const {left, top, height} = node.getBoundingClientRect();
  return node.contains(document.elementFromPoint(left + 8, top + height / 2));
}"""


def test_a_tab_of_the_sheet_begins_with_the_heading_of_the_scene(finger: Visitor, archive: str) -> None:
    page = finger.open(finger.rendered(archive))
    details(page, 3)
    heading, side = page.locator(".side h2"), page.locator(".side")
    for name in ("scene", "remembers", "whatif", "scene", "scene"):
        tab(page, name)
        until(lambda: heading.evaluate(UNCOVERED))
        until(lambda: side.evaluate("side => { side.scrollTop = 300; }") or not heading.evaluate(UNCOVERED))
        assert page.locator(f".side [role=tab][data-tab-id={name}]").evaluate(UNCOVERED), "the tabs stay in sight"


def test_a_phone_does_what_it_should(finger: Visitor, archive: str) -> None:
    story = finger.rendered(archive)
    page = finger.open(story)
    details(page, 3)
    expect(page.locator(".side")).to_have_attribute("data-open", "true")
    panel = tab(page, "remembers")
    word = panel.locator("[role=button].word", has_text=re.compile("^Mia$"))
    word.tap()
    panel.locator(".inspector").get_by_role("radio", name="Mute").tap()
    until(lambda: finger.story(story["id"])["scenes"][2]["mutes"])
    page.get_by_role("button", name="Close the panel").tap()
    expect(card(page, 3)).to_have_attribute("data-state", "stale")
    card(page, 3).get_by_role("button", name="Render: scene 3").tap()
    expect(card(page, 3)).to_have_attribute("data-state", "fresh")
