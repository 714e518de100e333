"""The Find tab: a search of a sample story, its hits, and what is not there."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.visitor import Visitor, tab

FIRST = 120_000  # milliseconds: the locator is loaded and the clips are looked at


@pytest.fixture
def find(guest: Visitor) -> Iterator[Locator]:
    story = guest.call("open_sample", name="mia-and-the-robot")["story"]
    page = guest.open(guest.story(story["id"]))
    yield tab(page, "find", 1)


def search(find: Locator, words: str) -> None:
    box = find.get_by_label("What to look for")
    box.fill(words)
    box.press("Enter")


def test_hits_lead_to_their_scenes(guest: Visitor, find: Locator) -> None:
    search(find, "the robot")
    told = find.locator(".summary .words-line")
    expect(told).to_have_text(re.compile(r"^Found in \d scenes?$"), timeout=FIRST)
    hits = find.locator(".found .gallery-item, .found .grid-container button")
    caption = hits.first.inner_text()
    number = re.search(r"Scene (\d+)", caption)
    assert number and "sure" in caption
    hits.first.click()
    expect(guest.page.locator(".side h2")).to_have_text(f"Scene {number[1]}")


def test_what_is_not_there_is_said(find: Locator) -> None:
    search(find, "the cat")
    expect(find.locator(".summary .words-line")).to_have_text(re.compile("^It is not there"), timeout=FIRST)
    expect(find.locator(".found")).to_be_hidden()
