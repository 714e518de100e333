"""What users write: unknown words, emoji, code, too much of it; and what is said when something goes wrong."""

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.visitor import CAST, FEW, Visitor, card, expect_prompts, ready, saved, tab

ROAD = re.compile("/component_server")  # on which the page calls the server
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>${window.hacked=1}{{window.hacked=1}}"


def test_unknown_words_are_told_gently(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A zorblax is running on the beach.", CAST[0]))
    note = card(page, 1).locator(".unseen")
    expect(note).to_have_text("The model has never seen zorblax and will guess.")
    expect(card(page, 2).locator(".unseen")).to_be_hidden()
    expect(card(page, 1).locator(".render")).to_be_enabled()
    card(page, 1).locator(".prompt").fill("A dog is running on the beach.")
    expect(note).to_be_hidden()


def test_emoji_and_other_scripts(guest: Visitor) -> None:
    words = "Mia 👩‍🚀🎈 in a red coat is running on the beach.", "Mia 🎿 is skiing; 米娅在跑步 · ميا تركض."
    story = guest.new_story(*words, **FEW)
    page = guest.open(story)
    expect_prompts(page, *words)
    memory = tab(page, "remembers", 2)
    expect(memory.locator(".past p.words")).to_have_text(words[0])
    coat = memory.locator("[role=button].word", has_text=re.compile("^coat$"))
    coat.focus()
    page.keyboard.press("p")
    expect(coat).to_have_class(re.compile("pinned"))
    saved(page)
    assert guest.story(story["id"])["scenes"][1]["pins"][0]["text"] == "coat"
    box = card(page, 1).locator(".prompt")
    box.press("End")
    box.press_sequentially(" 🌊🌊")
    saved(page)
    guest.reload()
    expect(card(page, 1).locator(".prompt")).to_have_value(words[0] + " 🌊🌊")


def test_hostile_text_never_runs(guest: Visitor, archive: str) -> None:
    story = guest.rendered(archive)
    scenes = [scene["id"] for scene in story["scenes"]]
    guest.edit(story["id"], "edit_story", changes={"title": HOSTILE, "captions": True})
    for scene in scenes[:2]:
        changes = {"prompt": f"Mia {HOSTILE} robot", "negative_prompt": HOSTILE}
        guest.edit(story["id"], "edit_scene", scene=scene, changes=changes)
    page = guest.open(story)
    expect(card(page, 1).locator(".prompt")).to_have_value(f"Mia {HOSTILE} robot")
    for name in ("scene", "remembers", "takes", "whatif"):
        tab(page, name, 2)
    memory = tab(page, "remembers", 3)
    expect(memory.locator(".past p.words").first).to_have_text(f"Mia {HOSTILE} robot")
    memory.locator(".word").first.hover()
    page.get_by_role("button", name="Film").first.click()
    expect(page.locator("dialog.film .caption")).to_have_text(f"Mia {HOSTILE} robot")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stories").click()
    expect(page.locator(".shelf-item b").first).to_have_text(HOSTILE)
    page.keyboard.press("Escape")
    card(page, 1).get_by_role("button", name="Render: scene 1").click()
    expect(card(page, 1)).to_have_attribute("data-state", re.compile("fresh|failed"))
    file = {"name": f"{HOSTILE}.txt", "mimeType": "text/plain", "buffer": b""}
    tab(page, "scene", 1).locator("input[type=file]").set_input_files(files=[file])
    expect(page.locator(".toast[data-kind=error]").last).to_contain_text("<script>")
    guest.reload()
    assert page.evaluate("window.hacked") is None
    assert page.locator(".tl :is(script, img[src=x])").count() == 0


def test_a_prompt_that_is_too_long_is_refused_and_said(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    box = card(page, 1).locator(".prompt")
    box.fill("dog " * 480)
    box.press("Escape")
    expect(page.locator(".toast[data-kind=error]").last).to_contain_text("token")
    expect(box).to_have_value("A")
    saved(page)


def test_what_failed_says_why_in_the_panel(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    guest.edit(story["id"], "edit_story", changes={"height": 100})
    page = guest.open(story)
    panel = tab(page, "scene", 1)
    panel.get_by_role("button", name="Render this scene").click()
    told = re.compile("^Failed: height is 100: expected a multiple of")
    expect(panel.locator(".making [role=status]")).to_have_text(told)


# --- a server that does not answer ---


def test_an_edit_waits_for_the_server(visitor: Visitor) -> None:
    visitor.forgiven.append("Failed to load resource")
    story = visitor.new_story(*CAST[:2])
    page = visitor.open(story)
    cut(page)
    card(page, 1).locator(".prompt").fill("Not lost.")
    page.keyboard.press("Escape")
    expect(page.locator(".saved")).to_have_attribute("data-kind", "unsaved")
    expect(page.locator(".saved")).to_have_text("Not saved: the server does not answer, retrying")
    card(page, 2).get_by_role("button", name="Duplicate scene 2").click()
    expect_prompts(page, "Not lost.", CAST[1], CAST[1])
    page.unroute(ROAD)
    saved(page)
    assert [scene["prompt"] for scene in visitor.story(story["id"])["scenes"]] == ["Not lost.", CAST[1], CAST[1]]
    visitor.reload()
    expect_prompts(page, "Not lost.", CAST[1], CAST[1])


def cut(page: Page) -> None:
    def drop(route: Route) -> None:
        route.abort("connectionrefused")

    page.route(ROAD, drop)


def test_a_lost_server_is_found_again(visitor: Visitor) -> None:
    visitor.forgiven.append("Failed to load resource")
    page = visitor.open(visitor.new_story("A"))
    cut(page)
    expect(page.locator(".saved")).to_have_text("No connection, retrying")
    page.unroute(ROAD)
    expect(page.locator(".saved")).to_have_text("Saved")
    ready(page)


def test_a_page_that_opens_before_its_server_says_so(visitor: Visitor) -> None:
    visitor.forgiven.append("Failed to load resource")
    visitor.new_story("A")
    cut(visitor.page)
    visitor.page.goto(visitor.server.url)
    expect(visitor.page.locator(".toast")).to_have_text("The server does not answer. Trying again.")
    visitor.page.unroute(ROAD)
    ready(visitor.page)
    expect_prompts(visitor.page, "A")
