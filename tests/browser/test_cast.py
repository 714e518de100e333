"""The Cast dialog, names on cards, and names that are offered while a prompt is typed."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.adapters.teaching import USUAL
from tests.browser.visitor import Visitor, card, expect_prompts, saved, tab, until

SLOW = 120_000  # milliseconds: a teaching draws what the model knows of others before its first step
NAME = re.compile("^Name")  # what is said under it is part of its label
SCRIPT = b"""INT. HARBOUR - DAY

MIA waits for the boat.

MIA
Where is Tom?

INT. HARBOUR - NIGHT

TOM waves to Mia.

TOM
Here!
"""
PICTURE = """iVBORw0KGgoAAAANSUhEUgAAAEgAAAAwCAIAAAA9/qu8AAAAV0lEQVR4nO3PAQ3AIADAMEANIvAfZF3F8+xpFWzznj3+aH0d8BZj
NcZqjNUYqzFWY6zGWI2xGmM1xmqM1RirMVZjrMZYjbEaYzXGaozVGKsxVmOsxljNA3lxAYw2vTavAAAAAElFTkSuQmCC"""

DROP = """([selector, content, name, type]) => {
  const dataTransfer = new DataTransfer(), bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  if (type === 'text/uri-list') dataTransfer.setData(type, name);
  else dataTransfer.items.add(new File([bytes], name, {type}));
  for (const kind of ['dragover', 'drop']) {
    const event = new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true});
    document.querySelector(selector).dispatchEvent(event);
  }
}"""


@pytest.fixture(scope="module")
def story(guest: Visitor) -> dict[str, Any]:
    return guest.new_story("Mia runs to Tom.", "The girl sleeps.", "Tom and Mia sing.", title="Cast")


@pytest.fixture
def cast(guest: Visitor, story: dict[str, Any]) -> Iterator[Locator]:
    yield opened(guest.open(story))


def opened(page: Page) -> Locator:
    page.get_by_role("button", name="Cast", exact=True).click()
    cast = page.locator("#over-Cast")
    expect(cast.get_by_label("Somebody new")).to_be_visible()
    return cast


def entries(guest: Visitor, story: dict[str, Any]) -> list[dict[str, Any]]:
    return list(guest.story(story["id"])["cast"])


def test_somebody_new_is_named_drawn_renamed_and_deleted(guest: Visitor, story: dict[str, Any], cast: Locator) -> None:
    page, name = guest.page, cast.get_by_role("textbox", name=NAME)
    add(cast, "Mia")
    expect(name).to_have_value("Mia")
    expect(cast.locator(".cast-list")).to_contain_text("scenes 1, 3")
    words = cast.get_by_label("What it looks like")
    words.press_sequentially("a girl in a red coat")
    cast.get_by_label("Other names").fill("the girl")
    cast.get_by_label("Other names").press("Enter")
    cast.get_by_label("Other looks").fill("wet: in a dripping coat")
    cast.get_by_label("Other looks").blur()
    until(lambda: entries(guest, story)[0]["states"] and entries(guest, story)[0]["words"] == "a girl in a red coat")
    assert entries(guest, story)[0]["others"] == ["the girl"]
    expect(words).to_have_value("a girl in a red coat")
    with page.expect_file_chooser() as chooser:
        cast.get_by_role("button", name="Add a picture").click()
    chooser.value.set_files({"name": "mia.png", "mimeType": "image/png", "buffer": base64.b64decode(PICTURE)})
    expect(cast.get_by_label("What it shows")).to_be_visible()
    assert entries(guest, story)[0]["pictures"][0]["source"]
    name.fill("Nora")
    name.press("Enter")
    until(lambda: entries(guest, story)[0]["name"] == "Nora")
    page.keyboard.press("Escape")
    expect_prompts(page, "Nora runs to Tom.", "The girl sleeps.", "Tom and Nora sing.")
    expect(card(page, 1).locator(".who li")).to_have_text(["Nora", "Tom"])
    expect(card(page, 2).locator(".who li")).to_have_text(["the girl"])
    expect(card(page, 1).locator(".who [data-cast]")).to_have_text(["Nora"])
    opened(page).get_by_role("button", name="Delete", exact=True).click()
    until(lambda: not entries(guest, story))
    page.locator(".toast-undo").click()
    until(lambda: entries(guest, story))


def test_an_entry_is_merged_and_its_look_chosen_for_a_scene(
    guest: Visitor, story: dict[str, Any], cast: Locator
) -> None:
    add(cast, "Tom")
    expect(cast.get_by_role("textbox", name=NAME)).to_have_value("Tom")
    cast.get_by_role("button", name="How it looks").click()
    cast.get_by_label("In", exact=True).click()
    guest.page.get_by_role("option", name="Scene 3").click()
    expect(cast.get_by_role("radio", name="As the story says")).to_be_checked()  # as scenes are, not the whole story
    cast.get_by_role("radio", name="As last seen").check()
    until(lambda: guest.story(story["id"])["scenes"][2]["cast_choices"])
    expect(cast.locator(".chips button").last).to_have_text("Scene 3 · as last seen")
    cast.get_by_label("Is the same as").click()
    guest.page.get_by_role("option", name="Nora").click()
    cast.get_by_role("button", name="Merge").click()
    until(lambda: [entry["name"] for entry in entries(guest, story)] == ["Nora"])
    expect(cast.get_by_role("textbox", name=NAME)).to_have_value("Nora")
    cast.locator(".chips button", has_text="Scene 3").click()
    expect(guest.page.locator(".side h2")).to_have_text("Scene 3")
    expect(cast).to_be_hidden()


def test_what_is_refused_stays_in_its_field_with_the_reason(guest: Visitor) -> None:
    story = guest.new_story("Mia runs to Tom.", title="Refused")
    for name in ("Mia", "Tom"):
        guest.edit(story["id"], "cast_add", name=name)
    cast = opened(guest.open(story))
    name, others = cast.get_by_role("textbox", name=NAME), cast.get_by_label("Other names")
    refused = cast.locator("[data-kind=alarm]:visible")
    name.fill("Tom")
    others.fill("x" * 201)
    others.press("Enter")
    expect(refused).to_have_count(2)
    expect(refused.first).to_contain_text("'Tom'")
    expect(refused.last).to_contain_text("at most 200")
    guest.edit(story["id"], "edit_story", changes={"title": "Still refused"})
    expect(guest.page.get_by_label("Title of the story")).to_have_value("Still refused")
    expect(name).to_have_value("Tom")
    cast.locator(".cast-list button.thumbnail-item").last.click()
    expect(others).to_have_value("")
    expect(refused).to_have_count(0)
    cast.locator(".cast-list button.thumbnail-item").first.click()
    expect(others).to_have_value("x" * 201)
    guest.reload()
    cast = opened(guest.page)
    expect(name).to_have_value("Tom")
    expect(refused).to_have_count(2)
    name.fill("Tomma")
    others.fill("")
    others.press("Enter")
    expect(refused).to_have_count(0)
    until(lambda: [entry["name"] for entry in entries(guest, story)] == ["Tomma", "Tom"])


def test_an_entry_is_taught_cancelled_and_goes_on(guest: Visitor) -> None:
    story = guest.new_story("Mia waves.", title="Taught")
    guest.edit(story["id"], "cast_add", name="Mia", entry_id="mia0")
    guest.call("cast_picture", story=story["id"], entry="mia0", data=PICTURE, caption="Mia runs.")
    cast = opened(guest.open(story))
    teach, line = cast.get_by_role("button", name="Teach", exact=True), cast.locator(".making-line .words-line")
    expect(teach).to_be_disabled()
    expect(line).to_contain_text("has 1 picture: expected 3 to 8 to teach")
    for says in ("Mia sleeps.", "A girl sings."):
        guest.call("cast_picture", story=story["id"], entry="mia0", data=PICTURE, caption=says)
    expect(line).to_contain_text("does not name 'Mia'")
    cast.locator(".shots button.thumbnail-item").last.click()
    caption = cast.get_by_label("What it shows")
    expect(caption).to_have_value("A girl sings.")
    caption.fill("Mia sings.")
    caption.blur()
    teach.click()
    expect(line).to_have_text(re.compile(rf"^Step \d+ of {USUAL.steps}"), timeout=SLOW)
    cast.get_by_role("button", name="Cancel").click()
    expect(line).to_contain_text("goes on where it stopped", timeout=SLOW)
    cast.get_by_role("button", name="Go on").click()
    expect(line).to_have_text(re.compile("^(Starting|Step)"), timeout=SLOW)
    guest.call("cast_teach_cancel", story=story["id"], entry="mia0")
    expect(cast.get_by_role("button", name="Go on")).to_be_visible(timeout=SLOW)


def test_how_an_entry_holds_is_measured_where_asked_for(guest: Visitor) -> None:
    story = guest.call("open_sample", name="mia-and-the-robot")["story"]
    guest.edit(story["id"], "cast_add", name="Mia", entry_id="mia0")
    cast = opened(guest.open(story))
    line, plot = cast.locator(".holds .words-line"), cast.locator(".entry-line")
    expect(line).to_have_text("It has no picture yet to hold scenes against.")
    guest.call("cast_keep", story=story["id"], scene=story["scenes"][0]["id"], entry="mia0")
    expect(line).to_have_text("Not measured yet.")
    expect(plot).to_be_hidden()
    measure = cast.get_by_role("button", name="Measure")
    measure.click()
    expect(line).to_have_text(re.compile(r"^\d+% as in its picture on average: scene 1 \d+%, scene "), timeout=SLOW)
    expect(plot.locator("canvas, svg").first).to_be_visible()
    expect(measure).to_be_hidden()
    guest.reload()
    expect(opened(guest.page).locator(".holds .words-line")).to_contain_text("% as in its picture on average")


def test_a_picture_is_dropped_on_a_name_and_on_a_card(guest: Visitor, archive: str) -> None:
    story = guest.rendered(archive)
    page = guest.open(story)
    expect(card(page, 1).locator(".who li").first).to_have_text("Mia")
    page.evaluate(DROP, [".who li", PICTURE, "mia.png", "image/png"])
    until(lambda: [one["name"] for one in entries(guest, story)] == ["Mia"])
    expect(card(page, 1).locator(".who [data-cast]")).to_have_text(["Mia"])
    assert entries(guest, story)[0]["pictures"][0]["source"] == "mia.png"
    expect(page.locator(".slot")).to_have_count(len(story["scenes"]))
    page.locator(".toast-undo").click()
    until(lambda: not entries(guest, story))
    guest.edit(story["id"], "cast_add", name="robot")
    guest.edit(story["id"], "cast_add", name="Mia")
    cast, still = opened(page), page.url + story["scenes"][0]["takes"][0]["keyframe"]
    expect(cast.locator(".cast-list .thumbnail-item")).to_have_count(2)
    page.evaluate(DROP, [".cast-list .gallery-item:last-child .thumbnail-item", "", still, "text/uri-list"])
    until(lambda: [len(one["pictures"]) for one in entries(guest, story)] == [0, 1])
    expect(cast.locator(".cast-list .thumbnail-item").last).not_to_contain_text("no picture yet")
    page.evaluate(DROP, [".cast-list .thumbnail-item", PICTURE, "notes.txt", "text/plain"])
    expect(page.locator(".toast[data-kind=error]")).to_have_text(re.compile("For robot: expected a picture"))


def test_a_take_is_dragged_onto_a_name_with_the_mouse(guest: Visitor, archive: str) -> None:
    story = guest.rendered(archive)
    page = guest.open(story)
    still = tab(page, "takes", 1).locator("img").first
    still.drag_to(card(page, 1).locator(".who li").first)
    until(lambda: [one["name"] for one in entries(guest, story)] == ["Mia"])
    assert len(entries(guest, story)[0]["pictures"]) == 1
    expect(page.locator(".slot")).to_have_count(len(story["scenes"]))


def test_a_script_proposes_its_people(guest: Visitor) -> None:
    made = guest.call("import_story", data=base64.b64encode(SCRIPT).decode(), name="boat.fountain")["story"]
    cast = opened(guest.open(made))
    proposed = cast.locator(".chips button")
    expect(proposed.first).to_have_text(re.compile(" · "))
    name = proposed.first.inner_text().partition(" · ")[0]
    proposed.first.click()
    until(lambda: [entry["name"] for entry in entries(guest, made)] == [name])
    expect(cast.get_by_role("textbox", name=NAME)).to_have_value(name)
    assert entries(guest, made)[0]["kind"] == "person"


def test_names_are_offered_while_a_prompt_is_typed(guest: Visitor) -> None:
    story = guest.new_story("Mia runs.", "", title="Names")
    page = guest.open(guest.edit(story["id"], "cast_add", name="Milo"))
    prompt, names = card(page, 2).locator(".prompt"), page.locator(".names [role=option]")
    prompt.click()
    page.keyboard.type("The Mi")
    expect(names).to_have_text(["Milo", "Mia"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(prompt).to_have_value("The Mia")
    expect(prompt).to_be_focused()
    expect(names).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(prompt).not_to_have_value("The Mia")  # how much of what was typed goes with it is the browser's affair
    prompt.fill("The Mi")
    page.keyboard.type("l")
    expect(names).to_have_text(["Milo"])
    page.keyboard.press("Escape")
    expect(names).to_have_count(0)
    page.keyboard.type("k sleeps")
    expect(prompt).to_have_value("The Milk sleeps")
    saved(page)
    until(lambda: guest.story(story["id"])["scenes"][1]["prompt"] == "The Milk sleeps")


def test_nothing_is_offered_while_an_input_method_composes(guest: Visitor) -> None:
    story = guest.new_story("Mia runs.", "", title="Composed")
    page = guest.open(story)
    prompt = card(page, 2).locator(".prompt")
    prompt.click()
    client = page.context.new_cdp_session(page)
    client.send("Input.imeSetComposition", {"text": "Mi", "selectionStart": 2, "selectionEnd": 2})
    expect(prompt).to_have_value("Mi")
    expect(page.locator(".names")).to_have_count(0)
    client.send("Input.insertText", {"text": "Milan"})
    expect(prompt).to_have_value("Milan")
    expect(page.locator(".names")).to_have_count(0)


def add(cast: Locator, name: str) -> None:
    box = cast.get_by_label("Somebody new")
    box.fill(name)
    box.press("Enter")
    expect(box).to_have_value("")


# --- whom the model casts ---------------------------------------------------------------------------------------------


def test_the_model_casts_whom_nobody_describes(guest: Visitor) -> None:
    prompts = "Mia runs.", "A ginger cat and a grey cat sleep.", "Mia waves to the cat."  # whom was spoken of last
    story = guest.new_story(*prompts, title="By the model", casting=True)
    page = guest.open(story)
    cast = opened(page)
    pictures = cast.locator(".cast-list:visible button.thumbnail-item")
    expect(cast.get_by_text("Mia · 2 scenes")).to_be_visible()
    expect(cast.get_by_text("ginger cat · 1 scene")).to_be_visible()
    expect(cast.get_by_text("grey cat · 2 scenes")).to_be_visible()
    pictures.nth(2).click()
    expect(cast.get_by_role("button", name="Keep the grey cat in the cast")).to_be_visible()
    before = pictures.first.locator("img").get_attribute("src")
    pictures.first.click()
    cast.get_by_role("button", name="Somebody else for Mia").click()
    until(lambda: pictures.first.locator("img").get_attribute("src") != before)
    cast.get_by_role("button", name="Keep Mia in the cast").click()
    expect(cast.get_by_role("textbox", name=NAME)).to_have_value("Mia")
    expect(cast.get_by_text("Mia · 2 scenes")).to_be_hidden()
    expect(cast.get_by_role("button", name="Keep Mia in the cast")).to_be_hidden()
    expect(cast.locator(".cast-list button.selected")).to_have_text([re.compile("Mia")])  # an entry
    cast.get_by_label("Cast whom nobody describes").uncheck()
    expect(cast.get_by_text("ginger cat · 1 scene")).to_be_hidden()
    saved(page)
    now = guest.story(story["id"])
    assert [entry["name"] for entry in now["cast"]] == ["Mia"] and now["casting"]["on"] is False


def test_a_casting_is_among_what_a_scene_remembers(guest: Visitor) -> None:
    story = guest.new_story("Mia runs.", "A grey cat sleeps.", title="Remembered", casting=True)
    memory = tab(guest.open(story), "remembers", 1)
    expect(memory.locator(".past p.words")).to_have_text(["Mia is here."])
    expect(memory.locator(".past img").first).to_have_js_property("naturalWidth", 144)


def test_a_first_scene_shows_that_it_remembers_its_picture(guest: Visitor) -> None:
    story = guest.new_story("Mia runs on the beach.", "A grey cat sleeps.", title="Begun", casting=True)
    first, second = (scene["id"] for scene in story["scenes"])
    guest.render(story["id"])
    guest.call("scene_picture_of_take", story=story["id"], scene=first, which="first", source=second)
    memory = tab(guest.open(story), "remembers", 1)
    expect(memory.locator(".past b")).to_have_text(["Its first picture"])
    expect(memory.locator(".past .word.kept")).to_have_text(["Mia", "runs", "beach"])
    expect(memory).to_contain_text("Keeps 3 words of its first picture")
