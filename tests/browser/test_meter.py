"""The Meter tab: the chosen scene, the whole story, and what it says of a clip that stands still."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from storyboard.media.video import write_video
from tests.browser.visitor import Visitor, tab, until
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
    expect(panel.locator(".story-meter")).to_be_visible(timeout=FIRST)
    expect(panel.get_by_role("status")).to_be_hidden(timeout=FIRST)
    yield panel


def test_the_scene_and_the_story(guest: Visitor, meter: Locator, sample: dict[str, Any]) -> None:
    scene = meter.get_by_role("region", name="Continuity of this scene")
    expect(scene.locator(".sum")).to_have_text(re.compile(r"^\d+% held"))
    mia = scene.locator(".mentions li").first
    expect(mia.locator(".who b")).to_have_text("Mia")
    expect(mia.locator(".gauge").first).to_have_text(re.compile(r"As in scene 1\d+%"))
    expect(scene.locator(".figures .gauge .name")).to_have_text(["Shows its prompt", "Moves"])
    story = meter.get_by_role("region", name="Continuity of the story")
    numbers = [str(number) for number, _ in enumerate(sample["scenes"], 1)]
    expect(story.locator("thead button")).to_have_text(numbers)
    expect(story.locator("tbody th[scope=row]").first).to_have_text("Mia")
    names = story.locator("tbody th[scope=row]").all_inner_texts()
    assert names[-5:] == ["Prompt", "Motion", "Contrast", "Saturation", "Sharpness"]
    cells = story.locator("tbody tr").first.locator("td")
    assert cells.nth(0).inner_text() == "●" and cells.nth(2).inner_text().isdigit()
    line = story.get_by_role("img", name=re.compile(r"^Contrast over the usual: scene 1 \d+%, scene 2 \d+%"))
    expect(line.locator("circle")).to_have_count(len(numbers))


def test_numbers_lead_to_their_scenes(guest: Visitor, meter: Locator) -> None:
    meter.locator("thead button", has_text="5").click()
    expect(guest.page.locator(".panel h2")).to_have_text("Scene 5")
    meter = tab(guest.page, "meter")
    expect(meter.locator("thead [aria-current=true]")).to_have_text("5")
    meter.locator(".mentions .to-scene").first.click()
    expect(guest.page.locator(".panel h2")).not_to_have_text("Scene 5")


def test_a_still_is_warned_of_until_it_is_undone(
    guest: Visitor, meter: Locator, sample: dict[str, Any], still: str
) -> None:
    fourth = sample["scenes"][3]["id"]
    guest.call("import_clip", story=sample["id"], scene=fourth, data=still)
    warning = meter.locator(".warning", has_text="Scene 4")
    expect(warning).to_contain_text("nothing moves", timeout=FIRST)
    warning.click()
    expect(guest.page.locator(".panel h2")).to_have_text("Scene 4")
    expect(meter.locator(".figures .gauge[data-poor]").last).to_contain_text("Moves")
    expect(meter.locator(".sum")).to_have_text(re.compile("^0% held"))
    first = sample["scenes"][3]["takes"][0]["id"]
    guest.edit(sample["id"], "choose_take", scene=fourth, take=first)
    expect(warning).to_have_count(0)


def test_nothing_to_measure_yet(guest: Visitor) -> None:
    page = guest.open(guest.new_story("Mia is dancing.", title="Empty"))
    panel = tab(page, "meter", 1)
    expect(panel).to_contain_text("Nothing to measure yet")
    expect(panel.locator(".story-meter")).to_be_hidden()


def test_it_fits_a_phone(finger: Visitor) -> None:
    story = finger.call("open_sample", name="two-actors-change-places")["story"]
    page: Page = finger.open(story)
    page.locator(".slot").nth(3).locator(".details").click()
    page.locator(".panel [role=tab][data-tab=meter]").click()
    expect(page.locator(".story-meter")).to_be_visible(timeout=FIRST)
    wide = "node => node.scrollWidth <= node.clientWidth"
    until(lambda: page.locator(".side").evaluate(wide))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
