"""What scenes make of the cast, with the real filter: what is kept, what is outranked, which picture, and why."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from pipeline.text_filter import TextFilter
from storyboard.document import edits, plan
from storyboard.document.cast import edits as cast_edits
from storyboard.document.cast.entries import CastState
from storyboard.document.conditioning import conditioning_of, remembers
from storyboard.document.filter_cache import FilterCache
from storyboard.document.plan import Standing
from storyboard.document.story import Board, Conditioning, Story, WordRef
from tests.storyboard.document.cast.casts import entry, picture, story_with
from tests.storyboard.document.test_story import take

FILTER = TextFilter.from_backbone()
CACHE = FilterCache(FILTER, FILTER)
MIA = entry("Mia", picture("p1", "a", caption="Mia is dancing on the beach."))
PROMPTS = [
    "Mia is running on the beach.",
    "A dog is sleeping in the forest.",
    "Mia is skiing on the snow.",
    "Mia is reading in the kitchen.",
]


def stand(story: Story) -> dict[str, Standing]:
    return plan.standings(Board(story), CACHE, "m")


def kept(found: Standing) -> list[tuple[str, tuple[str, ...]]]:
    assert found.conditioning is not None
    return [(memory.scene, memory.words) for memory in found.conditioning.memories]


def test_an_entry_outranks_earlier_scenes_for_its_mention_and_gives_nothing_else() -> None:
    found = stand(story_with(PROMPTS, MIA))
    assert kept(found["a"]) == [("mia0", ("Mia",))]  # not the beach of its caption
    assert kept(found["b"]) == []
    assert kept(found["c"]) == kept(found["d"]) == [("mia0", ("Mia",))]
    assert found["d"].needs == () and [anchor.why for anchor in found["d"].cast] == ["it is the only one"]


def test_without_the_entry_earlier_scenes_are_remembered_as_before() -> None:
    story = story_with(PROMPTS, MIA)
    bare = story_with(PROMPTS)
    assert kept(stand(bare)["d"]) == [("a", ("Mia",)), ("c", ("Mia",))]
    assert kept(stand(cast_edits.remove_entry(story, "mia0"))["d"]) == kept(stand(bare)["d"])


def test_as_last_seen_remembers_the_last_scene_alone() -> None:
    story = cast_edits.choose_look(story_with(PROMPTS, MIA), "mia0", "d", look="last seen")
    found = stand(story)
    assert kept(found["d"]) == [("c", ("Mia",))] and found["d"].needs == ("c",)
    assert kept(found["c"]) == [("mia0", ("Mia",))]


def test_as_last_seen_for_the_whole_story_begins_with_the_picture_and_a_scene_may_differ() -> None:
    story = cast_edits.choose_look(story_with(PROMPTS, MIA), "mia0", look="last seen")
    story = cast_edits.choose_look(story, "mia0", "d", look="cast")
    found = stand(story)
    assert kept(found["a"]) == [("mia0", ("Mia",))]
    assert kept(found["c"]) == [("a", ("Mia",))] and kept(found["d"]) == [("mia0", ("Mia",))]


def test_the_picture_may_be_remembered_beside_earlier_scenes() -> None:
    story = cast_edits.choose_look(story_with(PROMPTS, MIA), "mia0", look="both")
    found = stand(cast_edits.choose_look(story, "mia0", "c", look="cast"))
    assert kept(found["a"]) == [("mia0", ("Mia",))]
    assert kept(found["d"]) == [("a", ("Mia",)), ("c", ("Mia",)), ("mia0", ("Mia",))] and found["d"].needs == ("a", "c")
    assert kept(found["c"]) == [("mia0", ("Mia",))], "a scene may differ"


def test_beside_earlier_scenes_a_state_begins_where_it_was_named() -> None:
    wet = entry("Mia", *MIA.pictures, picture("p2", "b", state="wet"), states=(CastState(name="wet", words="soaked"),))
    prompts = ["Mia is running.", "Mia, wet, is walking.", "Mia is reading.", "Mia is singing."]
    story = cast_edits.choose_look(story_with(prompts, wet), "mia0", look="both")
    found = stand(story)
    assert [[scene for scene, _ in kept(found[key])] for key in "bcd"] == [["mia0"], ["b", "mia0"], ["b", "c", "mia0"]]


def test_a_pinned_word_is_not_outranked_and_an_entry_can_be_muted() -> None:
    story = story_with(PROMPTS, MIA)
    pinned = edits.pin_word(story, "d", WordRef(scene="a", text="Mia"))
    assert kept(stand(pinned)["d"]) == [("a", ("Mia",)), ("mia0", ("Mia",))]
    assert kept(stand(edits.mute_scene(story, "d", "mia0"))["d"]) == [("a", ("Mia",)), ("c", ("Mia",))]
    muted = edits.mute_word(story, "d", WordRef(scene="mia0", text="Mia"))
    assert kept(stand(muted)["d"]) == [("a", ("Mia",)), ("c", ("Mia",))]


def test_a_state_holds_from_the_scene_that_names_it_until_another_one() -> None:
    wet = entry("Mia", *MIA.pictures, picture("p2", "b", state="wet"), states=(CastState(name="wet", words="soaked"),))
    prompts = ["Mia is running.", "Mia, wet, is walking.", "Mia is reading.", "Mia, as usual, is singing."]
    found = stand(story_with(prompts, wet))
    assert [found[scene].cast[0].picture.id for scene in "abcd"] == ["p1", "p2", "p2", "p1"]
    assert found["c"].cast[0].why == "it shows Mia, wet" and found["c"].cast[0].prompt == "Mia, soaked."


def test_a_state_without_a_picture_is_remembered_from_where_it_was_named() -> None:
    torn = entry("Mia", *MIA.pictures, states=(CastState(name="muddy"),))
    prompts = ["Mia is running.", "Muddy Mia is walking.", "Mia is reading.", "Mia is singing."]
    found = stand(story_with(prompts, torn))
    assert kept(found["b"])[-1] == ("mia0", ("Mia",)) or kept(found["b"])[-1][0] == "mia0"
    assert [scene for scene, _ in kept(found["c"])] == ["b"] and [scene for scene, _ in kept(found["d"])] == ["c"]


def test_the_picture_that_fits_is_looked_at_and_it_is_told_why() -> None:
    views = entry(
        "Mia", picture("p1", "a"), picture("p2", "b", view="from behind"), picture("p3", "c", caption="Mia skiing."),
    )  # fmt: skip
    story = story_with(["Mia is seen from behind.", "Mia is skiing.", "Mia is reading."], views)
    assert [(found.cast[0].picture.id, found.cast[0].why) for found in stand(story).values()] == [
        ("p2", "the prompt says *from behind*"),
        ("p3", "its caption has *skiing* too"),
        ("p1", "it is the first one"),
    ]
    chosen = cast_edits.choose_look(story, "mia0", "c", picture="p2")
    assert stand(chosen)["c"].cast[0].why == "it was chosen"


def test_another_name_is_as_good_as_the_first() -> None:
    blue = entry("the blue car", picture("p1", "a", caption="The blue car is on the road."), others=("Bessie",))
    found = stand(story_with(["Bessie is in the garage.", "The blue car is on the beach.", "A dog."], blue))
    assert [kept(standing)[0][0] if kept(standing) else None for standing in found.values()] == [
        "thebluecar0", "thebluecar0", None,
    ]  # fmt: skip


def test_why_stale_names_the_cast() -> None:
    story = story_with(PROMPTS, MIA)
    made = rendered(Board(story))
    other = cast_edits.put_entry(made.story, entry("Mia", picture("p9", "e", caption=MIA.pictures[0].caption)))
    found = plan.standings(Board(other, made.takes), CACHE, "m")
    assert {scene: standing.reasons for scene, standing in found.items() if standing.reasons} == dict.fromkeys(
        "acd", ("the cast picture of *Mia* changed",)
    )
    bare = plan.standings(Board(cast_edits.remove_entry(made.story, "mia0"), made.takes), CACHE, "m")
    assert bare["a"].reasons == ("no longer remembers *Mia* of a scene that was deleted",)


def rendered(board: Board) -> Board:
    """With a take of every scene that is fresh."""
    for number, scene in enumerate(board.story.scenes):
        conditioning = conditioning_of(board, scene.id, remembers(board, scene.id, CACHE), "m")
        made = take(f"t{number}", scene.id, keyframe=f"{number}" * 64, conditioning=conditioning)
        board = Board(edits.choose_take(board.story, scene.id, made.id), {**board.takes, made.id: made})
    return board


TEXTS = st.lists(
    st.sampled_from(["Mia", "the blue car", "a dog", "the beach", "running", "Mia, wet,", "a red coat"]),
    min_size=1, max_size=4,
).map(" ".join)  # fmt: skip
CHOICES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["cast", "last seen", ""])), max_size=3)


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), CHOICES)
def test_what_changes_of_an_entry_changes_no_scene_that_keeps_nothing_of_it(
    prompts: list[str], choices: list[tuple[int, str]]
) -> None:
    car = entry("the blue car", picture("p5", "c"))
    story = story_with(prompts, MIA, car)
    for place, look in choices:
        story = cast_edits.choose_look(story, "mia0", story.scenes[place % len(story.scenes)].id, look=look)
    other = entry("Mia", picture("p6", "d", caption="Mia is dancing on the beach."))
    before, after = (digests(one) for one in (story, cast_edits.put_entry(story, other)))
    kept_by = {scene for scene, found in stand(story).items() if "mia0" in dict(kept(found))}
    assert {scene for scene in before if before[scene] != after[scene]} == kept_by


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), CHOICES)
def test_the_plan_and_the_render_decide_the_same(prompts: list[str], choices: list[tuple[int, str]]) -> None:
    story = story_with(prompts, MIA, entry("the blue car", picture("p5", "c")))
    for place, look in choices:
        story = cast_edits.choose_look(story, "mia0", story.scenes[place % len(story.scenes)].id, look=look)
    planned = digests(story)
    for scene in story.scenes:
        decision = remembers(Board(story), scene.id, FILTER)
        assert conditioning_of(Board(story), scene.id, decision, "m").digest() == planned[scene.id]
        only = decision.only(decision.contributing)
        assert [word.kept for word in only.current] == [word.kept for word in decision.current]


@settings(max_examples=15, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_cast_that_nobody_mentions_leaves_all_digests_as_they_are(prompts: list[str]) -> None:
    nobody = entry("Professor Quill", picture("p7", "f", caption="Professor Quill is waving."))
    assert digests(story_with(prompts, nobody)) == digests(story_with(prompts))


def digests(story: Story) -> Mapping[str, str]:
    return {scene: found.conditioning.digest() for scene, found in stand(story).items() if found.conditioning}


def test_a_choice_needs_an_entry_and_a_picture_that_exist() -> None:
    story = story_with(PROMPTS, MIA)
    with pytest.raises(Exception, match="'nobody' does not exist"):
        cast_edits.choose_look(story, "nobody", "a", look="cast")
    with pytest.raises(Exception, match="picture 'p3' does not exist in cast entry 'Mia'"):
        cast_edits.choose_look(story, "mia0", "a", picture="p3")


# --- what was taught -------------------------------------------------------------------------------------------------


def taught(story: Story, file: str = "f", model: str = "m") -> Story:
    return cast_edits.teach_entry(story, "mia0", file * 64, model)


def test_scenes_that_name_a_taught_entry_are_made_with_it_and_no_others() -> None:
    plain = stand(story_with(PROMPTS, MIA))
    elsewhere = taught(story_with(PROMPTS, MIA), model="another")
    for same in (elsewhere, cast_edits.weigh_entry(taught(story_with(PROMPTS, MIA)), "mia0", 0)):
        assert [one.conditioning for one in stand(same).values()] == [one.conditioning for one in plain.values()]
    found = stand(taught(story_with(PROMPTS, MIA)))
    for name in "acd":
        now, before = found[name].conditioning, plain[name].conditioning
        assert now and before and [worn.file for worn in now.adapters] == ["f" * 64]
        assert now.digest() != before.digest() and now.model_copy(update={"adapters": ()}) == before
    assert found["b"].conditioning == plain["b"].conditioning


def test_a_take_says_why_it_is_stale_when_what_was_taught_changes() -> None:
    story = story_with(PROMPTS[:1], MIA)
    once, again = taught(story), taught(story, "e")
    weaker = cast_edits.weigh_entry(once, "mia0", 0.5)
    made = {name: conditioned(one) for name, one in
            (("plain", story), ("once", once), ("again", again), ("weaker", weaker))}  # fmt: skip
    [worn] = made["once"].adapters
    made["by another version"] = made["once"].model_copy(
        update={"adapters": (worn.model_copy(update={"followed": 0}),)}
    )
    for before, now, why in (
        ("plain", "once", "*Mia* was taught"),
        ("by another version", "once", "how scenes follow what *Mia* was taught changed"),
        ("once", "again", "*Mia* was taught again"),
        ("once", "weaker", "how strongly *Mia* was taught 1 → 0.5"),
        ("once", "plain", "what was taught of *Mia* does not count any more"),
    ):
        assert plan.why_stale(story, made[before], made[now]) == (why,)


def conditioned(story: Story) -> Conditioning:
    found = stand(story)["a"].conditioning
    assert found is not None
    return found


def test_which_entry_was_taught_does_not_count_and_entries_are_written_as_they_were() -> None:
    made = conditioned(taught(story_with(PROMPTS[:1], MIA)))
    other = made.model_copy(update={"adapters": tuple(a.model_copy(update={"entry": "x"}) for a in made.adapters)})
    assert other.digest() == made.digest()
    first = made.adapters[0].model_copy(update={"followed": 0})
    assert first.model_dump().keys() == {"entry", "file", "strength"}
    assert made.model_copy(update={"adapters": (first,)}).digest() != made.digest()
    assert "taught" not in MIA.model_dump() and "adapters" not in conditioned(story_with(PROMPTS[:1], MIA)).model_dump()


def test_nothing_weighs_what_was_not_taught_and_teaching_again_keeps_the_strength() -> None:
    story = story_with(PROMPTS, MIA)
    with pytest.raises(ThroughlineError, match="'Mia' was not taught"):
        cast_edits.weigh_entry(story, "mia0", 0.5)
    again = taught(cast_edits.weigh_entry(taught(story), "mia0", 0.5), "e").entry("mia0").taught
    assert again and (again.strength, again.file) == (0.5, "e" * 64)
    assert cast_edits.untaught_entry(taught(story), "mia0") == story
