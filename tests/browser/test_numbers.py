"""The number fields beside sliders: what is typed there is saved as it is shown, or the old number is shown again."""

from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser.visitor import CAST, FEW, Visitor, saved, tab, until


def field(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("spinbutton", name=f"number input for {name}", exact=True)


def handle(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("slider", name=f"range slider for {name}", exact=True)


def retype(panel: Locator, name: str, text: str) -> None:
    """As people do: all of it away, then letter by letter."""
    field(panel, name).focus()
    for key in ("Control+a", "Delete", *text, "Tab"):
        field(panel, name).press(key) if key != "Tab" else panel.page.keyboard.press(key)


TYPED = (
    ("Text guidance", "30", "10", {"text": 10}),
    ("Text guidance", "7.25", "7.25", {"text": 7.25}),
    ("History guidance", "-4", "0", {"history": 0}),
    ("Guidance starts at", "999", "100", {"start": 1}),
    ("Steps", "12.7", "13", {"steps": 13}),
    ("Steps", "1", "4", {"steps": 4}),
    ("Seconds", "9999", "20", {"num_frames": 161}),
    ("Seconds", "1.4", "1.5", {"num_frames": 13}),
)


def test_a_number_is_saved_as_it_is_shown(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], steps=8, num_frames=9)
    panel = tab(guest.open(story), "scene", 1)
    for name, typed, shown, wanted in TYPED:
        retype(panel, name, typed)
        expect(field(panel, name)).to_have_value(shown)
        until(lambda wanted=wanted: wanted.items() <= flat(guest, story["id"]).items())
    saved(guest.page)
    guest.reload()
    for name, shown in {name: shown for name, _, shown, _ in TYPED}.items():
        expect(field(tab(guest.page, "scene", 1), name)).to_have_value(shown)


def flat(guest: Visitor, story: str) -> dict[str, Any]:
    (scene,) = guest.story(story)["scenes"]
    return {**scene, **scene["guidance"]}


def test_an_emptied_field_shows_its_number_again(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], steps=8, num_frames=9)
    panel = tab(guest.open(story), "scene", 1)
    for name, shown in (("Text guidance", "3"), ("Steps", "8"), ("Seconds", "1")):
        rev = guest.story(story["id"])["rev"]
        retype(panel, name, "")
        expect(field(panel, name)).to_have_value(shown)
        assert guest.story(story["id"])["rev"] == rev


def test_a_weight_beyond_the_slider_is_shown_and_stays(guest: Visitor) -> None:
    """A shell and programs take more than the page offers."""
    story = guest.new_story(CAST[0], **FEW, guidance={"text": 20, "history": 25.5})
    rev = guest.story(story["id"])["rev"]
    panel = tab(guest.open(story), "scene", 1)
    for name, shown, most in (("Text guidance", "20", "20"), ("History guidance", "25.5", "26")):
        expect(field(panel, name)).to_have_value(shown)
        expect(handle(panel, name)).to_have_value(shown)
        expect(handle(panel, name)).to_have_attribute("max", most)
    field(panel, "Text guidance").focus()
    field(panel, "Text guidance").blur()
    assert guest.story(story["id"])["rev"] == rev
    retype(panel, "Text guidance", "15")
    until(lambda: guest.story(story["id"])["scenes"][0]["guidance"]["text"] == 15)


def test_a_seed_is_whole_or_the_old_one(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW, seed=5)
    panel = tab(guest.open(story), "scene", 1)
    seed = panel.get_by_role("spinbutton", name="Seed")
    for typed in ("1.5", "", "-3"):
        expect(seed).to_have_value("5")
        seed.fill(typed)
        seed.blur()
    expect(seed).to_have_value("5")
    assert guest.story(story["id"])["scenes"][0]["seed"] == 5


def test_a_live_sketch_follows_the_weights(guest: Visitor) -> None:
    story = guest.new_story(CAST[0], **FEW)
    panel = tab(guest.open(story), "scene", 1)
    for _ in range(5):
        handle(panel, "Text guidance").press("ArrowRight")
    expect(panel.get_by_text("Live sketch: w1 3.5, w2 3.")).to_be_visible()
    handle(panel, "History guidance").press("Home")
    expect(panel.get_by_text("Live sketch: w1 3.5, w2 0.")).to_be_visible()
    expect(panel.get_by_role("img", name="Live sketch of the scene")).to_have_js_property("naturalWidth", 144)
    until(lambda: flat(guest, story["id"]).items() >= {"text": 3.5, "history": 0}.items())
