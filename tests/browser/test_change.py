"""The Change dialog: pointing at somebody in a take, new words, a new take beside the one before, and back."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.visitor import Visitor, tab, until

FIRST = 120_000  # milliseconds: the localiser is loaded and the clip is looked at
BOTH = 5  # the scene of the sample with Mia and the robot


@pytest.fixture(scope="module")
def story(guest: Visitor) -> dict[str, Any]:
    return guest.story(guest.call("open_sample", name="mia-and-the-robot")["story"]["id"])


@pytest.fixture
def dialog(guest: Visitor, story: dict[str, Any]) -> Iterator[Locator]:
    yield opened(guest.open(story))


def opened(page: Page, scene: int = BOTH) -> Locator:
    tab(page, "scene", scene).get_by_role("button", name="Change part of it").click()
    dialog = page.locator("#over-Change")
    expect(dialog.locator(".pointed img")).to_be_visible()
    return dialog


def click_at(dialog: Locator, across: float, down: float) -> None:
    picture = dialog.locator(".pointed img")
    box = picture.bounding_box()
    assert box
    picture.click(position={"x": across * box["width"], "y": down * box["height"]})


def test_a_click_on_a_figure_and_new_words_make_another_take(
    guest: Visitor, story: dict[str, Any], dialog: Locator
) -> None:
    becomes = dialog.get_by_label("What it should be")
    click_at(dialog, 0.28, 0.6)
    expect(becomes).to_have_value("Mia", timeout=FIRST)
    click_at(dialog, 0.74, 0.6)
    expect(becomes).to_have_value("robot")
    becomes.fill("cat")
    click_at(dialog, 0.28, 0.6)
    expect(dialog.get_by_label("What to change")).to_have_value("Mia")
    expect(becomes).to_have_value("cat")
    dialog.get_by_role("button", name="Change it").click()
    until(lambda: len(takes(guest, story)) == 2)
    expect(dialog.locator(".pair figcaption").nth(1)).to_have_text("After: Mia → cat")
    expect(becomes).to_have_value("")
    assert guest.story(story["id"])["scenes"][BOTH - 1]["chosen"] == takes(guest, story)[1]["id"]
    guest.page.keyboard.press("Escape")
    guest.page.get_by_role("button", name="Undo: region edit").click()
    first = takes(guest, story)[0]["id"]
    until(lambda: guest.story(story["id"])["scenes"][BOTH - 1]["chosen"] == first)


def test_several_at_once_a_box_and_the_rest_and_what_was_typed_stays(guest: Visitor, dialog: Locator) -> None:
    what, becomes = dialog.get_by_label("What to change"), dialog.get_by_label("What it should be")
    becomes.fill("a dog")
    choose(dialog, "A box that I draw")
    expect(dialog.locator(".making-line .words-line")).to_contain_text("Draw the box")
    click_at(dialog, 0.4, 0.2)
    expect(dialog.locator(".making-line .words-line")).to_have_text("Now click on the opposite corner.")
    click_at(dialog, 0.6, 0.5)
    expect(dialog.locator(".making-line .words-line")).to_have_text("")
    dialog.get_by_role("button", name="And something else").click()
    ready = dialog.locator(".chips button")
    expect(ready).to_have_text(["A box → a dog"])
    expect(becomes).to_have_value("")
    choose(dialog, "The rest of the picture")
    becomes.fill("on the beach")
    guest.page.keyboard.press("Escape")
    dialog = opened(guest.page, 4)
    expect(dialog.get_by_label("What it should be")).to_have_value("")
    guest.page.keyboard.press("Escape")
    dialog = opened(guest.page)
    expect(becomes).to_have_value("on the beach")
    expect(what).to_have_value("The rest of the picture")
    ready.click()
    expect(ready).to_have_count(0)


def test_what_is_painted_over_is_changed_among_others(guest: Visitor, story: dict[str, Any], dialog: Locator) -> None:
    before, becomes = len(takes(guest, story)), dialog.get_by_label("What it should be")
    line, canvas = dialog.locator(".making-line .words-line"), dialog.locator(".brush canvas")
    choose(dialog, "What I paint over")
    expect(line).to_have_text("Paint over what to change.")
    expect(dialog.locator(".pointed img")).to_be_hidden()
    becomes.fill("a yellow hat")
    stroke(guest.page, canvas, (0.2, 0.3), (0.35, 0.3))
    expect(line).to_have_text("")
    dialog.get_by_label("number input for Size of the brush").fill("12")
    dialog.get_by_label("number input for Size of the brush").blur()
    expect(dialog.locator(".brush")).to_have_attribute("data-radius", "0.12")
    stroke(guest.page, canvas, (0.25, 0.4), (0.3, 0.4))
    assert painted(canvas, 0.28, 0.3) and painted(canvas, 0.28, 0.48) and not painted(canvas, 0.7, 0.7)
    guest.page.keyboard.press("Escape")
    opened(guest.page, 4)
    guest.page.keyboard.press("Escape")
    tab(guest.page, "scene", BOTH).get_by_role("button", name="Change part of it").click()
    expect(canvas).to_be_visible()
    until(lambda: painted(canvas, 0.28, 0.3))
    dialog.get_by_role("button", name="And something else").click()
    expect(dialog.locator(".chips button")).to_have_text(["What is painted → a yellow hat"])
    choose(dialog, "What I paint over")
    until(lambda: 0 < painted(canvas, 0.28, 0.3) < 100)  # paler than what is being painted
    stroke(guest.page, canvas, (0.7, 0.7), (0.7, 0.7))
    dialog.get_by_role("button", name="Paint anew").click()
    until(lambda: not painted(canvas, 0.7, 0.7))
    dialog.get_by_role("button", name="Change it").click()
    until(lambda: len(takes(guest, story)) == before + 1)
    assert takes(guest, story)[-1]["note"].endswith("→ a yellow hat")
    expect(dialog.locator(".pair figcaption").nth(1)).to_contain_text("a yellow hat")
    expect(canvas).to_be_hidden()


def test_a_finger_paints(finger: Visitor) -> None:
    story = finger.call("open_sample", name="mia-and-the-robot")["story"]
    page = finger.open(story)
    page.locator(".slot").nth(BOTH - 1).locator(".details").click()
    page.locator(".side [role=tab][data-tab-id=scene]").click()
    page.get_by_role("button", name="Change part of it").click()
    dialog = page.locator("#over-Change")
    choose(dialog, "What I paint over")
    canvas = dialog.locator(".brush canvas")
    canvas.scroll_into_view_if_needed()
    client, (x, y, width, height) = page.context.new_cdp_session(page), box_of(canvas)
    for kind, across in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.6), ("touchEnd", None)):
        points = [] if across is None else [{"x": x + across * width, "y": y + 0.5 * height}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(dialog.locator(".making-line .words-line")).to_have_text("")
    assert painted(canvas, 0.45, 0.5) and not painted(canvas, 0.45, 0.8)


def test_what_cannot_be_changed_says_why(guest: Visitor, story: dict[str, Any]) -> None:
    scene = story["scenes"][0]["id"]
    guest.edit(story["id"], "edit_scene", scene=scene, changes={"locked": True})
    page = guest.open(story)
    tab(page, "scene", 1).get_by_role("button", name="Change part of it").click()
    expect(page.locator("#over-Change .nothing-box .words-line")).to_contain_text("locked")
    expect(page.locator("#over-Change").get_by_label("What it should be")).to_be_hidden()


def box_of(canvas: Locator) -> tuple[float, float, float, float]:
    box = canvas.bounding_box()
    assert box
    return box["x"], box["y"], box["width"], box["height"]


def stroke(page: Page, canvas: Locator, begin: tuple[float, float], end: tuple[float, float]) -> None:
    x, y, width, height = box_of(canvas)
    page.mouse.move(x + begin[0] * width, y + begin[1] * height)
    page.mouse.down()
    page.mouse.move(x + end[0] * width, y + end[1] * height, steps=4)
    page.mouse.up()


def painted(canvas: Locator, across: float, down: float) -> int:
    """How much paint lies there, 0 to 255."""
    look = """(canvas, at) => canvas.getContext('2d')
        .getImageData(at[0] * canvas.width, at[1] * canvas.height, 1, 1).data[3]"""
    return int(canvas.evaluate(look, [across, down]))


def choose(dialog: Locator, name: str) -> None:
    dialog.get_by_label("What to change").click()
    dialog.page.get_by_role("option", name=name).click()


def takes(guest: Visitor, story: dict[str, Any]) -> list[dict[str, Any]]:
    return list(guest.story(story["id"])["scenes"][BOTH - 1]["takes"])
