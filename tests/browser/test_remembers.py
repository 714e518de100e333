"""Remembers: what a scene keeps of its past and why, overruling it, the threshold, heat maps, the diagram."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.visitor import CAST, Visitor, card, saved, tab, until


def word(memory: Locator, scene: int, text: str) -> Locator:
    """A word of a past scene."""
    past = memory.locator(".past", has=memory.page.get_by_text(f"Scene {scene}", exact=True))
    return past.locator("[role=button].word").filter(has_text=re.compile(f"^{text}$"))


def kind(memory: Locator, scene: int, text: str, wanted: str) -> None:
    expect(word(memory, scene, text).first).to_have_class(re.compile(rf"\b{wanted}\b"))


def tip(page: Page) -> Locator:
    return page.get_by_role("tooltip")


def test_every_past_prompt_is_there_with_its_marks(shown: Page) -> None:
    memory = tab(shown, "remembers", 5)
    expect(memory.locator(".past p.words")).to_have_text(list(CAST[:4]))
    expect(memory.locator(".past .thumb img")).to_have_count(4)
    for scene, text in ((1, "Mia"), (1, "coat"), (2, "robot"), (2, "desert")):
        kind(memory, scene, text, "kept")
    for scene, text in ((1, "playground"), (3, "snow")):
        kind(memory, scene, text, "dropped")
    expect(memory.locator(".summary .words-line")).to_have_text(
        re.compile(r"Remembers \d+ words of 4 of 4 earlier scenes")
    )
    strength_of = "words => words.map(word => word.style.getPropertyValue('--score'))"
    strengths = memory.locator(".past .word.kept").evaluate_all(strength_of)
    assert all(0 <= float(strength) <= 1 for strength in strengths)


def test_why_by_hover_and_by_keyboard(shown: Page) -> None:
    memory = tab(shown, "remembers", 3)
    word(memory, 1, "Mia").hover()
    expect(tip(shown)).to_have_text(re.compile("^Kept: .*“Mia”"))
    word(memory, 1, "playground").hover()
    expect(tip(shown)).to_have_text(re.compile("^Dropped: "))
    memory.locator(".summary .words-line").hover()
    expect(tip(shown)).to_be_hidden()
    first = word(memory, 1, "Mia")
    first.press("Tab")  # the focus is a keyboard's from now on
    shown.keyboard.press("Shift+Tab")
    expect(first).to_be_focused()
    expect(tip(shown)).to_have_text(re.compile("^Kept: "))
    expect(first).to_have_attribute("aria-describedby", re.compile("word-tip"))
    shown.keyboard.press("ArrowRight")
    expect(word(memory, 1, "red")).to_be_focused()
    expect(tip(shown)).to_be_visible()
    shown.keyboard.press("Escape")
    expect(tip(shown)).to_be_hidden()


def test_a_word_is_pinned_and_left_to_the_filter_again(page: Page) -> None:
    memory = tab(page, "remembers", 3)
    kind(memory, 1, "playground", "dropped")
    word(memory, 1, "playground").click()
    inspector = memory.locator(".inspector")
    expect(inspector.locator("b")).to_have_text("“playground”")
    inspector.get_by_role("radio", name="Pin").check()
    kind(memory, 1, "playground", "pinned")
    expect(card(page, 3).locator(".badge").first).to_have_text("Stale")
    expect(card(page, 3).locator(".memory")).to_contain_text("playground")
    saved(page)
    page.reload()
    memory = tab(page, "remembers", 3)
    kind(memory, 1, "playground", "pinned")
    word(memory, 1, "playground").click()
    memory.locator(".inspector").get_by_role("radio", name="Filter decides").check()
    kind(memory, 1, "playground", "dropped")
    expect(card(page, 3).locator(".badge").first).to_have_text("Fresh")


def test_a_word_is_muted_by_click_and_by_key(page: Page) -> None:
    memory = tab(page, "remembers", 3)
    word(memory, 1, "Mia").click()
    memory.locator(".inspector").get_by_role("radio", name="Mute").check()
    kind(memory, 1, "Mia", "muted")
    expect(memory.locator(".summary .words-line")).to_have_text("Remembers nothing of the 2 earlier scenes")
    page.get_by_role("button", name="Undo: mute").click()
    kind(memory, 1, "Mia", "kept")
    word(memory, 1, "Mia").focus()
    page.keyboard.press("m")
    kind(memory, 1, "Mia", "muted")
    page.keyboard.press("f")
    kind(memory, 1, "Mia", "kept")
    page.keyboard.press("p")
    kind(memory, 1, "Mia", "pinned")


def test_a_whole_scene_is_forgotten(page: Page) -> None:
    memory = tab(page, "remembers", 3)
    memory.get_by_text("Forget").first.click()
    expect(memory.locator(".past[data-muted=true]")).to_have_count(1)
    expect(memory.locator(".summary .words-line")).to_have_text("Remembers nothing of the 2 earlier scenes")
    expect(card(page, 3).locator(".badge").first).to_have_text("Stale")
    saved(page)
    page.reload()
    memory = tab(page, "remembers", 3)
    expect(memory.get_by_role("switch", name="Forget scene 1")).to_be_checked()
    memory.get_by_text("Forget").first.click()
    expect(card(page, 3).locator(".badge").first).to_have_text("Fresh")


MOVE = """async ([slider, value]) => {
  const marks = () => [...document.querySelectorAll('.past .word')].map(word => word.className).join();
  const before = marks();
  slider.value = value;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
  for (let frame = 0; marks() === before; frame++) {
    if (frame > 3600) throw new Error('no other marks');
    await new Promise(done => requestAnimationFrame(done));
  }
}"""


def test_the_threshold_marks_while_it_moves(guest: Visitor, page: Page) -> None:
    story = guest.opened[-1]
    memory = tab(page, "remembers", 5)
    kind(memory, 1, "Mia", "kept")
    slider = memory.get_by_role("slider", name="range slider for Similarity needed to be kept")
    for value in (0, 1, 0):
        page.evaluate(MOVE, [slider.element_handle(), value])
        until(lambda value=value: guest.story(story)["scenes"][4]["threshold"] == value)
        saved(page)
    assert not guest.jobs(story), "nothing was rendered for it"
    kind(memory, 1, "playground", "kept")
    saved(page)
    page.reload()
    memory = tab(page, "remembers", 5)
    expect(memory.get_by_role("slider", name="range slider for Similarity needed to be kept")).to_have_value("0")
    memory.get_by_role("button", name="Default").click()
    kind(memory, 1, "playground", "dropped")


LIT = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const values = new Set();
  for (let i = 0; i < data.length; i += 4) values.add(data[i]);
  return values.size;
}"""


def test_the_heat_map_of_a_kept_word(shown: Page) -> None:
    memory = tab(shown, "remembers", 3)
    expect(word(memory, 1, "Mia")).to_have_attribute("data-map", "true")
    word(memory, 1, "Mia").click()
    look = memory.locator(".look")
    canvas, picture = look.get_by_role("img", name="Where “Mia” was looked at in scene 1"), look.locator("img")
    expect(canvas).to_be_visible()
    assert canvas.evaluate(LIT) > 8, "a map is no even colour"
    assert picture.get_attribute("src") == memory.locator(".past .thumb img").first.get_attribute("src")
    boxes = [canvas.bounding_box(), picture.bounding_box()]
    assert boxes[0] == boxes[1], "it lies over the picture"
    look.get_by_role("slider", name="How strongly the heat map shows").fill("30")
    expect(canvas).to_have_css("opacity", "0.3")
    look.get_by_role("button", name="Play the clip").click()
    until(lambda: look.locator("video").evaluate("video => !video.paused && video.currentTime > 0"))
    expect(canvas).to_be_visible()
    look.get_by_role("button", name="Show the keyframe").click()
    expect(look.locator("video")).to_be_hidden()


def test_a_word_without_a_map_says_so(shown: Page) -> None:
    memory = tab(shown, "remembers", 3)
    word(memory, 1, "playground").click()
    expect(memory.locator(".inspector")).to_contain_text("No heat map")
    expect(memory.locator(".look")).to_be_hidden()


def test_the_diagram_says_who_feeds_whom(shown: Page) -> None:
    memory = tab(shown, "remembers", 3)
    diagram = memory.get_by_role("navigation", name="Which scene feeds which")
    expect(diagram.locator(".dot")).to_have_count(5)
    expect(diagram.locator(".feeds")).to_have_text("Remembers Mia in a red coat of scene 1. Remembered by scene 5.")
    expect(diagram.locator(".arc[data-side=in] title")).to_have_text("Scene 3 remembers Mia in a red coat of scene 1")
    diagram.get_by_role("button", name="Scene 4").click()
    expect(shown.locator(".side h2")).to_have_text("Scene 4")
    expect(diagram.locator(".feeds")).to_contain_text("robot of scene 2")
    expect(card(shown, 2)).to_have_attribute("data-feeds", "true")


def test_at_a_history_guidance_of_0_nothing_says_that_something_is_remembered(guest: Visitor, archive: str) -> None:
    story = guest.rendered(archive)
    guest.edit(story["id"], "edit_scene", scene=story["scenes"][2]["id"], changes={"guidance": {"history": 0}})
    page = guest.open(story)
    memory = tab(page, "remembers", 3)
    expect(memory).to_contain_text("the scene remembers nothing")
    expect(memory).to_contain_text("Would remember 3 words of 1 of 2 earlier scenes")
    expect(memory.locator(".feeds")).not_to_contain_text("Remembers")
    expect(memory.locator(".arc[data-side=in]")).to_have_count(0)
    expect(card(page, 3).locator(".memory")).to_be_hidden()
    expect(tab(page, "whatif", 3)).to_contain_text("it remembers nothing, so there is nothing to take away")
    expect(page.locator(".side .block.reasons")).to_contain_text("History guidance 3.0 → 0.0")
    guest.render(story["id"])
    expect(card(page, 3)).to_have_attribute("data-state", "fresh")
    first = {"scene": story["scenes"][0]["id"], "changes": {"prompt": "Tom in a blue coat is jumping in the forest."}}
    guest.edit(story["id"], "edit_scene", **first)
    expect(card(page, 1)).to_have_attribute("data-state", "stale")
    expect(card(page, 3)).to_have_attribute("data-state", "fresh")  # the others that remembered it are not


def test_scenes_with_nothing_to_remember_say_so(guest: Visitor) -> None:
    page = guest.open(guest.new_story(CAST[0], ""))
    memory = tab(page, "remembers", 1)
    expect(memory.locator(".nothing-box .words-line")).to_contain_text("Nothing to remember yet")
    expect(tab(page, "remembers", 2).locator(".nothing-box .words-line")).to_contain_text(
        "This scene has no prompt yet"
    )


def test_somebody_of_the_cast_is_remembered_and_can_be_left_out(guest: Visitor, archive: str) -> None:
    story = guest.rendered(archive)
    guest.call("cast_keep", story=story["id"], scene=story["scenes"][0]["id"], entry="Mia")
    page = guest.open(story)
    memory = tab(page, "remembers", 3)
    past = memory.locator(".past", has=page.get_by_text("Mia of the cast", exact=True))
    expect(memory.locator(".past")).to_have_count(3)
    expect(past.locator(".thumb img")).to_have_attribute("src", re.compile("png"))
    expect(memory.locator(".summary .words-line")).to_have_text("Remembers Mia of the cast")
    past.locator("[role=button].word", has_text=re.compile("^Mia$")).click()
    expect(past.locator(".inspector .reason")).to_contain_text("Kept")
    panel = tab(page, "whatif")
    expect(panel.get_by_role("button", name="Without any history")).to_be_enabled()
    panel.get_by_role("button", name=re.compile("^Without “Mia.*” of Mia of the cast$")).click()
    expect(panel.locator(".pair figcaption").nth(1)).to_have_text(re.compile("^Without “Mia.*” of Mia of the cast$"))
    tab(page, "remembers")
    past.get_by_text("Forget").click()
    kind_of = past.locator("[role=button].word", has_text=re.compile("^Mia$"))
    expect(kind_of).to_have_class(re.compile(r"\bdropped\b"))
    expect(past.get_by_role("switch", name="Forget Mia of the cast")).to_be_checked()
    until(lambda: guest.story(story["id"])["scenes"][2]["muted_scenes"])
