"""What if: the same seed without history or without a word, what differs; the sheet of guidance weights."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.test_panel import captions, in_step
from tests.browser.visitor import Visitor, card, tab, until

LIGHT = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let most = 0;
  for (let i = 0; i < data.length; i += 4) most = Math.max(most, data[i]);
  return most;
}"""


def result(panel: Locator, label: str) -> Locator:
    """A trial beside the take, once it is rendered."""
    found = panel.locator(".pair")
    expect(found.locator("figcaption").nth(1)).to_have_text(label)
    expect(found).to_be_visible()
    expect(found.locator("figcaption").first).to_have_text("As it is")
    return found


def test_without_history(guest: Visitor, page: Page) -> None:
    panel = tab(page, "whatif", 3)
    panel.get_by_role("button", name="Without any history").click()
    pair = result(panel, "Without any history")
    in_step(pair)
    expect(pair.locator("figcaption").nth(2)).to_have_text(re.compile(r"Difference (?!0\.0%)\d+\.\d%"))
    difference = pair.get_by_role("img", name=re.compile("What differs"))
    expect(difference).to_be_visible()
    before = until(lambda: difference.evaluate(LIGHT))
    pair.get_by_role("slider", name="Amplify the difference").fill("12")
    assert before <= difference.evaluate(LIGHT) <= 255
    expect(captions(tab(page, "takes"))).to_have_count(1)  # a trial is no take
    assert not guest.jobs(guest.opened[-1])


def test_without_one_word_and_back_to_an_earlier_trial(page: Page) -> None:
    panel = tab(page, "whatif", 5)
    for name in ("Without “Mia in a red coat” of scene 1", "Without “desert” of scene 2"):
        expect(panel.locator(".chips").get_by_role("button", name=name)).to_be_visible()
    panel.get_by_role("button", name="Without “Mia in a red coat” of scene 1").click()
    result(panel, "Without “Mia in a red coat” of scene 1")
    panel.get_by_role("button", name="Without any history").click()
    result(panel, "Without any history")
    panel.get_by_role("radio", name="without “Mia in a red coat” of scene 1").check()
    result(panel, "Without “Mia in a red coat” of scene 1")
    tab(page, "whatif", 2)
    result(tab(page, "whatif", 5), "Without “Mia in a red coat” of scene 1")


def test_a_scene_without_a_take_or_a_past_says_so(guest: Visitor, page: Page) -> None:
    panel = tab(page, "whatif", 1)
    expect(panel.get_by_role("button", name="Without any history")).to_be_disabled()
    expect(panel).to_contain_text("This scene remembers nothing, so there is nothing to take away.")
    guest.edit(guest.opened[-1], "add_scene", index=1, fields={"prompt": "A cat is waving on the beach."})
    expect(page.locator(".slot")).to_have_count(6)
    expect(tab(page, "whatif", 2)).to_contain_text("Render the scene first.")


def pick(panel: Locator, axis: str, *values: str) -> None:
    """Leaves exactly these values of a weight chosen."""
    group = panel.get_by_role("group", name=axis)
    expect(group).to_be_visible()
    for box in group.locator("label").all():
        box.locator("input").set_checked(box.inner_text().strip() in values)


def cells(panel: Locator) -> Locator:
    return panel.locator(".cells button.thumbnail-item")


def test_the_sheet_and_taking_a_cells_settings(guest: Visitor, page: Page) -> None:
    panel = tab(page, "whatif", 3)
    pick(panel, "Text guidance (w1)", "2", "6")
    pick(panel, "History guidance (w2)", "0")
    panel.get_by_role("button", name="Render the sheet").click()
    expect(cells(panel)).to_have_count(2)
    scores = re.compile(r"w1 \d · w2 0.*: prompt \d\.\d\d, consistency \d\.\d\d, motion \d\.\d\d")
    expect(cells(panel)).to_have_text([scores, scores], timeout=240_000)
    for cell in cells(panel).all():
        until(lambda cell=cell: cell.locator("img").evaluate("image => image.naturalWidth > 0"))
    expect(cells(panel)).to_have_text([re.compile("w1 2 "), re.compile("w1 6 ")])
    cells(panel).nth(1).click()
    expect(cells(panel).nth(1)).to_contain_text("in use")
    until(lambda: guest.story(guest.opened[-1])["scenes"][2]["guidance"]["text"] == 6)
    settings = tab(page, "scene")
    expect(settings.get_by_role("slider", name="range slider for Text guidance")).to_have_value("6")
    expect(settings.get_by_role("slider", name="range slider for History guidance")).to_have_value("0")
    expect(card(page, 3).locator(".badge").first).to_have_text("Stale")


def test_trials_are_there_after_a_reload(guest: Visitor, page: Page) -> None:
    panel = tab(page, "whatif", 5)
    panel.get_by_role("button", name="Without “desert” of scene 2").click()
    result(panel, "Without “desert” of scene 2")
    pick(panel, "Text guidance (w1)", "2", "6")
    pick(panel, "History guidance (w2)", "0")
    panel.get_by_role("button", name="Render the sheet").click()
    expect(cells(panel)).to_have_count(2)
    guest.reload()
    panel = tab(page, "whatif", 5)
    result(panel, "Without “desert” of scene 2")
    expect(cells(panel)).to_have_text([re.compile("w1 2.*motion"), re.compile("w1 6.*motion")], timeout=60_000)
    guest.call("duplicate_story", story=guest.opened[-1])
    copy = guest.call("stories")["stories"][0]
    panel = tab(guest.open(guest.story(copy["id"])), "whatif", 5)
    expect(panel.get_by_role("button", name="Without “desert” of scene 2")).to_be_enabled()
    expect(panel.locator(".pair")).to_be_hidden()


def test_a_sheet_can_be_cancelled(guest: Visitor, page: Page) -> None:
    panel = tab(page, "whatif", 3)
    panel.get_by_role("button", name="Render the sheet").click()
    panel.get_by_role("button", name="Without any history").click()
    panel.get_by_role("button", name="Cancel the sheet").click()
    expect(panel.get_by_role("button", name="Cancel the sheet")).to_be_hidden()
    expect(cells(panel).filter(has_text="cancelled").first).to_be_visible()
    expect(panel.get_by_role("button", name="Render the sheet")).to_be_enabled()
    result(panel, "Without any history")  # which was not cancelled
