"""The board is there, and can be written on, before Gradio has started."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Route, expect

from tests.browser.visitor import Visitor, card, ready, until


@contextmanager
def held(page: Page) -> Iterator[None]:
    """Gradio's scripts do not come, until the end."""
    routes: list[Route] = []
    came = False
    page.route("**/assets/*.js", lambda route: route.continue_() if came else routes.append(route))
    yield
    came = True
    for route in routes:
        route.continue_()


def test_what_is_written_before_gradio_starts_is_saved_and_keeps_its_place(visitor: Visitor) -> None:
    story = visitor.new_story("Mia is running.", "Mia is skiing.", title="Early")
    visitor.opened.append(story["id"])
    page = visitor.page
    prompt = card(page, 2).locator(".prompt")
    with held(page):
        page.goto(visitor.server.url, wait_until="commit")
        expect(prompt).to_have_value("Mia is skiing.")
        expect(page.locator(".plan-line")).to_contain_text("Render 2 scenes")
        expect(page.locator(".gradio-container")).to_have_count(0)
        prompt.fill("Mia is dancing.")
        until(lambda: visitor.story(story["id"])["scenes"][1]["prompt"] == "Mia is dancing.")
        prompt.press("End")
        prompt.press_sequentially(" Again.")
    expect(page.locator(".side h2")).to_have_text("Scene 2")
    ready(page)
    expect(prompt).to_be_focused()
    expect(prompt).to_have_value("Mia is dancing. Again.")
    expect(page.locator(".early")).to_have_count(0)
    expect(page.locator(".slot")).to_have_count(2)
    assert visitor.story(story["id"])["scenes"][1]["prompt"] == "Mia is dancing. Again."


def test_the_board_does_not_jump_when_the_page_takes_it_over(visitor: Visitor) -> None:
    story = visitor.new_story("Mia is running.", title="Early")
    visitor.opened.append(story["id"])
    page = visitor.page
    parts = [page.locator(part) for part in (".topbar", ".planbar", ".card", ".prompt")]
    with held(page):
        page.goto(visitor.server.url, wait_until="commit")
        expect(page.locator(".plan-line")).to_contain_text("Render 1 scene")
        before = [part.bounding_box() for part in parts]
    ready(page)
    palette = page.locator(".palette")  # over the board, where the model names its words
    expect(palette).to_be_visible()
    palette.evaluate("node => { node.hidden = true; }")
    assert [part.bounding_box() for part in parts] == before


VEIL = """() => {
  const veil = Object.assign(document.createElement('div'), {className: 'wrap default full translucent'});
  veil.dataset.testid = 'status-tracker';
  veil.style.cssText = 'position: fixed; inset: 0; z-index: 9999';
  document.querySelector('.gradio-container').append(veil);
}"""


def test_no_veil_of_gradios_comes_between_a_person_and_the_board(guest: Visitor) -> None:
    page = guest.open(guest.new_story("Mia is running."))
    page.evaluate(VEIL)
    card(page, 1).locator(".number").click(timeout=10_000)
    expect(page.locator(".side h2")).to_have_text("Scene 1")
