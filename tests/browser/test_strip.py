"""The strip: cards and what they say, writing in place, adding, duplicating, deleting."""

import base64
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import CAST, FEW, LONG, Visitor, card, expect_prompts, ready, saved, until
from tests.soak.scrolling import SCROLL, metrics


def badge(page: Page, number: int, words: str) -> None:
    expect(card(page, number).locator(".badge").first).to_have_text(words)


def test_cards_show_number_preview_prompt_and_badge(shown: Page) -> None:
    expect_prompts(shown, *CAST)
    for number in range(1, len(CAST) + 1):
        expect(card(shown, number).locator(".number")).to_have_text(str(number))
        badge(shown, number, "Fresh")
        image = card(shown, number).locator(".shot img")
        image.scroll_into_view_if_needed()
        until(lambda image=image: image.evaluate("image => image.complete && image.naturalWidth > 0"))
    expect(card(shown, 3).locator(".memory")).to_contain_text("Remembers Mia in a red coat of 1")


def test_previews_move_and_loop(shown: Page) -> None:
    source = card(shown, 1).locator(".shot img").evaluate("image => image.src")
    reply = shown.request.get(source)
    assert reply.headers["content-type"] == "image/webp"
    body = reply.body()
    start = body.index(b"ANIM") + 8  # size, then background (4 bytes), then how often it plays; 0 is for ever
    assert int.from_bytes(body[start + 4 : start + 6], "little") == 0 and body.count(b"ANMF") > 1


def test_what_moves_can_be_paused(page: Page) -> None:
    image, switch = card(page, 1).locator(".shot img"), page.get_by_role("button", name="Pause what moves")
    expect(image).to_have_attribute("src", re.compile(r"\.webp$"))
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(image).to_have_attribute("src", re.compile(r"\.png$"))
    page.reload()
    expect(image).to_have_attribute("src", re.compile(r"\.png$"))
    switch.click()
    expect(image).to_have_attribute("src", re.compile(r"\.webp$"))


def test_what_a_scene_of_a_crowded_story_remembers_is_two_lines_until_asked_for(guest: Visitor) -> None:
    lines = "box => Math.round(box.clientHeight / parseFloat(getComputedStyle(box).lineHeight))"
    page = guest.open(guest.new_story(*(f"Mia in a red coat and a dog in the snow, {n}." for n in range(9))))
    words = card(page, 9).locator(".memory span")
    expect(words).to_contain_text("of 8")
    assert words.evaluate(lines) == 2
    words.click()
    told = page.locator(".side .feeds")
    expect(told).to_contain_text("Remembers")
    assert told.evaluate(lines) == 2
    told.hover()
    until(lambda: told.evaluate(lines) > 2)


def test_writing_in_place_is_saved_and_outlasts_a_reload(guest: Visitor) -> None:
    story = guest.new_story(*CAST)
    page = guest.open(story)
    box = card(page, 2).locator(".prompt")
    box.click()
    box.press("End")
    box.press_sequentially(" It rains.")
    expect(page.locator(".saved")).to_have_text("Saved")
    assert guest.story(story["id"])["scenes"][1]["prompt"] == CAST[1] + " It rains."
    expect(box).to_be_focused()
    page.reload()
    expect(card(page, 2).locator(".prompt")).to_have_value(CAST[1] + " It rains.")


def test_what_is_typed_in_one_go_is_one_step_of_undo(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*CAST[:2]))
    box = card(page, 1).locator(".prompt")
    box.fill("A cat.")
    box.press("End")
    box.press_sequentially(" Asleep.", delay=60)
    box.press("Escape")
    saved(page)
    page.keyboard.press("Control+z")
    expect_prompts(page, *CAST[:2])
    page.keyboard.press("Control+Shift+z")
    expect_prompts(page, "A cat. Asleep.", CAST[1])


def test_a_box_grows_with_its_words(guest: Visitor) -> None:
    page = guest.open(guest.new_story(CAST[0]))
    box = card(page, 1).locator(".prompt")
    box.fill(" ".join(CAST))
    assert box.evaluate("box => box.scrollHeight <= box.clientHeight + 1"), "no words are hidden"


# --- badges ---


def test_badges_of_what_was_never_rendered(guest: Visitor) -> None:
    page = guest.open(guest.new_story("", *CAST[:1]))
    badge(page, 1, "No words yet")
    badge(page, 2, "Not rendered")
    expect(card(page, 1).locator(".render")).to_be_disabled()


def test_badges_stale_waiting_and_locked(page: Page) -> None:
    box = card(page, 1).locator(".prompt")
    box.fill(CAST[0].replace("red", "blue"))
    box.press("Escape")
    badge(page, 1, "Stale")
    expect(card(page, 1).locator(".why")).to_contain_text("prompt")
    badge(page, 2, "Fresh")
    until(lambda: card(page, 3).get_attribute("data-state") in ("stale", "waiting"))
    expect(card(page, 3).locator(".why")).to_contain_text("scene 1")
    card(page, 2).get_by_role("button", name="Lock scene 2").click()
    expect(card(page, 2).locator(".lock-sign")).to_be_visible()
    expect(card(page, 2).locator(".render")).to_be_disabled()
    card(page, 2).get_by_role("button", name="Unlock scene 2").click()
    expect(card(page, 2).locator(".lock-sign")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(card(page, 2).locator(".lock-sign")).to_be_visible()


def test_a_scene_waits_for_one_that_will_change(guest: Visitor, archive: str) -> None:
    story = guest.rendered(archive)
    first = story["scenes"][0]["id"]
    guest.edit(story["id"], "edit_scene", scene=first, changes={"negative_prompt": "snow"})
    page = guest.open(story)
    badge(page, 1, "Stale")
    badge(page, 3, "Waiting for 1")
    expect(card(page, 3).locator(".why")).to_have_text("Waits for scene 1")


def test_badges_queued_and_rendering(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*CAST[:2], **LONG))
    page.get_by_role("button", name="Render 2 scenes").click()
    expect(card(page, 1).locator(".badge").first).to_have_text(re.compile(r"Rendering \d+/400"))
    badge(page, 2, "Queued #1")
    card(page, 2).get_by_role("button", name="Cancel: scene 2").click()
    badge(page, 2, "Not rendered")
    card(page, 1).get_by_role("button", name="Cancel: scene 1").click()
    badge(page, 1, "Not rendered")


def test_badge_failed_and_why(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    guest.edit(story["id"], "edit_story", changes={"width": 100})
    page = guest.open(story)
    card(page, 1).get_by_role("button", name="Render: scene 1").click()
    badge(page, 1, "Failed")
    expect(card(page, 1).locator(".failed")).to_have_text("width is 100: expected a multiple of 24 from 48 to 480")


# --- adding, duplicating, deleting ---


@pytest.mark.parametrize("place", [0, 1, 2])
def test_add_before_any_scene(guest: Visitor, place: int) -> None:
    page = guest.open(guest.new_story("A", "B", "C"))
    slot = page.locator(".slot").nth(place)
    slot.hover()
    slot.get_by_role("button", name=f"Add a scene before scene {place + 1}").click()
    expect(card(page, place + 1).locator(".prompt")).to_be_focused()
    page.keyboard.type("New")
    saved(page)
    wanted = ["A", "B", "C"]
    wanted.insert(place, "New")
    page.reload()
    expect_prompts(page, *wanted)


def test_add_at_the_end_after_and_first(guest: Visitor) -> None:
    page = guest.open(guest.new_story())
    page.get_by_role("button", name="Write the first scene").click()
    page.keyboard.type("A")
    page.get_by_role("button", name="Add a scene", exact=True).click()
    expect(card(page, 2).locator(".prompt")).to_be_focused()
    page.keyboard.type("C")
    card(page, 1).get_by_role("button", name="More for scene 1").click()
    page.get_by_role("menuitem", name="Add a scene after").click()
    expect(card(page, 2).locator(".prompt")).to_be_focused()
    page.keyboard.type("B")
    expect_prompts(page, "A", "B", "C")
    saved(page)
    page.reload()
    expect_prompts(page, "A", "B", "C")


def test_duplicate(page: Page) -> None:
    card(page, 2).get_by_role("button", name="Duplicate scene 2").click()
    expect_prompts(page, *CAST[:2], *CAST[1:])
    badge(page, 3, "Stale")  # with the take of scene 2, which it now remembers
    expect(card(page, 3)).to_be_focused()


DROP = """([selector, content]) => {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], 'mine.mp4', {type: 'video/mp4'}));
  const drop = new DragEvent('drop', {dataTransfer, bubbles: true, cancelable: true});
  document.querySelector(selector).dispatchEvent(drop);
}"""


def test_what_is_dropped_on_the_board_becomes_a_scene(guest: Visitor, page: Page) -> None:
    story = guest.story(guest.opened[-1])
    clip = guest.download(story["scenes"][1]["takes"][0]["clip"])
    page.evaluate(DROP, [f".slot[data-id='{story['scenes'][1]['id']}'] .shot", clip])
    expect_prompts(page, CAST[0], "", *CAST[1:])
    scene = page.locator(".slot").nth(1).get_attribute("data-id")
    until(lambda: any(found["id"] == scene and found["takes"] for found in guest.story(story["id"])["scenes"]))
    assert guest.story(story["id"])["scenes"][1]["takes"][0]["source"] == "imported"
    page.evaluate(DROP, [".slot-add", base64.b64encode(b"no clip").decode()])
    expect(page.locator(".toast[data-kind=error]")).to_contain_text("mine.mp4")
    expect(page.locator(".slot")).to_have_count(6)


def test_delete_and_undo(page: Page) -> None:
    takes = [image.get_attribute("src") for image in page.locator(".shot img").all()]
    card(page, 3).get_by_role("button", name="Delete scene 3").click()
    expect_prompts(page, *CAST[:2], *CAST[3:])
    saved(page)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect_prompts(page, *CAST)
    expect(page.locator(".toast")).to_have_count(0)
    assert [image.get_attribute("src") for image in page.locator(".shot img").all()] == takes
    page.reload()
    expect_prompts(page, *CAST)


def test_the_offer_to_undo_is_about_the_last_edit_alone(page: Page) -> None:
    card(page, 3).get_by_role("button", name="Delete scene 3").click()
    expect(page.locator(".toast-undo")).to_be_visible()
    card(page, 1).get_by_role("button", name="Lock scene 1").click()
    expect(page.locator(".toast-undo")).to_have_count(0)


def test_deleting_all_leaves_an_empty_board(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    card(page, 1).get_by_role("button", name="Delete scene 1").click()
    expect(page.get_by_role("heading", name="An empty board")).to_be_visible()
    expect(page.locator(".plan-line")).to_have_text("Nothing to render yet.")
    page.get_by_role("button", name="Undo").first.click()
    expect_prompts(page, "A")


def test_undo_goes_back_over_a_restart_of_the_page(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    for text in ("B", "C"):
        card(page, 1).locator(".prompt").fill(text)
        card(page, 1).locator(".prompt").press("Escape")
        saved(page)
    page.reload()
    ready(page)
    for text in ("B", "A"):
        page.get_by_role("button", name="Undo: prompt").click()
        expect_prompts(page, text)
    for text in ("B", "C"):
        page.get_by_role("button", name="Redo: prompt").click()
        expect_prompts(page, text)


# --- a hundred scenes ---

# How long it takes is measured by tests.soak.scrolling; here is what would make it long.


def test_scrolling_over_a_hundred_scenes_lays_each_frame_out_once_and_builds_nothing(
    guest: Visitor, archive: str
) -> None:
    story = guest.rendered(archive)
    for number in range(5, 100):
        guest.edit(story["id"], "add_scene", index=number, fields={"prompt": f"{CAST[number % 5]} Part {number}."})
    page = guest.open(story)
    expect(page.locator(".slot")).to_have_count(100)
    session = guest.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = metrics(session)
    page.evaluate(WATCH_CARDS)
    result = page.evaluate(SCROLL)
    after = metrics(session)
    assert result["goal"] > 3000 and result["frames"] > 20, result
    for count in ("LayoutCount", "RecalcStyleCount"):
        assert after[count] - before[count] <= 2 * result["frames"], f"{count} in {result['frames']} frames"
    assert page.evaluate("window.builtCards") == 0


WATCH_CARDS = """() => {
  window.builtCards = 0;
  const watch = new MutationObserver(changes => { window.builtCards += changes.length; });
  watch.observe(document.querySelector('.cards'), {childList: true, subtree: true});
}"""
