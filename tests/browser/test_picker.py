"""The model is chosen on the page: another folder, a name that is nothing, and back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import EMBEDDED
from tests.browser.visitor import Visitor, until


@pytest.fixture
def picker(guest: Visitor, page: Page) -> Iterator[Locator]:
    """The dialog, open; afterwards the server has its own model again."""
    story = guest.opened[-1]
    before = guest.call("poll", story=story)["model"]["name"]
    page.get_by_role("button", name="Model:").click()
    yield page.locator("dialog.models")
    if guest.call("poll", story=story)["model"]["name"] != before:
        guest.call("choose_model", story=story, name=before)
    until(lambda: (found := guest.call("poll", story=story)["model"])["name"] == before and not found["coming"])


def test_each_model_says_what_it_needs_and_whether_it_can_run_here(picker: Locator) -> None:
    models = picker.locator("li.model")
    expect(picker.locator("li.model[data-current=true]")).to_have_count(1)
    assert models.count() > 1
    for model in models.all():
        assert model.locator("h3").inner_text() and model.locator(".model-facts li").count()
        usable, refused = (model.get_by_role("button").count(), model.locator(".model-why").count())
        assert usable + refused + (model.get_attribute("data-current") == "true") == 1, model.inner_text()


def test_what_is_no_model_is_refused_in_a_line_and_the_former_stays(picker: Locator) -> None:
    picker.get_by_label("Another one").fill("/nowhere/at-all")
    picker.get_by_role("button", name="Use this model of your own").click()
    expect(picker.get_by_role("status")).to_contain_text("/nowhere/at-all")
    expect(picker.locator("li.model[data-current=true] h3")).to_contain_text("In use")


def test_another_folder_is_loaded_and_its_scenes_are_stale(picker: Locator, page: Page, tmp_path: Path) -> None:
    other = shutil.copytree(EMBEDDED, tmp_path / "my-model")
    config = other / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + "\n")  # another model, by its files
    expect(page.locator("article[data-state=fresh]")).to_have_count(5)
    picker.get_by_label("Another one").fill(str(other))
    picker.get_by_role("button", name="Use this model of your own").click()
    expect(page.get_by_role("button", name="Model: my-model")).to_be_visible()
    expect(picker.get_by_role("status")).to_be_hidden()
    expect(page.locator("article[data-state=fresh]")).to_have_count(0)
