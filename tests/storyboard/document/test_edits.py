"""Edits: what each does, that it changes nothing else, and what it refuses."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import (
    MOST_SCENES,
    MOST_SEEDS,
    GuidanceSettings,
    KeyframeChoice,
    Scene,
    Seam,
    Story,
    WordRef,
    parse,
)
from tests.storyboard.document.test_story import STORIES

KEYFRAME = "f" * 64
COAT = WordRef(scene="a", text="red coat")
STORY = Story(
    id="s",
    scenes=(
        Scene(id="a", prompt="Mia in a red coat", seed=4, steps=12),
        Scene(id="b", prompt="A dog", pins=(COAT,), mutes=(WordRef(scene="a", text="Mia"),), muted_scenes=("a",)),
        Scene(id="c", prompt="Mia", chosen="t", keyframes=(KeyframeChoice(take="t", index=1, keyframe=KEYFRAME),)),
    ),
)


def ids(story: Story) -> str:
    return "".join(scene.id for scene in story.scenes)


def changed(before: Story, after: Story) -> dict[str, set[str]]:
    """The fields of scenes that differ, by scene; of the story itself under ''."""
    fields = {"": differing(before, after) - {"scenes"}}
    for scene in after.scenes:
        if scene.id in ids(before):
            fields[scene.id] = differing(before.scene(scene.id), scene)
    return {name: found for name, found in fields.items() if found}


def differing(before: Story | Scene, after: Story | Scene) -> set[str]:
    return {name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)}


def error_of(edit: Callable[[], object]) -> str:
    before = STORY.model_dump_json()
    with pytest.raises(ThroughlineError) as caught:
        edit()
    assert STORY.model_dump_json() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the story and its scenes ----------------------------------------------------------------------------------------


def test_a_new_story_has_a_scene_a_prompt():
    story = edits.new_story("Snow", ["one", "two"], width=168)
    assert (story.title, story.width) == ("Snow", 168)
    assert [(scene.prompt, scene.seed) for scene in story.scenes] == [("one", 0), ("two", 1)]
    assert len({story.id, *(scene.id for scene in story.scenes)}) == 3
    assert edits.new_story().scenes == ()


def test_editing_a_story():
    after = edits.edit_story(STORY, title="Rain", captions=True)
    assert (after.title, after.captions) == ("Rain", True)
    assert changed(STORY, after) == {"": {"title", "captions"}}


def test_a_new_scene_takes_its_settings_from_the_one_before_it():
    after = edits.add_scene(STORY, 1, prompt="new")
    new = after.scenes[1]
    assert (new.prompt, new.steps, new.guidance, new.seed) == ("new", 12, STORY.scenes[0].guidance, 5)
    assert [scene.id for scene in after.scenes] == ["a", new.id, "b", "c"]
    assert changed(STORY, after) == {}
    assert edits.add_scene(STORY).scenes[:3] == STORY.scenes
    assert edits.add_scene(STORY, 0).scenes[1:] == STORY.scenes
    assert edits.add_scene(Story(id="s"), id="z").scenes == (Scene(id="z"),)


def test_a_new_scene_has_a_seed_whatever_the_others_have():
    last = edits.edit_scene(STORY, "c", seed=MOST_SEEDS - 1)
    assert edits.add_scene(last).scenes[-1].seed == 0


def test_a_duplicate_has_the_words_and_settings_and_no_takes_yet():
    locked = edits.edit_scene(STORY, "c", locked=True, prompt="Mia sings", negative_prompt="fog")
    after = edits.duplicate_scene(locked, "c", "d")
    assert ids(after) == "abcd"
    assert differing(after.scene("c"), after.scene("d")) == {"id", "chosen", "keyframes", "locked"}
    assert changed(locked, after) == {}
    assert ids(edits.duplicate_scene(STORY, "a", "d")) == "adbc"


def test_removing_a_scene_removes_what_others_said_about_it():
    after = edits.remove_scene(STORY, "a")
    assert ids(after) == "bc"
    assert changed(STORY, after) == {"b": {"pins", "mutes", "muted_scenes"}}
    assert (after.scene("b").pins, after.scene("b").mutes, after.scene("b").muted_scenes) == ((), (), ())
    assert changed(STORY, edits.remove_scene(STORY, "c")) == {}


@pytest.mark.parametrize(
    ("scene", "index", "order"), [("a", 0, "abc"), ("a", 1, "bac"), ("a", 2, "bca"), ("c", 0, "cab")]
)
def test_moving_a_scene(scene, index, order):
    after = edits.move_scene(STORY, scene, index)
    assert ids(after) == order
    assert changed(STORY, after) == {}


def test_editing_a_scene():
    after = edits.edit_scene(
        STORY, "b", prompt="A cat", threshold=0.5, guidance={"text": 6}, seam={"kind": "cross-fade"}
    )
    scene = after.scene("b")
    assert (scene.prompt, scene.threshold) == ("A cat", 0.5)
    assert (scene.guidance, scene.seam) == (GuidanceSettings(text=6), Seam(kind="cross-fade"))
    assert changed(STORY, after) == {"b": {"prompt", "threshold", "guidance", "seam"}}


def test_parts_of_the_guidance_keep_the_others():
    once = edits.edit_scene(STORY, "a", guidance={"text": 6})
    assert edits.edit_scene(once, "a", guidance={"end": 0.5}).scene("a").guidance == GuidanceSettings(text=6, end=0.5)
    assert edits.edit_scene(once, "a", guidance=GuidanceSettings()).scene("a").guidance == GuidanceSettings()


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_pins_and_mutes_take_each_others_place():
    pinned = edits.pin_word(STORY, "c", COAT)
    assert pinned.scene("c").pins == (COAT,)
    muted = edits.mute_word(pinned, "c", COAT)
    assert (muted.scene("c").pins, muted.scene("c").mutes) == ((), (COAT,))
    assert edits.release_word(muted, "c", COAT) == STORY
    assert edits.release_word(pinned, "c", COAT) == STORY
    assert changed(STORY, pinned) == {"c": {"pins"}}


def test_a_word_is_released_wherever_its_scene_went():
    after = edits.release_word(edits.move_scene(STORY, "a", 2), "b", COAT)
    assert after.scene("b").pins == ()


def test_muting_a_scene_and_back():
    muted = edits.mute_scene(STORY, "c", "b")
    assert muted.scene("c").muted_scenes == ("b",)
    assert edits.mute_scene(muted, "c", "b", on=False) == STORY


# --- takes -----------------------------------------------------------------------------------------------------------


def test_choosing_a_take_brings_it_back():
    removed = edits.remove_take(STORY, "c", "t", instead="u")
    assert (removed.scene("c").chosen, removed.scene("c").removed) == ("u", ("t",))
    again = edits.choose_take(removed, "c", "t")
    assert again == STORY
    assert edits.choose_take(STORY, "c", None).scene("c").chosen is None


def test_removing_another_take_leaves_the_chosen_one():
    after = edits.remove_take(STORY, "c", "u", instead="v")
    assert changed(STORY, after) == {"c": {"removed"}}
    assert edits.remove_take(STORY, "c", "t").scene("c").chosen is None


def test_each_take_has_one_keyframe():
    after = edits.choose_keyframe(edits.choose_keyframe(STORY, "c", "u", 5, KEYFRAME), "c", "t", 3, KEYFRAME)
    assert {choice.take: choice.index for choice in after.scene("c").keyframes} == {"u": 5, "t": 3}
    assert changed(STORY, after) == {"c": {"keyframes"}}


# --- for all of them -------------------------------------------------------------------------------------------------

NO_CHANGE = [
    lambda story: edits.edit_story(story, title=story.title, width=144),
    lambda story: edits.edit_story(story),
    lambda story: edits.move_scene(story, "b", 1),
    lambda story: edits.edit_scene(story, "a", prompt="Mia in a red coat", guidance={"text": 3.0}, seam={}),
    lambda story: edits.pin_word(story, "b", COAT),
    lambda story: edits.mute_word(story, "b", WordRef(scene="a", text="Mia")),
    lambda story: edits.release_word(story, "c", COAT),
    lambda story: edits.mute_scene(story, "b", "a"),
    lambda story: edits.mute_scene(story, "c", "a", on=False),
    lambda story: edits.choose_take(story, "c", "t"),
    lambda story: edits.choose_keyframe(story, "c", "t", 1, KEYFRAME),
]


@pytest.mark.parametrize("edit", NO_CHANGE)
def test_no_change_gives_an_equal_story(edit):
    more = edits.edit_scene(STORY, "b", steps=30)
    for pin in ("red", "Mia in"):  # whatever the order of what is there
        more = edits.pin_word(more, "b", WordRef(scene="a", text=pin))
    more = edits.choose_keyframe(more, "c", "u", 2, KEYFRAME)
    for story in (STORY, more):
        assert edit(story) == story


def test_removing_a_take_twice_is_removing_it_once():
    once = edits.remove_take(STORY, "c", "u")
    assert edits.remove_take(once, "c", "u") == once


REFUSED = [
    (lambda: edits.new_story("x" * 300), "title is"),
    (lambda: edits.edit_story(STORY, scenes=()), "'scenes' of a story can't be edited: expected one of captions"),
    (
        lambda: edits.edit_story(STORY, height=51),
        "height is 51: expected an even number of pixels, as video files have",
    ),
    (lambda: edits.edit_story(STORY, width=0), "width is 0: input should be greater than or equal to 16"),
    (lambda: edits.add_scene(STORY, 4), "place 4 is not in the story: expected 0 to 3"),
    (lambda: edits.add_scene(STORY, 0, colour="red"), "colour is 'red': extra inputs are not permitted"),
    (lambda: edits.add_scene(STORY, 0, id="a"), "scene 'a' is there twice, expected an id each"),
    (lambda: edits.duplicate_scene(STORY, "x"), "scene 'x' does not exist in story 's'"),
    (lambda: edits.duplicate_scene(STORY, "a", "b"), "scene 'b' is there twice, expected an id each"),
    (lambda: edits.duplicate_scene(STORY, "a", "../b"), "id is '../b'"),
    (lambda: edits.remove_scene(STORY, "x"), "scene 'x' does not exist"),
    (lambda: edits.move_scene(STORY, "a", 3), "place 3 is not in the story: expected 0 to 2"),
    (lambda: edits.move_scene(STORY, "a", -1), "place -1 is not in the story"),
    (lambda: edits.move_scene(STORY, "a", 0.5), "place 0.5 is not in the story"),
    (lambda: edits.move_scene(STORY, "a", "1"), "place '1' is not in the story"),
    (lambda: edits.edit_scene(STORY, "a", chosen="t"), "'chosen' of a scene can't be edited"),
    (lambda: edits.edit_scene(STORY, "x", prompt=""), "scene 'x' does not exist"),
    (lambda: edits.edit_scene(STORY, "a", prompt=None), "prompt is None: input should be a valid string"),
    (lambda: edits.edit_scene(STORY, "a", guidance={"weight": 3}), "guidance.weight is 3: extra inputs are not"),
    (lambda: edits.edit_scene(STORY, "a", guidance={"start": 0.8, "end": 0.2}), "expected a start before its end"),
    (lambda: edits.edit_scene(STORY, "a", threshold=1.5), "threshold is 1.5: input should be less than or equal to 1"),
    (lambda: edits.pin_word(STORY, "a", WordRef(scene="c", text="Mia")), "'Mia' is not in a scene before this one"),
    (lambda: edits.mute_word(STORY, "a", WordRef(scene="a", text="Mia")), "'Mia' is not in a scene before this one"),
    (lambda: edits.pin_word(STORY, "b", WordRef(scene="x", text="Mia")), "scene 'x' does not exist"),
    (lambda: edits.mute_scene(STORY, "b", "x"), "scene 'x' does not exist"),
    (lambda: edits.choose_take(STORY, "c", "no take"), "chosen is 'no take'"),
    (lambda: edits.remove_take(STORY, "c", "no take"), "removed.0 is 'no take'"),
    (lambda: edits.remove_take(STORY, "c", "t", instead="t"), "take 't' can't stand in for itself"),
    (lambda: edits.choose_keyframe(STORY, "c", "t", -1, KEYFRAME), "index is -1"),
    (lambda: edits.choose_keyframe(STORY, "c", "t", 0, "f"), "keyframe is 'f'"),
]


@pytest.mark.parametrize(("edit", "message"), REFUSED)
def test_refused_in_one_line(edit, message):
    assert message in error_of(edit)


def test_a_story_has_a_most_of_scenes():
    full = edits.new_story("Full", ["x"] * MOST_SCENES)
    with pytest.raises(ThroughlineError, match=f"at most {MOST_SCENES} items"):
        edits.add_scene(full)


@given(STORIES, st.data())
def test_what_edits_make_is_valid(story, data):
    """What an edit gives can be stored and read again, and the story it began with stays what it was."""
    begun, before = story, story.model_dump_json()
    story = edits.add_scene(story, data.draw(st.integers(0, len(story.scenes))), prompt="x")
    scene = data.draw(st.sampled_from(story.scenes))
    added = story.model_dump_json()
    after = data.draw(st.sampled_from(every_edit(story, scene, data)))()
    assert story.model_dump_json() == added
    assert parse(Story, after.model_dump(mode="json")) == after
    assert len({scene.id for scene in after.scenes}) == len(after.scenes)
    assert begun.model_dump_json() == before


def every_edit(story: Story, scene: Scene, data: st.DataObject) -> list[Callable[[], Story]]:
    place = data.draw(st.integers(0, len(story.scenes) - 1))
    other = story.scenes[place]
    word = WordRef(scene=other.id, text="x")
    earlier = place < story.index(scene.id)
    return [
        lambda: edits.duplicate_scene(story, scene.id),
        lambda: edits.remove_scene(story, scene.id),
        lambda: edits.move_scene(story, scene.id, place),
        lambda: edits.edit_scene(story, scene.id, prompt="y", guidance={"text": 5}),
        lambda: (edits.pin_word if earlier else edits.release_word)(story, scene.id, word),
        lambda: (edits.mute_word if earlier else edits.release_word)(story, scene.id, word),
        lambda: edits.mute_scene(story, scene.id, other.id),
        lambda: edits.choose_take(story, scene.id, "t"),
        lambda: edits.remove_take(story, scene.id, "t"),
        lambda: edits.choose_keyframe(story, scene.id, "t", place, KEYFRAME),
    ]
