"""The shelf of stories: new, duplicate, delete, import, export, samples; two windows on one story."""

import re
import secrets

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.visitor import CAST, Visitor, card, expect_prompts, ready, saved, until
from tests.paths import ROOT

SAMPLES = ROOT / "assets" / "stories"


def shelf(page: Page) -> Locator:
    page.get_by_role("button", name="Stories").click()
    dialog = page.get_by_role("dialog", name="Stories")
    expect(dialog).to_be_visible()
    return dialog


def own(dialog: Locator) -> Locator:
    return dialog.locator(".shelf-list.stories button.thumbnail-item")


def test_the_first_visit_shows_a_story(visitor: Visitor) -> None:
    visitor.page.goto(visitor.server.url)
    if any(SAMPLES.glob("*.zip")):
        expect(card(visitor.page, 1)).to_have_attribute("data-state", "fresh")
    else:
        expect(visitor.page.get_by_role("heading", name="An empty board")).to_be_visible()


def test_a_new_story_from_lines(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    dialog = shelf(page)
    dialog.get_by_role("button", name="New story").click()
    dialog.get_by_label("Title").fill("Two friends")
    dialog.get_by_label("Scenes").fill(f"{CAST[0]}\n\n  {CAST[1]}  \n")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("textbox", name="Title of the story")).to_have_value("Two friends")
    expect(page).to_have_title("Two friends · Throughline")
    expect_prompts(page, *CAST[:2])
    page.reload()
    expect_prompts(page, *CAST[:2])


def test_the_title_is_edited_in_place(guest: Visitor) -> None:
    story = guest.new_story("A", title="Before")
    page = guest.open(story)
    title = page.get_by_role("textbox", name="Title of the story")
    title.fill("After")
    title.press("Enter")
    saved(page)
    expect(own(shelf(page)).first).to_contain_text("After")
    page.keyboard.press("Escape")
    assert guest.story(story["id"])["title"] == "After"


def test_what_is_told_of_a_story_goes_with_it(guest: Visitor) -> None:
    other = guest.new_story("A", title="Other")
    page = guest.open(guest.new_story("B", "C"))
    card(page, 1).get_by_role("button", name="Delete scene 1").click()
    expect(page.locator(".toast")).to_have_text(re.compile("Scene 1 deleted"))
    guest.open(other)
    expect(page.locator(".toast")).to_have_count(0)


def test_pictures_duplicates_and_deleting(guest: Visitor, page: Page) -> None:
    dialog = shelf(page)
    expect(own(dialog).first).to_contain_text("5 scenes")
    count = own(dialog).count()
    until(lambda: own(dialog).first.locator("img").evaluate("image => image.naturalWidth > 0"))
    dialog.get_by_role("button", name="Duplicate").click()
    expect(own(dialog)).to_have_count(count + 1)
    expect(own(dialog).first).to_contain_text("Test (copy)")
    own(dialog).first.click()
    expect(page.get_by_role("textbox", name="Title of the story")).to_have_value("Test (copy)")
    expect(card(page, 5)).to_have_attribute("data-state", "fresh")
    dialog = shelf(page)
    expect(dialog.get_by_label("Story", exact=True)).to_have_value("Test (copy)")
    dialog.get_by_role("button", name="Delete").click()
    expect(own(dialog)).to_have_count(count)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(own(dialog)).to_have_count(count + 1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox", name="Title of the story")).to_have_value("Test (copy)")


def test_export_from_the_shelf_and_refused_archives(page: Page) -> None:
    dialog = shelf(page)
    with page.expect_download(timeout=60_000) as coming:
        dialog.get_by_role("button", name="Export").click()
    assert coming.value.suggested_filename.endswith(".zip")
    file = {"name": "no.zip", "mimeType": "application/zip", "buffer": b"no archive"}
    dialog.locator("input[type=file]").set_input_files(files=[file])
    expect(page.locator(".toast[data-kind=error]")).to_contain_text("expected a file that Throughline exported")
    page.keyboard.press("Escape")


@pytest.mark.skipif(not any(SAMPLES.glob("*.zip")), reason="no sample stories yet")
def test_samples_open_already_rendered(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    dialog = shelf(page)
    samples = dialog.locator(".shelf-list.samples button.thumbnail-item")
    expect(samples.first).to_be_visible()
    for sample in samples.all():
        until(lambda sample=sample: sample.locator("img").evaluate("image => image.naturalWidth") > 0)
        expect(sample).to_contain_text(re.compile(r"\d scenes"))
    places = [sample.bounding_box() for sample in samples.all()]
    assert all(places) and len({round(place["y"]) for place in places if place}) == 1, "they stand side by side"
    samples.first.click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".slot").nth(1)).to_be_visible()
    expect(page.locator(".plan-line")).to_have_text("Every scene is fresh.")


# --- two windows on one story ---


def test_edits_of_two_windows_meet(visitor: Visitor) -> None:
    story = visitor.new_story(*CAST[:3])
    one = visitor.open(story)
    other = visitor.new_page()
    other.goto(visitor.server.url)
    ready(other)
    expect_prompts(other, *CAST[:3])
    card(one, 1).locator(".prompt").fill("One.")
    card(other, 2).locator(".prompt").fill("Two.")
    for page in (one, other):
        page.keyboard.press("Escape")
        expect_prompts(page, "One.", "Two.", CAST[2])
    assert one.locator(".toast").count() == other.locator(".toast").count() == 0


def test_neither_of_two_windows_loses_an_edit_silently(visitor: Visitor) -> None:
    story = visitor.new_story(CAST[0])
    one = visitor.open(story)
    other = visitor.new_page()
    other.goto(visitor.server.url)
    ready(other)
    mine, theirs = (card(page, 1).locator(".prompt") for page in (one, other))
    mine.focus()
    theirs.fill("Theirs.")
    theirs.press("Escape")
    saved(other)
    mine.press("End")
    mine.press_sequentially(" Mine.")
    expect(one.locator(".toast").first).to_contain_text(re.compile("in another window"))
    mine.press("Escape")
    saved(one)
    expect(theirs).to_have_value(CAST[0] + " Mine.")
    one.get_by_role("button", name=re.compile("^Undo")).first.click()
    expect(mine).to_have_value("Theirs.")
    expect(theirs).to_have_value("Theirs.")


SCRIPT = """INT. KITCHEN - DAY

MIA pours the tea.

WIPE TO:

EXT. BEACH - NIGHT

MIA runs into the sea.
"""


def test_a_script_of_plain_text_says_what_it_became(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    words = f"INT. KITCHEN - DAY\n\nMia is jumping.\n\nMIA\nLook!\n\n{SCRIPT[SCRIPT.index('EXT. BEACH') :]}"
    file = {"name": "tale.txt", "mimeType": "text/plain", "buffer": words.encode()}
    shelf(page).locator("input[type=file]").set_input_files(files=[file])
    expect(page.locator(".slot")).to_have_count(2)
    told = page.locator(".toast", has_text="The script is 2 scenes now.")
    expect(told).to_contain_text("Cast proposes 1 name of the script.")


def test_what_of_a_script_is_in_no_scene_is_listed(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    dialog = shelf(page)
    file = {"name": "tea.fountain", "mimeType": "text/plain", "buffer": SCRIPT.encode()}
    dialog.locator("input[type=file]").set_input_files(files=[file])
    expect(dialog).to_be_hidden()
    expect(page.locator(".slot")).to_have_count(2)
    expect(page.locator(".toast", has_text="of tea.fountain in no scene")).to_be_visible()
    dialog = shelf(page)
    dialog.get_by_role("button", name="Of tea.fountain in no scene").click()
    expect(dialog.get_by_label("Lines that were not used")).to_have_value(re.compile("WIPE TO:"))
    page.keyboard.press("Escape")


def test_a_page_takes_the_owner_that_a_shell_has(visitor: Visitor) -> None:
    visitor.owner = f"Any-secret_{secrets.token_hex(4)}"
    visitor.context.add_init_script(f"localStorage.setItem('throughline-owner', '{visitor.owner}')")
    visitor.open(visitor.new_story(CAST[0]))
    assert visitor.page.evaluate("localStorage.getItem('throughline-owner')") == visitor.owner
