"""What somebody sees who has never been here, and words to begin with."""

from typing import Any

import gradio as gr
from playwright.sync_api import expect

from storyboard.ui.desk import Desk
from storyboard.ui.panels.writing.palette import Palette
from tests.browser.visitor import Visitor, card, ready, saved, until
from tests.paths import ROOT

MOVES = "videos => videos.some(video => !video.paused && video.currentTime > 0)"


def test_a_first_visit_says_what_this_is_and_plays_a_film_at_a_click(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(visitor.server.url)
    expect(page.get_by_text("A storyboard that remembers.")).to_be_visible()
    ready(page)
    page.get_by_role("button", name="Play its film").click()
    dialog = page.get_by_role("dialog", name="Film")
    expect(dialog.get_by_role("button", name="Pause the film")).to_be_visible()
    until(lambda: dialog.locator("video").evaluate_all(MOVES))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Write a story of your own").click()
    expect(page.get_by_role("heading", name="An empty board")).to_be_visible()
    expect(page.get_by_text("A storyboard that remembers.")).to_be_hidden()


def test_words_that_the_model_knows_go_into_the_prompt_that_was_written_in_last(visitor: Visitor) -> None:
    story = visitor.new_story("", "Mia on the beach.")
    page = visitor.open(story)
    ready(page)
    hint = card(page, 1).locator(".prompt").get_attribute("placeholder") or ""
    known = (ROOT / "assets/picturebook/vocabulary.txt").read_text().split()
    who = hint.removeprefix("Who does what, and where? ").partition(",")[0]
    assert who.lower() in known, hint
    second = card(page, 2).locator(".prompt")
    second.focus()
    second.evaluate("area => area.setSelectionRange(3, 3)")
    page.get_by_role("button", name="Words the model knows").click()
    page.locator(".palette").get_by_role("button", name="skiing", exact=True).click()
    expect(second).to_have_value("Mia skiing on the beach.")
    expect(second).to_be_focused()
    saved(page)
    assert visitor.story(story["id"])["scenes"][1]["prompt"] == "Mia skiing on the beach."


def test_there_is_no_palette_of_a_model_that_names_no_words() -> None:
    class Studio:
        vocabulary: frozenset[str] = frozenset()

    desk: Any = object.__new__(Desk)
    desk.studio = Studio()
    with gr.Blocks():
        palette = Palette(desk)
    view: Any = None
    assert palette.paint(view)[palette.box] == {"visible": False}
    desk.studio.vocabulary = frozenset({"beach"})
    assert palette.paint(view)[palette.box] == {"visible": True}
