"""What users write: unknown words, emoji, code, too much of it; and what is said when something goes wrong."""

import base64
import hashlib
import io
import json
import re
import zipfile

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
    expect(page.locator(".overlay.film .caption")).to_have_text(f"Mia {HOSTILE} robot")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stories").click()
    expect(page.locator(".shelf-list.stories .caption-label").first).to_contain_text(HOSTILE)
    page.keyboard.press("Escape")
    card(page, 1).get_by_role("button", name="Render: scene 1").click()
    expect(card(page, 1)).to_have_attribute("data-state", re.compile("fresh|failed"))
    file = {"name": f"{HOSTILE}.txt", "mimeType": "text/plain", "buffer": b""}
    tab(page, "scene", 1).locator(".clip-upload input[type=file]").set_input_files(files=[file])
    expect(page.locator(".toast[data-kind=error]").last).to_contain_text("<script>")
    guest.reload()
    assert page.evaluate("window.hacked") is None
    assert page.locator(".tl :is(script, img[src=x])").count() == 0


LONG = "dog " * 100
REASON = re.compile("^Not saved: prompt has 102 tokens, at most 64 are possible")


def test_a_prompt_that_is_too_long_is_refused_and_said(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    box = card(page, 1).locator(".prompt")
    box.fill("dog " * 480)
    box.press("Escape")
    expect(page.locator(".toast[data-kind=error]").last).to_contain_text("token")
    expect(box).to_have_value("dog " * 480)
    expect(page.locator(".saved")).to_have_attribute("data-kind", "unsaved")


def test_what_was_refused_stays_as_a_draft_until_it_fits(guest: Visitor) -> None:
    story = guest.new_story("A", "B")
    page = guest.open(story)
    card(page, 2).locator(".prompt").fill(LONG)
    page.keyboard.press("Escape")
    expect(card(page, 2).locator(".room")).to_have_text(REASON)
    expect(page.locator(".saved")).to_have_text("Not saved: the words of scene 2")
    page.reload()
    expect_prompts(page, "A", LONG)
    expect(card(page, 2).locator(".room")).to_have_text(REASON)
    expect(page.locator(".saved")).to_have_text("Not saved: the words of scene 2")
    assert [scene["prompt"] for scene in guest.story(story["id"])["scenes"]] == ["A", "B"]
    card(page, 1).locator(".prompt").fill("A dog.")
    page.keyboard.press("Escape")
    expect(page.locator(".saved")).to_have_text("Not saved: the words of scene 2")
    card(page, 2).locator(".prompt").fill("dog " * 55)
    expect(card(page, 2).locator(".room")).to_have_text("57 of 64 tokens, room for about 7 words")
    card(page, 2).locator(".prompt").fill("A dog runs.")
    page.keyboard.press("Escape")
    saved(page)
    expect(card(page, 2).locator(".room")).to_be_hidden()
    guest.reload()
    saved(page)
    expect_prompts(page, "A dog.", "A dog runs.")


def test_a_negative_prompt_that_is_too_long_stays_as_a_draft(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    tab(page, "scene", 1).get_by_label("Negative prompt").fill(LONG)
    page.locator("h1").click()
    reason = re.compile("^Not saved: negative prompt has 102 tokens")
    expect(page.locator(".side .room-box .words-line")).to_have_text(reason)
    page.reload()
    box = tab(page, "scene", 1).get_by_label("Negative prompt")
    expect(box).to_have_value(LONG)
    expect(page.locator(".side .room-box .words-line")).to_have_text(reason)
    box.fill("rain")
    page.locator("h1").click()
    saved(page)
    expect(page.locator(".side .room-box .words-line")).to_be_hidden()


def test_a_new_story_with_a_long_scene_stays_in_its_form(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A"))
    script = f"A cat.\n{LONG}"
    page.get_by_role("button", name="Stories").click()
    page.get_by_role("button", name="New story").click()
    page.get_by_role("textbox", name="Scenes").fill(script)
    page.keyboard.press("Tab")  # keys are heard at once, what is pasted when the field is left
    room = page.locator(".overlay .room-box .words-line")
    expect(room).to_have_text(re.compile("^Scene 2: 102 tokens, at most 64 are possible: about 38 words too many"))
    page.get_by_role("button", name="Start").click()
    expect(room).to_have_text(re.compile("^Not saved: scene 2: prompt has 102 tokens"))
    guest.reload()
    page.get_by_role("button", name="Stories").click()
    expect(page.get_by_role("textbox", name="Scenes")).to_have_value(script)
    expect(room).to_have_text(re.compile("^Not saved: scene 2: prompt has 102 tokens"))
    page.get_by_role("textbox", name="Scenes").fill("A cat.\nA dog.")
    page.get_by_role("button", name="Start").click()
    expect_prompts(page, "A cat.", "A dog.")


def test_a_scene_that_came_too_long_says_so_and_the_others_are_planned(guest: Visitor, archive: str) -> None:
    page = guest.open(guest.rendered(with_prompt(archive, 2, LONG)))
    expect(card(page, 2)).to_have_attribute("data-state", "unread")
    expect(card(page, 2).locator(".note.failed")).to_have_text(re.compile("^Prompt has 102 tokens, at most 64"))
    expect(page.locator(".plan-line")).to_contain_text("Scene 2 can't be rendered: prompt has 102 tokens")
    expect(card(page, 1)).to_have_attribute("data-state", "fresh")
    tab(page, "scene", 2)
    expect(page.locator(".panel-head .stands .words-line")).to_have_text("can’t be rendered")


def with_prompt(archive: str, number: int, prompt: str) -> str:
    """An archive, base64, with another prompt in one of its scenes and no past."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))) as bundle:
        entries = {name: bundle.read(name) for name in bundle.namelist()}
    manifest, story = json.loads(entries["manifest.json"]), json.loads(entries["story.json"])
    story["scenes"][number - 1]["prompt"] = prompt
    entries["story.json"] = json.dumps(story).encode()
    entries.pop("revisions.json")
    del manifest["files"]["revisions.json"], manifest["weights"]
    told = {"bytes": len(entries["story.json"]), "sha256": hashlib.sha256(entries["story.json"]).hexdigest()}
    manifest["files"]["story.json"] |= told
    entries["manifest.json"] = json.dumps({**manifest, "version": 1}).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name, data in entries.items():
            bundle.writestr(name, data)
    return base64.b64encode(out.getvalue()).decode()


def test_syntax_of_other_tools_is_told_gently(guest: Visitor) -> None:
    page = guest.open(guest.new_story("A (dog:1.3) is running on the beach."))
    note = card(page, 1).locator(".unseen")
    expect(note).to_have_text("Weights like (dog:1.3) do nothing here: every word counts the same.")
    expect(card(page, 1).locator(".render")).to_be_enabled()


def test_what_failed_says_why_in_the_panel(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    guest.edit(story["id"], "edit_story", changes={"height": 100})
    page = guest.open(story)
    panel = tab(page, "scene", 1)
    panel.get_by_role("button", name="Render this scene").click()
    told = re.compile("^Failed: height is 100: expected a multiple of")
    expect(panel.locator(".acts [role=status]")).to_have_text(told)


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
