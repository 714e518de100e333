"""The Scene tab: every control makes its edit, and the edit outlasts a reload."""

import base64
import io
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from storyboard.ui.panels.scene import SAME, Scene
from tests.browser.visitor import CAST, FEW, Visitor, card, ready, saved, tab, until

Find = Callable[[Locator], Locator]


def slider(name: str) -> Find:
    return lambda panel: panel.get_by_role("slider", name=f"range slider for {name}", exact=True)


def press(find: Find, key: str, times: int = 1) -> Callable[[Locator], None]:
    def act(panel: Locator) -> None:
        find(panel).focus()
        for _ in range(times):
            find(panel).press(key)
        find(panel).blur()

    return act


def write(find: Find, text: str) -> Callable[[Locator], None]:
    def act(panel: Locator) -> None:
        find(panel).fill(text)
        find(panel).blur()

    return act


def choose(find: Find) -> Callable[[Locator], None]:
    return lambda panel: find(panel).check()


def seed(panel: Locator) -> Locator:
    return panel.get_by_role("spinbutton", name="Seed")


def negative(panel: Locator) -> Locator:
    return panel.get_by_role("textbox", name="Negative prompt")


def radio(name: str) -> Find:
    return lambda panel: panel.get_by_role("radio", name=name, exact=True)


def lock(panel: Locator) -> Locator:
    return panel.get_by_role("checkbox", name="Lock this scene")


def value(find: Find, wanted: str) -> Callable[[Locator], None]:
    return lambda panel: expect(find(panel)).to_have_value(wanted)


def checked(find: Find) -> Callable[[Locator], None]:
    return lambda panel: expect(find(panel)).to_be_checked()


CONTROLS: dict[str, tuple[Callable[[Locator], None], dict[str, Any], Callable[[Locator], None]]] = {
    "text guidance": (
        press(slider("Text guidance"), "ArrowRight", 5),
        {"text": 3.5},
        value(slider("Text guidance"), "3.5"),
    ),
    "history guidance": (
        press(slider("History guidance"), "Home"),
        {"history": 0},
        value(slider("History guidance"), "0"),
    ),
    "window start": (
        press(slider("Guidance starts at"), "ArrowRight", 2),
        {"start": 0.1},
        value(slider("Guidance starts at"), "10"),
    ),
    "window end": (
        press(slider("Guidance ends at"), "ArrowLeft", 2),
        {"end": 0.9},
        value(slider("Guidance ends at"), "90"),
    ),
    "schedule": (choose(radio("Cosine")), {"schedule": "cosine"}, checked(radio("Cosine"))),
    "steps": (press(slider("Steps"), "ArrowRight", 3), {"steps": 7}, value(slider("Steps"), "7")),
    "length": (press(slider("Seconds"), "ArrowRight"), {"num_frames": 13}, value(slider("Seconds"), "1.5")),
    "seed": (write(seed, "77"), {"seed": 77}, value(seed, "77")),
    "a new seed each time": (choose(radio("A new one")), {"new_seed": True}, checked(radio("A new one"))),
    "negative prompt": (write(negative, "rain"), {"negative_prompt": "rain"}, value(negative, "rain")),
    "lock": (choose(lock), {"locked": True}, checked(lock)),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_makes_its_edit(guest: Visitor, name: str) -> None:
    act, wanted, shown = CONTROLS[name]
    story = guest.new_story(CAST[0], **FEW)
    page = guest.open(story)
    act(tab(page, "scene", 1))

    def edited() -> bool:
        (scene,) = guest.story(story["id"])["scenes"]
        flat = {**scene, **scene["guidance"]}
        return all(flat[field] == value for field, value in wanted.items())

    until(edited)
    saved(page)
    guest.reload()
    shown(tab(page, "scene", 1))
    page.get_by_role("button", name=re.compile("^Undo")).first.click()
    until(lambda: not edited())


def test_a_drag_of_a_slider_is_one_step_of_undo(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    page = guest.open(story)
    handle = slider("Text guidance")(tab(page, "scene", 1))
    box = handle.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.5, 0.6, 0.7, 0.8):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.mouse.up()
    until(lambda: guest.story(story["id"])["scenes"][0]["guidance"]["text"] > 7)
    saved(page)
    page.get_by_role("button", name=re.compile("^Undo")).first.click()
    expect(handle).to_have_value("3")


def test_drawing_another_seed(guest: Visitor) -> None:
    page = guest.open(guest.new_story(CAST[0], **FEW))
    panel = tab(page, "scene", 1)
    panel.get_by_role("button", name="Draw another seed").click()
    expect(seed(panel)).not_to_have_value("0")


# --- keyframe, regenerating, takes ---


def test_the_keyframe_is_chosen_by_scrubbing(page: Page) -> None:
    panel = tab(page, "scene", 1)
    frame = panel.get_by_role("slider", name="Frame of the clip")
    expect(panel.locator(".told")).to_have_text("Later scenes remember this frame.")
    before = int(frame.input_value())
    frame.focus()
    frame.press("End")
    expect(panel.locator(".place")).to_have_text("9 / 9")
    expect(panel.locator(".told")).to_have_text(f"Later scenes remember frame {before + 1}.")
    panel.get_by_role("button", name="Remember the scene by this frame").click()
    expect(panel.locator(".told")).to_have_text("Later scenes remember this frame.")
    expect(card(page, 3).locator(".badge").first).to_have_text("Stale")
    expect(card(page, 3).locator(".why")).to_have_text("Mia in a red coat of scene 1 changed")
    page.reload()
    ready(page)
    expect(tab(page, "scene", 1).locator(".place")).to_have_text("9 / 9")


def test_the_viewer_plays(shown: Page) -> None:
    panel = tab(shown, "scene", 2)
    panel.get_by_role("button", name="Play", exact=True).click()
    video = panel.locator(".screen video")
    until(lambda: video.evaluate("video => !video.paused && video.currentTime > 0"))
    panel.get_by_role("button", name="Pause", exact=True).click()
    until(lambda: video.evaluate("video => video.paused"))


def captions(shelf: Locator) -> Locator:
    """What stands under each take."""
    return shelf.locator(".takes-shelf .caption-label")


def test_regenerating_gives_another_take_of_another_seed(page: Page) -> None:
    panel = tab(page, "scene", 2)
    panel.get_by_role("button", name="New take").click()
    shelf = tab(page, "takes")
    expect(captions(shelf)).to_have_count(2)
    expect(captions(shelf)).to_have_text([re.compile("Take 1"), re.compile("Take 2.*chosen")])
    seeds = [re.search(r"seed\s(\d+)", text) for text in captions(shelf).all_text_contents()]
    assert seeds[0] and seeds[1] and seeds[0][1] != seeds[1][1]


def test_takes_are_chosen_compared_and_deleted(page: Page) -> None:
    tab(page, "scene", 1).get_by_role("button", name="New take").click()
    shelf = tab(page, "takes")
    expect(captions(shelf)).to_have_count(2)
    expect(card(page, 3).locator(".badge").first).to_have_text("Stale")
    shelf.locator(".takes-shelf button.thumbnail-item").first.click()
    expect(captions(shelf).first).to_have_text(re.compile("Take 1.*chosen"))
    expect(card(page, 3).locator(".badge").first).to_have_text("Fresh")
    shelf.get_by_label("Compare the chosen take with").click()
    page.get_by_role("option", name="Take 2").click()
    halves = shelf.locator(".pair .half")
    expect(halves.locator("figcaption")).to_have_text([re.compile("Take 1"), re.compile("Take 2")])
    in_step(shelf.locator(".pair"))
    small = halves.first.bounding_box()
    shelf.get_by_role("button", name="Full screen").click()
    shelf.get_by_role("button", name="Leave the full screen").wait_for()
    large = halves.first.bounding_box()
    assert small and large and large["width"] > 3 * small["width"]
    page.get_by_role("button", name="Play both").click()
    in_step(shelf.locator(".pair"))
    page.get_by_role("button", name="Leave the full screen").click()
    shelf.get_by_role("button", name="Delete take 2").click()
    expect(captions(shelf)).to_have_count(1)
    expect(shelf.locator(".pair")).to_be_hidden()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(captions(shelf)).to_have_count(2)


def test_a_take_says_from_what_prompt_it_was_made(guest: Visitor, page: Page) -> None:
    story = guest.story(guest.opened[-1])
    guest.edit(story["id"], "edit_scene", scene=story["scenes"][0]["id"], changes={"prompt": "It rains."})
    guest.reload()
    expect(tab(page, "takes", 1).locator(".take-prompt .words-line")).to_have_text(f"“{CAST[0]}”")


def test_four_variants_are_takes_to_choose_from(guest: Visitor, page: Page) -> None:
    for scene in guest.story(guest.opened[-1])["scenes"][:1]:
        guest.edit(guest.opened[-1], "edit_scene", scene=scene["id"], changes=FEW)
    tab(page, "scene", 1).get_by_role("button", name="Four variants").click()
    shelf = tab(page, "takes")
    expect(captions(shelf)).to_have_count(5)
    seeds = {take["seed"] for take in guest.story(guest.opened[-1])["scenes"][0]["takes"]}
    assert len(seeds) == 5
    shelf.locator(".takes-shelf button.thumbnail-item").nth(2).click()
    expect(captions(shelf).nth(2)).to_have_text(re.compile("Take 3.*chosen"))


def test_a_duplicate_brings_its_take(page: Page) -> None:
    card(page, 1).locator("[data-act=duplicate]").click()
    expect(page.locator(".slot")).to_have_count(6)
    saved(page)
    expect(card(page, 2).locator(".badge").first).to_have_text("Stale")  # it remembers the one that it is a copy of
    expect(card(page, 2).locator(".shot img")).to_be_visible()


def test_a_size_that_the_model_allows(guest: Visitor, page: Page) -> None:
    story = guest.opened[-1]
    for scene in guest.story(story)["scenes"]:
        guest.edit(story, "edit_scene", scene=scene["id"], changes=FEW)
    panel = tab(page, "scene", 3)
    panel.get_by_label("Size of all scenes").click()
    page.get_by_role("option", name=re.compile("^Square")).first.click()
    until(lambda: guest.story(story)["width"] == guest.story(story)["height"])
    expect(card(page, 3)).to_have_attribute("data-state", "stale")
    panel.get_by_role("button", name="Render this scene").click()
    until(lambda: len(guest.story(story)["scenes"][2]["takes"]) == 2)
    square = guest.story(story)["scenes"][2]["takes"][-1]  # it remembers pictures of another size
    assert square["width"] == square["height"] != 96


def test_what_is_fresh_has_nothing_to_render_but_another_take(guest: Visitor, page: Page) -> None:
    story = guest.opened[-1]
    scene = guest.story(story)["scenes"][2]
    take, panel = scene["takes"][0], tab(page, "scene", 3)
    button = panel.get_by_role("button", name="Render this scene")
    expect(button).to_be_disabled()
    expect(panel.locator(".acts [role=status]")).to_have_text(SAME)
    guest.edit(story, "edit_scene", scene=scene["id"], changes={"seed": take["seed"] + 1})
    expect(button).to_be_enabled()
    guest.edit(story, "edit_scene", scene=scene["id"], changes={"seed": take["seed"], "new_seed": True})
    expect(panel.get_by_label("Seed", exact=True)).to_have_value(str(take["seed"]))
    expect(button).to_be_enabled()


def test_nothing_is_chosen_of_one_size() -> None:
    def shown(*sizes: tuple[int, int]) -> Any:
        scene: Any = SimpleNamespace(
            desk=SimpleNamespace(studio=SimpleNamespace(renderer=SimpleNamespace(sizes=sizes)))
        )
        return Scene._size(scene, {"width": 144, "height": 96})

    assert not shown()["visible"] and not shown((144, 96))["visible"]
    assert shown((144, 96), (112, 112))["visible"]


def in_step(pair: Locator) -> None:
    """Both clips play at the same place, and stop at the same frame."""
    place = "videos => videos.map(video => video.currentTime)"
    clips = pair.locator("video")
    until(lambda: min(clips.evaluate_all(place)) > 0)
    pair.get_by_role("button", name="Pause both").click()
    pair.get_by_role("slider", name="Frame").fill("5")
    expect(pair.locator(".place")).to_have_text(re.compile("^6 / "))
    until(lambda: len(set(clips.evaluate_all(place))) == 1)
    pair.get_by_role("button", name="One frame on").click()
    expect(pair.locator(".place")).to_have_text(re.compile("^7 / "))
    first, second = clips.evaluate_all(place)
    assert abs(first - second) < 0.02


# --- a clip of one's own ---


def test_an_imported_clip_becomes_history(guest: Visitor, page: Page) -> None:
    source = card(page, 2).locator(".shot img").evaluate("image => image.src")
    assert source
    story = guest.story(guest.opened[-1])
    clip = base64.b64decode(guest.download(story["scenes"][1]["takes"][0]["clip"]))
    panel = tab(page, "scene", 1)
    file = {"name": "mine.mp4", "mimeType": "video/mp4", "buffer": clip}
    panel.locator(".clip-upload input[type=file]").set_input_files(files=[file])
    expect(page.locator(".toast", has_text="mine.mp4 is this scene now")).to_be_visible()
    expect(captions(tab(page, "takes")).last).to_have_text(re.compile("your clip.*chosen"))
    expect(card(page, 1).locator(".badge").first).to_have_text("Fresh")
    expect(card(page, 3).locator(".badge").first).to_have_text("Stale")
    expect(card(page, 3).locator(".memory")).to_contain_text("Mia")


def test_what_is_no_clip_is_refused_with_what_to_do(page: Page) -> None:
    panel = tab(page, "scene", 1)
    for name, kind, told in (
        (
            "notes.txt",
            "text/plain",
            "notes.txt is no video or picture: choose an MP4, WebM, MOV or GIF file, or a picture.",
        ),
        ("broken.mp4", "video/mp4", "broken.mp4"),
    ):
        file = {"name": name, "mimeType": kind, "buffer": b"nothing of the kind"}
        panel.locator(".clip-upload input[type=file]").set_input_files(files=[file])
        expect(page.locator(".toast[data-kind=error]", has_text=told)).to_be_visible()
    expect(captions(tab(page, "takes"))).to_have_count(1)


def test_a_picture_is_cut_where_one_says(guest: Visitor, page: Page) -> None:
    panel = tab(page, "scene", 1)
    panel.get_by_role("radio", name="Fill").check()
    across = panel.get_by_role("slider", name="range slider for Cut across")
    across.fill("100")
    content = io.BytesIO()
    halves = np.zeros((96, 288, 3), np.uint8)  # twice as wide as the frame: black on the left, white on the right
    halves[:, 144:] = 255
    Image.fromarray(halves).save(content, "PNG")
    file = {"name": "halves.png", "mimeType": "image/png", "buffer": content.getvalue()}
    panel.locator(".clip-upload input[type=file]").set_input_files(files=[file])
    expect(page.locator(".toast", has_text="halves.png is this scene now")).to_be_visible()
    take = guest.story(guest.opened[-1])["scenes"][0]["takes"][-1]
    kept = np.asarray(Image.open(io.BytesIO(base64.b64decode(guest.download(take["keyframe"])))).convert("L"))
    assert kept.mean() > 250, "the right half alone is kept"


# --- pictures with which it begins and ends ---


def test_a_scene_begins_with_a_picture_and_ends_with_the_last_frame_of_another(guest: Visitor, page: Page) -> None:
    def saved_pictures() -> dict[str, Any]:
        return guest.story(guest.opened[-1])["scenes"][1]

    panel = tab(page, "scene", 2)
    content = io.BytesIO()
    Image.new("RGB", (60, 90), (40, 90, 200)).save(content, "PNG")
    file = {"name": "sea.png", "mimeType": "image/png", "buffer": content.getvalue()}
    panel.get_by_label("Your first picture").set_input_files(files=[file])
    begins = panel.get_by_label("Begins with")
    expect(begins).to_have_value("sea.png")
    expect(panel.get_by_alt_text("First picture")).to_have_js_property("complete", True)
    panel.get_by_label("Ends with").click()
    page.get_by_role("option", name="Last frame of scene 3").click()
    expect(panel.get_by_alt_text("Last picture")).to_be_visible()
    expect(page.locator(".panel-head .reasons .words-line")).to_contain_text("begins with a picture")
    until(lambda: (saved_pictures()["last_picture"] or {}).get("source") == "last frame of scene 3")
    begins.click()
    page.get_by_role("option", name="Nothing").click()
    expect(panel.get_by_alt_text("First picture")).to_have_count(0)
    until(lambda: saved_pictures()["first_picture"] is None)
    guest.reload()
    expect(tab(page, "scene", 2).get_by_label("Ends with")).to_have_value("last frame of scene 3")
