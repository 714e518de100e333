"""Edits of the cast: names that follow, merging, what is forgotten, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.cast import edits as cast_edits
from storyboard.document.cast.entries import CastState
from storyboard.document.conditioning import find_word
from storyboard.document.script import DialogueLine
from storyboard.document.story import Story, WordRef
from tests.storyboard.document.cast.casts import entry, picture, story_with

MIA = entry("Mia", picture("p1", "a", caption="Mia is dancing."), states=(CastState(name="wet"),))
CAR = entry("the blue car", picture("p2", "b"))


def prompts(story: Story) -> list[str]:
    return [scene.prompt for scene in story.scenes]


def test_what_mentions_a_name_follows_when_it_is_renamed() -> None:
    story = story_with(["Mia runs.", "The blue car and Mia's dog.", "Miami, Mia!"], MIA, CAR)
    story = edits.edit_shot(story, "a", caption="Look, Mia.")
    said = (DialogueLine(speaker="MIA", text="I am Mia."),)
    story = edits.edit_scene(story, "b", script={"cast": ("Mia",), "dialogue": said})
    renamed = cast_edits.rename_entry(story, "mia0", "Nora Fenn")
    assert prompts(renamed) == ["Nora Fenn runs.", "The blue car and Nora Fenn's dog.", "Miami, Nora Fenn!"]
    assert renamed.scenes[0].shot.caption == "Look, Nora Fenn."
    assert renamed.scenes[1].script.dialogue[0].text == "I am Nora Fenn."
    assert renamed.scenes[1].script.cast == ("Nora Fenn",) == (renamed.scenes[1].script.dialogue[0].speaker,)
    assert renamed.entry("mia0").pictures[0].caption == "Nora Fenn is dancing."
    car = cast_edits.rename_entry(renamed, "thebluecar0", "a red van")
    assert prompts(car)[1] == "A red van and Nora Fenn's dog."


def test_longer_names_of_others_are_left_alone() -> None:
    dog = entry("Mia's dog", picture("p3", "c"))
    story = story_with(["Mia and Mia's dog."], MIA, dog)
    assert prompts(cast_edits.rename_entry(story, "mia0", "Nora")) == ["Nora and Mia's dog."]
    one = entry("Actor 1", picture("p3", "c"))
    story = story_with(["Actor 1 and Actor 12."], one)
    assert prompts(cast_edits.rename_entry(story, "actor10", "Tom")) == ["Tom and Actor 12."]


def test_pins_and_mutes_stay_on_their_words() -> None:
    story = story_with(["Mia has a kite and Mia has a dog.", "Mia runs with the kite."], MIA)
    for word in (WordRef(scene="a", text="Mia", occurrence=1), WordRef(scene="a", text="kite")):
        story = edits.pin_word(story, "b", word)
    story = edits.mute_word(story, "b", WordRef(scene="mia0", text="Mia"))
    renamed = cast_edits.rename_entry(story, "mia0", "Professor Quill")
    first, _ = renamed.scenes
    found = [find_word(first.prompt, word) for word in renamed.scenes[1].pins]
    assert [first.prompt[a:b] for a, b in filter(None, found)] == ["Professor Quill", "kite"]
    assert found[0] == (31, 46)
    assert renamed.scenes[1].mutes == (WordRef(scene="mia0", text="Professor Quill"),)


def test_merging_keeps_one_person_with_all_pictures() -> None:
    lena = entry("Lena", picture("p4", "d"), others=("the girl",), states=(CastState(name="wet"),))
    story = story_with(["Lena runs.", "Mia and Lena."], MIA, lena)
    story = edits.mute_scene(story, "b", "lena0")
    story = cast_edits.choose_look(story, "lena0", "a", look="last seen")
    merged = cast_edits.merge_entries(story, "lena0", "mia0")
    (mia,) = merged.cast
    assert prompts(merged) == ["Mia runs.", "Mia and Mia."] and mia.names == ("Mia", "Lena", "the girl")
    assert [one.id for one in mia.pictures] == ["p1", "p4"] and len(mia.states) == 1
    assert merged.scenes[1].muted_scenes == ("mia0",)
    assert merged.scenes[0].cast_choices[0].entry == "mia0"
    with pytest.raises(ThroughlineError, match="can't be merged with itself"):
        cast_edits.merge_entries(story, "mia0", "mia0")


def test_deleting_forgets_what_scenes_said_of_an_entry() -> None:
    story = story_with(["Mia runs.", "Mia."], MIA)
    about = edits.pin_word(edits.mute_scene(story, "a", "mia0"), "b", WordRef(scene="mia0", text="Mia"))
    about = cast_edits.choose_look(cast_edits.choose_look(about, "mia0", "a", state="wet"), "mia0", look="last seen")
    bare = cast_edits.remove_entry(about, "mia0")
    assert bare == story_with(["Mia runs.", "Mia."]).model_copy(update={"id": bare.id})


def test_a_story_without_a_cast_is_written_as_before() -> None:
    story = story_with(["Mia runs."])
    assert not {"cast", "cast_choices"} & (story.model_dump().keys() | story.scenes[0].model_dump().keys())
    full = story_with(["Mia runs."], MIA, CAR)
    assert Story.model_validate_json(full.model_dump_json()) == full


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: cast_edits.add_entry(s, "mia"), "called 'mia', expected a name each"),
        (lambda s: cast_edits.add_entry(s, " "), "name is ' '"),
        (lambda s: cast_edits.add_entry(s, "Tom", colour="red"), "colour is 'red'"),
        (lambda s: cast_edits.edit_entry(s, "mia0", name="Tom"), "'name' of a cast entry can't be edited"),
        (lambda s: cast_edits.rename_entry(s, "mia0", "The Blue Car"), "expected a name each"),
        (lambda s: cast_edits.rename_entry(s, "nobody", "Tom"), "cast entry 'nobody' does not exist"),
        (lambda s: cast_edits.rename_entry(s, "mia0", "x" * 201), "at most 200"),
        (lambda s: cast_edits.edit_picture(s, "mia0", "p1", file="e" * 64), "'file' of a cast picture"),
        (lambda s: cast_edits.choose_look(s, "mia0", look="torn"), "look is 'torn'"),
        (lambda s: cast_edits.choose_look(s, "mia0", state="wet"), "expected a scene from which on"),
        (lambda s: cast_edits.remove_picture(s, "mia0", "p9"), "picture 'p9' does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_in_a_line(change, told: str) -> None:
    story = story_with(["Mia runs."], MIA, CAR)
    with pytest.raises(ThroughlineError, match=told) as caught:
        change(story)
    assert "\n" not in str(caught.value)


def test_a_picture_that_goes_is_chosen_no_more() -> None:
    story = cast_edits.choose_look(story_with(["Mia runs."], MIA), "mia0", "a", picture="p1")
    gone = cast_edits.remove_picture(story, "mia0", "p1")
    assert gone.entry("mia0").pictures == () and gone.scenes[0].cast_choices == ()
    other = cast_edits.add_picture(story, "mia0", picture("p5", "e"))
    assert [one.id for one in cast_edits.first_picture(other, "mia0", "p5").entry("mia0").pictures] == ["p5", "p1"]


NAMES = st.sampled_from(["Mia", "Nora", "Actor 1", "the kite", "Zoë Quill", "ミア"])


@given(NAMES, NAMES, st.lists(st.sampled_from(["{}", "and", "{}.", "Miami", "a dog", "'s"]), min_size=1, max_size=6))
def test_a_name_and_back_gives_the_same_story(old: str, new: str, words: list[str]) -> None:
    text = " ".join(words).replace("{}", old)
    story = story_with([text], entry("Mia", picture("p1", "a")).model_copy(update={"name": old, "id": "e1"}))
    there = cast_edits.rename_entry(story, "e1", new)
    assert cast_edits.rename_entry(there, "e1", old) == story
