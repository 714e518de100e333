"""The model is chosen on the page: another folder, a name that is nothing, and back."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import EMBEDDED
from tests.browser.visitor import Visitor, table, until

# Words that begin on one line and end on another, and rows that lie over each other.
BROKEN = """rows => rows.flatMap((row, i) => {
  const found = [], walk = document.createTreeWalker(row, NodeFilter.SHOW_TEXT), range = document.createRange();
  if (rows[i + 1] && row.getBoundingClientRect().bottom > rows[i + 1].getBoundingClientRect().top + 1) found.push(i);
  for (let text; (text = walk.nextNode());) for (const word of text.data.matchAll(/[^\\s-]+/g)) {
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) found.push(word[0]);
  }
  return found;
})"""


@pytest.fixture
def picker(guest: Visitor, page: Page) -> Iterator[Locator]:
    """The dialog, open; afterwards the server has its own model again."""
    story = guest.opened[-1]
    before = guest.call("poll", story=story)["model"]["name"]
    page.get_by_role("button", name="Model:").click()
    yield page.get_by_role("dialog", name="Model")
    if guest.call("poll", story=story)["model"]["name"] != before:
        guest.call("choose_model", story=story, name=before)
    until(lambda: (found := guest.call("poll", story=story)["model"])["name"] == before and not found["coming"])


def rows(picker: Locator) -> list[list[str]]:
    """Of the list of models: title, state, what it needs."""
    return table(picker.locator(".model-list"))


def test_each_model_says_what_it_needs_and_whether_it_can_run_here(picker: Locator) -> None:
    models = until(lambda: rows(picker))
    assert len(models) > 1 and sum(state.strip() == "In use" for _, state, _ in models) == 1
    for title, state, needs in models:
        assert title.strip() and needs.strip(), models
        assert ("can't run here" in needs) == (state.strip() == "Not for this machine"), models


def test_what_is_no_model_is_refused_in_a_line_and_the_former_stays(picker: Locator) -> None:
    use(picker, "/nowhere/at-all")
    expect(picker.locator(".model-status [role=status]")).to_contain_text("/nowhere/at-all")
    until(lambda: "In use" in [state.strip() for _, state, _ in rows(picker)])


def use(picker: Locator, name: str) -> None:
    picker.get_by_label("Another one").fill(name)
    picker.get_by_label("Another one").press("Enter")
    picker.get_by_role("button", name="Use this model").click()


def test_another_folder_is_loaded_and_its_scenes_are_stale(picker: Locator, page: Page, tmp_path: Path) -> None:
    other = shutil.copytree(EMBEDDED, tmp_path / "my-model")
    config = other / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + "\n")  # another model, by its files
    expect(page.locator("article[data-state=fresh]")).to_have_count(5)
    use(picker, str(other))
    expect(page.get_by_role("button", name="Model: my-model")).to_be_visible()
    expect(picker.locator(".model-status [role=status]")).to_be_hidden()
    expect(page.locator("article[data-state=fresh]")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_no_word_of_the_list_is_broken(visit: Callable[..., Visitor], width: int) -> None:
    visitor = visit(viewport={"width": width, "height": 844}, has_touch=True, is_mobile=True)
    page = visitor.open(visitor.new_story("A cat."))
    page.locator(".topbar button.model").click()
    listed = page.get_by_role("dialog", name="Model").locator(".model-list")
    expect(listed.get_by_text("CogVideoX 2B", exact=True)).to_be_visible()
    assert not listed.locator(".virtual-row").evaluate_all(BROKEN)
    visitor.leave()
