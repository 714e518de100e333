"""Plan before render: what the plan says, rendering one, the stale ones or all, progress, cancelling, coming back."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.visitor import CAST, FEW, LONG, Visitor, card, ready, saved, until


def plan(page: Page) -> str:
    return page.locator(".plan-line").inner_text()


def states(page: Page, *wanted: str) -> None:
    for number, state in enumerate(wanted, 1):
        expect(card(page, number)).to_have_attribute("data-state", state)


def test_the_plan_in_a_sentence_and_what_it_takes(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*CAST, **FEW))
    expect(page.locator(".plan-line")).to_have_text(re.compile(r"^Render 5 scenes: 1, 2, 3, 4, 5(, about .+)?\.$"))
    page.get_by_role("button", name="Render 5 scenes").click()
    expect(page.locator(".planbar")).to_have_attribute("data-busy", "true")
    expect(page.locator(".plan-line")).to_have_text("Every scene is fresh.")
    states(page, *["fresh"] * 5)
    box = card(page, 1).locator(".prompt")
    box.fill(CAST[0].replace("red", "blue"))
    box.press("Escape")
    saved(page)
    until(lambda: plan(page).startswith("Render 4 scenes"))
    assert re.fullmatch(r"Render 4 scenes: 1 \(.*red.*\), 3( \(.*\))?, 4, 5, about .+\.", plan(page)), plan(page)
    page.get_by_role("button", name="Render 4 scenes").click()
    expect(page.locator(".plan-line")).to_have_text("Every scene is fresh.")
    takes = [len(scene["takes"]) for scene in guest.story(guest.opened[-1])["scenes"]]
    assert takes == [2, 1, 2, 2, 2], "exactly those that depend on it"


def test_the_estimate_is_learned_from_renders(page: Page) -> None:
    card(page, 2).get_by_role("button", name="Duplicate scene 2").click()
    line = re.compile(r"^Render 3 scenes: 3 \(.+\), .+, about (a second|\d+ s)\.$")
    expect(page.locator(".plan-line")).to_have_text(line)
    expect(page.locator(".side .acts [role=status]")).to_have_text(re.compile(r"^About (a second|\d+ s)$"))


def test_rendering_one_renders_what_it_needs(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*CAST[:3], **FEW))
    card(page, 3).get_by_role("button", name="Render: scene 3").click()
    states(page, "fresh", "new", "fresh")
    card(page, 2).focus()
    page.keyboard.press("Control+Enter")
    states(page, "fresh", "fresh", "fresh")


def test_all_again_as_new_takes(guest: Visitor, page: Page) -> None:
    page.get_by_role("button", name="More ways to render").click()
    page.get_by_role("menuitem", name="Render all again, as new takes").click()
    until(lambda: all(len(scene["takes"]) == 2 for scene in guest.story(guest.opened[-1])["scenes"]))
    expect(page.locator(".plan-line")).to_have_text("Every scene is fresh.")


def test_a_new_take_of_the_chosen_scene(guest: Visitor, page: Page) -> None:
    card(page, 2).locator(".number").click()
    page.get_by_role("button", name="More ways to render").click()
    page.get_by_role("menuitem", name="New take of scene 2").click()
    until(lambda: [len(s["takes"]) for s in guest.story(guest.opened[-1])["scenes"]] == [1, 2, 1, 1, 1])


def test_progress_preview_and_cancelling(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*CAST[:4], **LONG))
    page.get_by_role("button", name="Render 4 scenes").click()
    expect(page.locator(".plan-line")).to_have_text(re.compile(r"^Scene 1 of 4, step \d+ of 400"))
    first = card(page, 1)
    preview = first.locator(".shot img")
    expect(preview).to_have_attribute("src", re.compile("^data:image/"))
    seen = preview.get_attribute("src")
    until(lambda: preview.get_attribute("src") != seen)
    before = float(first.locator("progress").evaluate("bar => bar.value"))
    until(lambda: float(first.locator("progress").evaluate("bar => bar.value")) > before > 0)
    expect(page.locator(".viewer .live")).to_be_visible()
    expect(page.locator(".viewer .badge")).to_have_text(re.compile(r"Step \d+ of 400"))
    for number in (2, 3, 4):
        expect(card(page, number).locator(".badge").first).to_have_text(f"Queued #{number - 1}")
    card(page, 3).get_by_role("button", name="Cancel: scene 3").click()
    states(page, "running", "queued", "new", "queued")
    expect(card(page, 4).locator(".badge").first).to_have_text("Queued #2")
    first.get_by_role("button", name="Cancel: scene 1").click()
    states(page, "new", "running", "new", "queued")
    page.locator(".planbar").get_by_role("button", name="Cancel").click()
    states(page, "new", "new", "new", "new")
    expect(page.locator(".planbar")).to_have_attribute("data-busy", "false")
    assert not any(scene["takes"] for scene in guest.story(guest.opened[-1])["scenes"])


def test_a_long_scene_that_is_watched_tells_seconds_and_plays_what_is_finished(guest: Visitor) -> None:
    page = guest.open(guest.new_story(CAST[0], num_frames=41, steps=12))
    card(page, 1).locator(".number").click()
    watch = page.get_by_role("checkbox", name="Watch it while it is made")
    watch.check()
    until(lambda: guest.story(guest.opened[-1])["scenes"][0].get("streamed") is True)
    page.get_by_role("button", name="Render 1 scene").click()
    far = re.compile(r"[234] of 5 s finished")
    expect(page.locator(".viewer .badge")).to_have_text(far)
    expect(page.locator(".plan-line")).to_have_text(re.compile(r"^Scene 1 of 1, [234] of 5 s finished"))
    expect(card(page, 1).locator(".badge").first).to_have_text(re.compile(r"[234]/5 s"))
    live = page.locator(".viewer .live")
    expect(live).to_be_visible()
    playing = live.get_attribute("src")
    until(lambda: live.get_attribute("src") != playing)
    states(page, "fresh")
    (take,) = guest.story(guest.opened[-1])["scenes"][0]["takes"]
    assert take["streamed"] and take["num_frames"] == 41


def test_a_closed_page_is_found_again_in_the_middle(visitor: Visitor) -> None:
    story = visitor.new_story(CAST[0], CAST[2], steps=60, num_frames=9)  # longer than a page takes to open
    page = visitor.open(story)
    page.get_by_role("button", name="Render 2 scenes").click()
    expect(page.locator(".plan-line")).to_have_text(re.compile("^Scene 1 of 2, step"))
    page.close()
    assert visitor.jobs(story["id"]), "it goes on by itself"
    page = visitor.page = visitor.new_page()
    page.goto(visitor.server.url)
    expect(page.locator(".slot")).to_have_count(2)
    expect(page.locator(".planbar")).to_have_attribute("data-busy", "true")
    states(page, "fresh", "fresh")
    expect(page.locator(".plan-line")).to_have_text("Every scene is fresh.")


def test_another_visitor_waits_in_line(guest: Visitor, visitor: Visitor) -> None:
    guest.open(guest.new_story(CAST[0], **LONG))
    guest.page.get_by_role("button", name="Render 1 scene").click()
    states(guest.page, "running")
    page = visitor.open(visitor.new_story(CAST[1], **FEW))
    page.get_by_role("button", name="Render 1 scene").click()
    expect(card(page, 1).locator(".badge").first).to_have_text("Queued #1")
    guest.page.locator(".planbar").get_by_role("button", name="Cancel").click()
    states(page, "fresh")


def test_a_locked_scene_is_never_rendered(guest: Visitor, page: Page) -> None:
    card(page, 3).get_by_role("button", name="Lock scene 3").click()
    box = card(page, 1).locator(".prompt")
    box.fill(CAST[0].replace("red", "green"))
    box.press("Escape")
    saved(page)
    until(lambda: plan(page).startswith("Render 3 scenes: 1"))
    page.get_by_role("button", name="Render 3 scenes").click()
    expect(page.locator(".plan-line")).to_have_text("Nothing to render: what is stale is locked.")
    assert [len(scene["takes"]) for scene in guest.story(guest.opened[-1])["scenes"]] == [2, 1, 1, 2, 2]


STREAM = """() => {
  const seen = window.boxes = new Set();
  window.watching = true;
  const frame = () => {
    if (!window.watching) return;
    if (document.querySelector('.card[data-state=running] .shot img[src^="data:"]')) {
      const all = '.slot, .shot, .prompt, .tools, .planbar, .topbar, .tab-wrapper, .screen';
      const parts = document.querySelectorAll(all);
      seen.add(JSON.stringify([...parts].map(part => {
        const {x, y, width, height} = part.getBoundingClientRect();
        return [part.className, x, y, width, height].map(value => value.toFixed?.(1) ?? value);
      })));
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


def test_nothing_moves_while_pictures_stream(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*CAST[:3], **LONG))
    page.get_by_role("button", name="Render 3 scenes").click()
    expect(card(page, 1).locator(".shot img")).to_have_attribute("src", re.compile("^data:image/"))
    page.wait_for_timeout(1000)  # the panels show that it runs
    page.evaluate(STREAM)
    until(lambda: int(re.findall(r"\d+", card(page, 1).locator(".badge").first.inner_text())[0]) > 20)
    page.evaluate("window.watching = false")
    page.locator(".planbar").get_by_role("button", name="Cancel").click()
    states(page, "new", "new", "new")
    first, *others = (json.loads(boxes) for boxes in page.evaluate("[...window.boxes]"))
    assert [[pair for pair in zip(first, other, strict=False) if pair[0] != pair[1]] for other in others] == []


def test_typing_goes_on_while_it_renders(guest: Visitor) -> None:
    story = guest.new_story(*CAST[:2], **LONG)
    page = guest.open(story)
    page.get_by_role("button", name="Render 2 scenes").click()
    states(page, "running")
    box = card(page, 2).locator(".prompt")
    box.fill("")
    box.press_sequentially("A cat is sleeping on the sofa.", delay=20)
    expect(box).to_be_focused()
    expect(box).to_have_value("A cat is sleeping on the sofa.")
    saved(page)
    assert guest.story(story["id"])["scenes"][1]["prompt"] == "A cat is sleeping on the sofa."
    page.locator(".planbar").get_by_role("button", name="Cancel").click()
    states(page, "new", "new")
    ready(page)
