"""The Meter tab: the chosen scene, the whole story, and what it says of a clip that stands still."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from storyboard.media.video import write_video
from tests.browser.visitor import Visitor, tab, table, until
from tests.storyboard.conftest import gradient

FIRST = 240_000  # milliseconds: before anything is measured the model is loaded and its scales are made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two seconds in which nothing moves, in base64."""
    path = tmp_path_factory.mktemp("clips") / "still.mp4"
    write_video(path, gradient(16, 96, 144)[:1].repeat(16, axis=0), 8)
    return base64.b64encode(path.read_bytes()).decode()


@pytest.fixture(scope="module")
def sample(guest: Visitor) -> dict[str, Any]:
    """The first sample story, whose clips are good ones."""
    name = "mia-and-the-robot"
    return dict(guest.call("open_sample", name=name)["story"])


@pytest.fixture
def meter(guest: Visitor, sample: dict[str, Any]) -> Iterator[Locator]:
    """The tab on scene 3, when all is measured."""
    page = guest.open(guest.story(sample["id"]))
    panel = tab(page, "meter", 3)
    expect(panel.locator(".of-story")).to_be_visible(timeout=FIRST)
    expect(panel.get_by_text("to go …")).to_have_count(0, timeout=FIRST)
    yield panel


def rows(meter: Locator, name: str) -> list[list[str]]:
    return table(meter.locator(f".{name}"))


def cell(meter: Locator, name: str, row: int, column: int) -> Locator:
    return meter.locator(f".{name} .virtual-row").nth(row).locator("[role=gridcell]").nth(column)


def test_the_scene_and_the_story(guest: Visitor, meter: Locator, sample: dict[str, Any]) -> None:
    expect(meter.locator(".sum .words-line")).to_have_text(re.compile(r"^\d+% held"))
    own = until(lambda: rows(meter, "mentions"))
    assert own[0][0] == "Mia" and re.fullmatch(r"\d+% as in scene 1", own[0][2]), own
    assert [row[0] for row in own[-2:]] == ["Shows its prompt", "Moves"]
    numbers = [str(number) for number, _ in enumerate(sample["scenes"], 1)]
    heads = meter.locator(".story-meter thead th .header")
    until(lambda: [head.strip() for head in heads.all_inner_texts()] == ["What", *numbers])  # some were known before
    story = until(lambda: rows(meter, "story-meter"))
    assert story[0][0] == "Mia" and [row[0] for row in story[-2:]] == ["Prompt", "Motion"]
    assert story[0][1] == "●" and story[0][3].isdigit()
    expect(meter.locator(".drift")).to_be_visible()


def test_numbers_lead_to_their_scenes(guest: Visitor, meter: Locator) -> None:
    cell(meter, "story-meter", 0, 6).click()
    expect(guest.page.locator(".side h2")).to_have_text("Scene 6")
    meter = tab(guest.page, "meter")
    until(lambda: "as in scene" in rows(meter, "mentions")[0][2])
    cell(meter, "mentions", 0, 2).click()
    expect(guest.page.locator(".side h2")).not_to_have_text("Scene 6")


def test_a_still_is_warned_of_until_it_is_undone(
    guest: Visitor, meter: Locator, sample: dict[str, Any], still: str
) -> None:
    fourth = sample["scenes"][3]["id"]
    guest.call("import_clip", story=sample["id"], scene=fourth, data=still)
    warning = meter.locator(".warnings [role=gridcell]", has_text="nothing moves")
    expect(warning).to_contain_text("Scene 4", timeout=FIRST)
    warning.click()
    expect(guest.page.locator(".side h2")).to_have_text("Scene 4")
    expect(meter.locator(".sum .words-line")).to_have_text(re.compile("^0% held"))
    own = rows(meter, "mentions")
    assert own[-1][0] == "Moves"
    expect(cell(meter, "mentions", len(own) - 1, 1)).to_have_attribute("style", re.compile("background"))
    first = sample["scenes"][3]["takes"][0]["id"]
    guest.edit(sample["id"], "choose_take", scene=fourth, take=first)
    expect(warning).to_have_count(0)


def test_nothing_to_measure_yet(guest: Visitor) -> None:
    page = guest.open(guest.new_story("Mia is dancing.", title="Empty"))
    panel = tab(page, "meter", 1)
    expect(panel).to_contain_text("Nothing to measure yet")
    expect(panel.locator(".of-story")).to_be_hidden()


def test_it_fits_a_phone(finger: Visitor) -> None:
    story = finger.call("open_sample", name="two-actors-change-places")["story"]
    page: Page = finger.open(story)
    page.locator(".slot").nth(3).locator(".details").click()
    page.locator(".side [role=tab][data-tab-id=meter]").click()
    expect(page.locator(".of-story")).to_be_visible(timeout=FIRST)
    wide = "node => node.scrollWidth <= node.clientWidth"
    until(lambda: page.locator(".side").evaluate(wide))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
