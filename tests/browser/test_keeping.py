"""Keep the rest: the checkbox of a scene whose words were edited, what it remembers then, and going back."""

import re

from playwright.sync_api import Page, expect

from tests.browser.visitor import CAST, card, saved, tab


def test_a_word_changes_and_the_rest_is_kept_or_not(page: Page) -> None:
    scene = tab(page, "scene", 5)
    box = scene.get_by_label("Keep the rest")
    expect(box).to_be_hidden()
    prompt = card(page, 5).get_by_label("Prompt")
    prompt.fill(CAST[4].replace(CAST[4].split()[-1], "beach."))
    saved(page)
    expect(box).to_be_checked()
    memory = tab(page, "remembers", 5)
    before = memory.locator(".past", has=page.get_by_text("This scene, before", exact=True))
    expect(before.locator("p.words")).to_have_text(CAST[4])
    expect(before.locator(".thumb img")).to_have_attribute("src", re.compile("png"))
    expect(memory.locator(".summary .words-line")).to_have_text(re.compile(r"Keeps \d+ words? of what it was before"))
    tab(page, "scene", 5)
    box.uncheck()
    saved(page)
    tab(page, "remembers", 5)
    expect(before).to_have_count(0)
    tab(page, "scene", 5)
    prompt.fill(CAST[4])
    saved(page)
    expect(box).to_be_hidden()
