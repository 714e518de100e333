"""The first page in a real Chromium: four prompts to a film, what it remembers, and everything that may go wrong."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from storyboard.ui.form import EXAMPLE
from tests.browser.conftest import Visitor

HOSTILE = "A <script>window.hit=1</script> & ${window.hit=1} {{value}} <img src=x onerror=window.hit=1> cat 🐈 runs."
EVERY_LOOK = [(width, theme) for width in (1440, 390) for theme in ("light", "dark")]


def prompts(page: Page) -> Locator:
    return page.get_by_label("Your film, one scene a line")


def steps_field(page: Page) -> Locator:
    """The number beside the slider; opens the settings if they are folded away."""
    field = page.get_by_label("number input for Steps")
    if not field.is_visible():
        page.get_by_role("button", name="Settings").first.click()
    return field


def set_steps(page: Page, steps: int) -> None:
    """Again until it stays: a field filled before the page has brought back what the browser kept is overwritten."""
    field = steps_field(page)
    for _ in range(8):
        field.fill(str(steps))
        field.press("Tab")
        page.wait_for_timeout(400)
        if field.input_value() == str(steps):
            return
    raise AssertionError(f"the steps stay at {field.input_value()}, expected {steps}")


def render(page: Page, steps: int, *lines: str) -> None:
    if lines:
        prompts(page).fill("\n".join(lines))
    set_steps(page, steps)
    page.get_by_role("button", name="Render film").click()


def status(page: Page) -> Locator:
    return page.locator("#status .line")


def look(page: Page, url: str, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900 if width > 600 else 844})
    page.goto(f"{url}?__theme={theme}")
    expect(page.get_by_role("button", name="Render film")).to_be_visible()


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize(("width", "theme"), EVERY_LOOK)
def test_first_look(page: Page, url: str, screenshots: Path, width: int, theme: str) -> None:
    look(page, url, width, theme)
    expect(prompts(page)).to_have_value("\n".join(EXAMPLE))
    expect(page.locator("#stage .empty")).to_be_visible()
    page.screenshot(path=screenshots / f"first-{width}-{theme}.png", full_page=True)
    assert fits(page)


@pytest.fixture(scope="module")
def film(visitor: Visitor, url: str, screenshots: Path) -> Page:
    """One film, rendered once."""
    page = visitor.page
    page.goto(url)
    visitor.ready()
    expect(prompts(page)).to_have_value("\n".join(EXAMPLE))
    render(page, 6)
    expect(page.locator("#stage .badge")).to_contain_text("being made")
    expect(page.locator("#stage .screen img")).to_have_attribute("src", re.compile("^data:image/webp"))
    expect(status(page)).to_contain_text(re.compile(r"Scene \d of 4 · step \d+ of \d+"))
    page.screenshot(path=screenshots / "rendering.png")
    expect(status(page)).to_contain_text("of film, made in", timeout=120_000)
    return page


class TestFilm:
    """What can be seen of a film, during and after."""

    def test_the_film_plays(self, film: Page) -> None:
        film.wait_for_function("document.querySelector('#stage video').duration > 1")
        film.wait_for_function("document.querySelector('#stage video').currentTime > 0")
        expect(film.locator("#stage .tile[data-state=done]")).to_have_count(4)
        expect(film.get_by_role("link", name="Download film")).to_be_visible()

    def test_a_tile_goes_to_its_scene(self, film: Page) -> None:
        film.get_by_role("button", name=re.compile("^Scene 3, done")).click()
        film.wait_for_function("document.querySelector('#stage video').currentTime >= 4.25")
        expect(film.locator("#stage .tile").nth(2)).to_have_attribute("aria-current", "true")

    def test_kept_words_are_marked_with_their_reason(self, film: Page) -> None:
        expect(film.locator("#memory .recall")).to_have_count(3)
        past = film.locator("#memory .recall").nth(1).locator(".past").first
        word = past.get_by_role("button", name="playground")
        word.hover()
        expect(film.get_by_role("tooltip")).to_contain_text("Kept: same word")
        past.get_by_text("running", exact=False)
        dropped = film.locator("#memory .word.dropped").first
        dropped.hover()
        expect(film.get_by_role("tooltip")).to_contain_text("Dropped: ")

    def test_a_chosen_word_shows_its_map(self, film: Page) -> None:
        past = film.locator("#memory .recall").nth(1).locator(".past").first
        word, heat = past.get_by_role("button", name="playground"), past.locator("canvas")
        expect(heat).to_be_hidden()
        word.click()
        expect(word).to_have_attribute("aria-pressed", "true")
        expect(heat).to_be_visible()
        painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
        assert heat.evaluate(painted) > 4
        expect(past.locator(".note")).to_contain_text("same word")
        film.get_by_label("Heat map").press("Home")
        expect(heat).to_have_css("opacity", "0")
        film.get_by_label("Heat map").press("End")

    def test_words_by_keyboard(self, film: Page) -> None:
        line = film.locator("#memory .recall").last.locator(".past .prompt").first
        words = line.locator(".word:not(.plain)")
        words.first.focus()
        film.keyboard.press("ArrowRight")
        expect(words.nth(1)).to_be_focused()
        expect(film.get_by_role("tooltip")).to_be_visible()
        film.keyboard.press("Escape")
        expect(film.locator("#word-tip")).to_be_hidden()

    @pytest.mark.parametrize(("width", "theme"), EVERY_LOOK)
    def test_it_is_there_after_a_reload(self, film: Page, url: str, screenshots: Path, width: int, theme: str) -> None:
        look(film, url, width, theme)
        film.wait_for_function("document.querySelector('#stage video').duration > 1")
        expect(film.locator("#memory .recall")).to_have_count(3)
        film.locator("#memory .recall").nth(1).get_by_role("button", name="playground").click()
        film.screenshot(path=screenshots / f"film-{width}-{theme}.png", full_page=True)
        assert fits(film)


def test_cancelling(page: Page) -> None:
    render(page, 100)
    expect(status(page)).to_contain_text("step")
    page.get_by_role("button", name="Cancel").click()
    expect(status(page)).to_contain_text(re.compile(r"Cancelled after \d of 4"))
    expect(page.get_by_role("button", name="Render film")).to_be_enabled()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()


def test_a_render_is_found_again_after_a_reload(page: Page) -> None:
    render(page, 100)
    expect(status(page)).to_contain_text("step")
    page.reload()
    expect(status(page)).to_contain_text("step")
    expect(page.get_by_role("button", name="Render film")).to_be_disabled()
    page.get_by_role("button", name="Cancel").click()
    expect(status(page)).to_contain_text("Cancelled")


def test_prompts_and_settings_survive_a_reload(page: Page) -> None:
    before = page.evaluate("localStorage.getItem('throughline-1')")
    prompts(page).fill("A robot is dancing in the forest.")
    set_steps(page, 7)
    page.wait_for_function("before => localStorage.getItem('throughline-1') !== before", arg=before)
    expect(steps_field(page)).to_have_value("7")
    page.reload()
    expect(prompts(page)).to_have_value("A robot is dancing in the forest.")
    expect(steps_field(page)).to_have_value("7")


def test_no_prompt(page: Page) -> None:
    prompts(page).fill("  \n ")
    page.get_by_role("button", name="Render film").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no prompt")
    prompts(page).fill("A cat is running on the beach.")
    render(page, 1)
    expect(status(page)).to_contain_text("of film, made in", timeout=60_000)
    expect(page.locator("#status .alarm")).to_be_hidden()


def test_a_prompt_that_is_too_long(page: Page) -> None:
    long = "word " * 500
    render(page, 1, "A cat runs.", long)
    expect(page.locator("#status .alarm")).to_contain_text("scene 2", timeout=60_000)
    expect(prompts(page)).to_have_value(f"A cat runs.\n{long}")


def test_what_is_typed_is_text(page: Page) -> None:
    render(page, 1, HOSTILE, HOSTILE)
    expect(status(page)).to_contain_text("of film, made in", timeout=60_000)
    expect(page.locator("#stage .tile .words").first).to_have_text(HOSTILE)
    expect(page.locator("#memory .past .prompt").first).to_have_text(HOSTILE)
    assert page.evaluate("window.hit") is None
