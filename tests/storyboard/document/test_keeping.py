"""What a scene keeps of its former take, with the real filter: which words, when, and what it leaves alone."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from pipeline.text_filter import TextFilter
from storyboard.document import edits, keeping, plan
from storyboard.document.cast import edits as cast_edits
from storyboard.document.conditioning import conditioning_of, remembers
from storyboard.document.filter_cache import FilterCache
from storyboard.document.former import FormerTake, few_words_changed
from storyboard.document.plan import Standing
from storyboard.document.story import Board, Scene, Story, WordRef, parse
from storyboard.export.archive import media_of
from tests.storyboard.document.cast.casts import entry, picture, story_with
from tests.storyboard.document.test_story import take

FILTER = TextFilter.from_backbone()
CACHE = FilterCache(FILTER, FILTER)
PROMPTS = ["Mia is running on the beach.", "Mia in a red coat is dancing on the beach.", "A dog is sleeping."]
BLUE = "Mia in a blue coat is dancing on the beach."
RED, OTHER = PROMPTS[1], "A robot is waving in the kitchen."


def stand(board: Board) -> dict[str, Standing]:
    return plan.standings(board, CACHE, "m")


def rendered(board: Board, *scenes: str) -> Board:
    """With a take of these scenes, or of all, as they are now."""
    for scene in scenes or tuple(scene.id for scene in board.story.scenes):
        number = len(board.takes)
        conditioning = conditioning_of(board, scene, remembers(board, scene, CACHE), "m")
        made = take(f"t{number}", scene, keyframe=f"{number:x}" * 64, conditioning=conditioning)
        board = Board(edits.choose_take(board.story, scene, made.id), {**board.takes, made.id: made})
    return board


def edited(board: Board, prompt: str, scene: str = "b") -> Board:
    return replace(board, story=keeping.edit_scene(board, scene, prompt=prompt))


def kept(board: Board, scene: str = "b") -> list[tuple[str, tuple[str, ...]]]:
    made = stand(board)[scene].conditioning
    assert made is not None
    return [(memory.scene, memory.words) for memory in made.memories]


FILM = rendered(Board(story_with(PROMPTS)))
CHANGED = edited(FILM, BLUE)


# Which words


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (RED, BLUE, ["dancing", "beach"]),
        ("Mia is running.", "Mia is skiing.", ["Mia"]),
        ("A dog in a red coat is on the beach.", "A cat in a red coat is on the beach.", ["beach"]),
        ("Mia in a red coat is running.", "Mia in a red coat is skiing.", ["Mia", "red", "coat"]),
        ("Mia's red coat is on the chair.", "Mia's blue coat is on the chair.", ["chair"]),
        ("Mia is running.", "Mia in a hat is running.", ["running"]),
        ("Mia in a hat is running.", "Mia is running.", ["running"]),
        ("A black cat is sleeping.", "A white cat is sleeping.", ["sleeping"]),
        ("一只黑猫在海滩上跑。", "一只白猫在海滩上跑。", ["海滩", "跑"]),
        (RED, OTHER, []),
    ],
)
def test_what_did_not_change_is_kept_and_nothing_of_what_did(before: str, now: str, words: list[str]) -> None:
    found = FILTER([before], now, threshold=None, former=0)
    assert [word.text for word in found.scenes[0].words if word.kept] == words
    assert [word.text for word in found.current if word.kept] == words


def test_earlier_scenes_give_what_they_gave() -> None:
    plain = FILTER(PROMPTS[:1], BLUE, threshold=None)
    both = FILTER([PROMPTS[0], RED], BLUE, threshold=None, former=1)
    assert both.scenes[0] == plain.scenes[0]


# When


@pytest.mark.parametrize(
    ("before", "now", "few"),
    [
        (RED, BLUE, True),
        (RED, "Mia with long brown hair is dancing on the beach.", True),
        ("A dog runs.", "A cat runs.", True),
        ("A dog runs.", "A cat sleeps.", False),
        (RED, "Tom in a red coat is dancing in the forest.", False),
        (RED, OTHER, False),
        ("一只黑猫在海滩上跑。", "一只白猫在海滩上跑。", True),
        (RED, "", False),
    ],
)
def test_by_itself_it_is_kept_where_one_phrase_changed(before: str, now: str, few: bool) -> None:
    assert few_words_changed(before, now) is few


def test_an_edit_of_few_words_keeps_the_rest_and_says_so() -> None:
    assert kept(CHANGED) == [("a", ("Mia", "beach")), ("b", ("dancing", "beach"))]
    found = stand(CHANGED)["b"]
    assert found.state == "stale" and "keeps the rest of its former take" in found.reasons
    assert found.needs == ("a",)
    again = rendered(CHANGED, "b")
    assert stand(again)["b"].state == "fresh"


def test_it_can_be_switched_off_and_on() -> None:
    off = replace(CHANGED, story=keeping.keep_rest(CHANGED, "b", False))
    assert kept(off) == [("a", ("Mia", "beach"))]
    on = replace(off, story=keeping.keep_rest(off, "b", True))
    assert kept(on) == kept(CHANGED)
    much = edited(FILM, OTHER)
    assert kept(much) == [] and kept(replace(much, story=keeping.keep_rest(much, "b", True))) == []
    with pytest.raises(ThroughlineError, match="nothing to keep"):
        keeping.keep_rest(FILM, "b", True)


def test_what_is_typed_on_the_way_does_not_matter() -> None:
    board = FILM
    for text in (RED[:9], "", OTHER, BLUE[:20], BLUE):
        board = edited(board, text)
    assert board.story == CHANGED.story


def test_going_back_by_hand_makes_the_old_take_fresh_again() -> None:
    assert edited(CHANGED, RED).story == FILM.story
    again = rendered(CHANGED, "b")
    back = edited(edited(again, OTHER), BLUE)  # the take of these words kept the rest of the one before
    assert stand(back)["b"].state == "fresh"
    first = edited(again, RED)
    assert first.story.scene("b").keep is None
    assert stand(plan.settle(first, CACHE, "m"))["b"].state == "fresh"


def test_the_next_edit_is_of_the_take_that_is_shown() -> None:
    again = edited(rendered(CHANGED, "b"), "Mia in a blue coat is skiing on the beach.")
    keep = again.story.scene("b").keep
    assert keep is not None and keep.prompt == BLUE and keep.take == "t3"


def test_what_changed_before_the_scene_since_its_take_is_not_held_back_by_itself() -> None:
    other = rendered(FILM, "a")  # another keyframe of Mia
    assert kept(edited(other, BLUE)) == [("a", ("Mia", "beach"))]
    board = edited(other, BLUE)
    assert ("b", ("dancing", "beach")) in kept(replace(board, story=keeping.keep_rest(board, "b", True)))


# With the rest of the document


def test_a_word_of_the_former_take_can_be_muted_and_a_changed_one_pinned() -> None:
    muted = replace(CHANGED, story=edits.mute_word(CHANGED.story, "b", WordRef(scene="b", text="dancing")))
    assert kept(muted) == [("a", ("Mia", "beach")), ("b", ("beach",))]
    pinned = replace(CHANGED, story=edits.pin_word(CHANGED.story, "b", WordRef(scene="b", text="coat")))
    assert kept(pinned)[1] == ("b", ("Mia in a red coat", "dancing", "beach"))
    assert kept(replace(CHANGED, story=edits.mute_scene(CHANGED.story, "b", "b"))) == [("a", ("Mia", "beach"))]
    with pytest.raises(ThroughlineError, match="not in a scene before"):
        edits.pin_word(FILM.story, "b", WordRef(scene="b", text="coat"))


def test_the_cast_outranks_it() -> None:
    mia = entry("Mia", picture("p1", "a", caption="Mia is dancing on the beach."))
    skis = RED.replace("dancing", "skiing")
    assert ("b", ("Mia in a red coat", "beach")) in kept(edited(FILM, skis))
    board = rendered(Board(story_with(PROMPTS, mia)))
    assert kept(edited(board, skis)) == [("a", ("beach",)), ("b", ("beach",)), ("mia0", ("Mia",))]
    seen = replace(board, story=cast_edits.choose_look(board.story, "mia0", "b", look="last seen"))
    seen = rendered(seen, "b")
    assert kept(edited(seen, skis)) == [("a", ("Mia", "beach")), ("b", ("beach",))]


def test_a_copy_of_a_scene_was_before_what_that_was() -> None:
    muted = replace(CHANGED, story=edits.mute_word(CHANGED.story, "b", WordRef(scene="b", text="dancing")))
    again = rendered(muted, "b")
    story = edits.mute_scene(edits.duplicate_scene(again.story, "b", "z"), "z", "b")
    copy = edits.copied_take(again, "b", story.scene("z"))
    assert copy is not None
    board = Board(edits.choose_take(story, "z", "z"), {**again.takes, "z": copy})
    assert kept(board, "z") == [("a", ("Mia", "beach")), ("z", ("beach",))]
    assert stand(board)["z"].state == "fresh" and keeping.kept_by(board, copy) == keeping.kept_by(
        again, again.takes["t3"]
    )


def test_a_locked_scene_knows_what_it_was_and_stays() -> None:
    locked = replace(FILM, story=edits.edit_scene(FILM.story, "b", locked=True))
    board = edited(locked, BLUE)
    assert board.story.scene("b").keep and plan.make_plan(board, stand(board)).steps == ()


def test_a_deleted_take_is_kept_all_the_same_and_its_picture_travels() -> None:
    keep = CHANGED.story.scene("b").keep
    assert keep is not None
    gone = replace(CHANGED, story=edits.remove_take(CHANGED.story, "b", keep.take))
    assert kept(gone) == kept(CHANGED)
    assert (keep.keyframe, "png") in media_of(replace(gone, takes={}))
    assert stand(edited(gone, RED))["b"].conditioning == stand(FILM)["b"].conditioning  # nothing of a deleted take


def test_a_name_that_changes_everywhere_changes_what_it_was_too() -> None:
    mia = entry("Mia")
    story = cast_edits.put_entry(CHANGED.story, mia)
    renamed = replace(CHANGED, story=cast_edits.rename_entry(story, "mia0", "Nora"))
    assert kept(renamed) == [("a", ("Nora", "beach")), ("b", ("dancing", "beach"))]


def test_stories_that_keep_nothing_are_written_as_before() -> None:
    assert "keep" not in FILM.story.model_dump(mode="json")["scenes"][1]
    again = parse(Story, CHANGED.story.model_dump(mode="json"))
    assert again == CHANGED.story
    with pytest.raises(ThroughlineError, match=r"keep\.keyframe"):
        parse(Scene, {"id": "a", "keep": {"take": "t", "prompt": "x", "keyframe": "none"}})


TEXTS = st.lists(
    st.sampled_from(["Mia", "the blue car", "a dog", "the beach", "running", "in a red coat", "in a blue coat"]),
    min_size=1, max_size=4,
).map(" ".join)  # fmt: skip


def digests(board: Board) -> Mapping[str, str]:
    return {scene: found.conditioning.digest() for scene, found in stand(board).items() if found.conditioning}


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=4), st.integers(0, 3), TEXTS, st.sampled_from([None, True, False]))
def test_nothing_but_a_scene_that_keeps_something_changes(
    prompts: list[str], place: int, former: str, on: bool | None
) -> None:
    story = story_with(prompts)
    scene = story.scenes[place % len(prompts)].id
    keep = FormerTake(take="t", prompt=former, keyframe="f" * 64, on=on)
    board = Board(edits.set_keep(story, scene, keep))
    before, after = digests(Board(story)), digests(board)
    kept_by = {scene} if scene in dict(kept(board, scene)) else set()
    assert {other for other in before if before[other] != after[other]} == kept_by


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=4), st.integers(0, 3), TEXTS)
def test_the_plan_and_the_render_decide_the_same(prompts: list[str], place: int, former: str) -> None:
    story = story_with(prompts, entry("Mia", picture("p1", "a")))
    scene = story.scenes[place % len(prompts)].id
    keep = FormerTake(take="t", prompt=former, keyframe="f" * 64, on=True)
    board = Board(edits.set_keep(story, scene, keep))
    decision = remembers(board, scene, FILTER)
    assert conditioning_of(board, scene, decision, "m").digest() == digests(board)[scene]
    only = decision.only(decision.contributing)
    assert [word.kept for word in only.current] == [word.kept for word in decision.current]
