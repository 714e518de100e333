"""Whom nobody describes, with the real filter: who is cast, who is not, and what of it scenes tell."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits, keeping, plan
from storyboard.document.cast import edits as cast_edits
from storyboard.document.cast.castings import castings_of, is_casting
from storyboard.document.cast.entries import CastEntry
from storyboard.document.conditioning import Past, conditioning_of, remembers
from storyboard.document.region_edit import RegionEdit, RegionWords
from storyboard.document.story import Board, ScenePicture, Story, WordRef
from tests.storyboard.document.cast.casts import entry, picture, story_with
from tests.storyboard.document.cast.test_anchoring import CACHE, FILTER, PROMPTS, kept, stand
from tests.storyboard.document.test_story import take

MIA, WEARS = "Mia is running on the beach.", "Mia in a red coat is running on the beach."


def cast_story(prompts: list[str], *entries: CastEntry) -> Story:
    return cast_edits.cast_by_model(story_with(prompts, *entries))


def captions(board: Board) -> list[list[str]]:
    """Of every scene's castings."""
    return [[one.prompt for one in Past.of(board, scene.id).drawn] for scene in board.story.scenes]


def shown(board: Board, scene: str, **fields: object) -> Board:
    """With a take of a scene, chosen."""
    made = take(f"take{scene}", scene, **fields)
    return replace(board, story=edits.choose_take(board.story, scene, made.id), takes={**board.takes, made.id: made})


def test_a_casting_is_remembered_beside_earlier_scenes_and_gives_its_name_alone() -> None:
    found = stand(cast_story(PROMPTS))
    mia = found["a"].cast[0].id
    assert is_casting(mia) and kept(found["a"]) == [(mia, ("Mia",))] and found["a"].needs == ()
    assert kept(found["d"]) == [("a", ("Mia",)), ("c", ("Mia",)), (mia, ("Mia",))] and found["d"].needs == ("a", "c")
    assert [len(standing.cast) for standing in found.values()] == [1, 1, 1, 1]  # the dog is somebody else
    assert found["b"].cast[0].entry.name == "dog"


def test_nobody_is_cast_where_the_story_says_so() -> None:
    bare, story = story_with(PROMPTS), cast_story(PROMPTS)
    for off in (bare, cast_edits.cast_by_model(story, on=False), cast_edits.fitted(story, False)):
        assert [kept(one) for one in stand(off).values()] == [kept(one) for one in stand(bare).values()]
    assert cast_edits.fitted(bare, True) == bare
    again = cast_edits.fitted(cast_edits.fitted(story, False), True)
    assert again == story == cast_edits.cast_by_model(cast_edits.cast_by_model(story, on=False), on=True)


def test_an_entry_with_a_picture_takes_the_place_and_one_without_does_not() -> None:
    assert captions(Board(cast_story([MIA], entry("Mia", picture("p1", "a"))))) == [[]]
    assert captions(Board(cast_story(["The dog runs."], entry("the dog", picture("p1", "a"))))) == [[]]
    assert captions(Board(cast_story([MIA], entry("Mia")))) == [["Mia is here."]]


def test_what_was_said_of_a_look_holds_until_something_else_is_said() -> None:
    board = Board(cast_story([MIA, WEARS, MIA, "Mia in a blue coat waves."]))
    red, blue = "Mia in a red coat is here.", "Mia in a blue coat is here."
    assert captions(board) == [["Mia is here."], [red], [red], [blue]]
    assert len({one.id for scene in "abcd" for one in Past.of(board, scene).drawn}) == 1
    _, worn, still_worn, other = [one.keyframe for scene in "abcd" for one in Past.of(board, scene).drawn]
    assert worn == still_worn != other  # before anything was said, a story may well draw her in red


def test_two_of_one_name_are_two() -> None:
    found = Past.of(Board(cast_story(["A ginger cat and a grey cat play.", "The cat sleeps."])), "a").drawn
    assert len({one.id for one in found}) == len({one.keyframe for one in found}) == 2


def test_a_scene_remembers_the_picture_with_which_it_begins_where_the_model_casts() -> None:
    """All that its prompt says, word for word, and nothing of it if it continues another or keeps its former take."""
    first = ScenePicture(file="c" * 64)
    story = cast_story([MIA, "Mia is dancing in the kitchen."])
    pictured = edits.set_picture(story, "b", "first", first)
    made = stand(pictured)["b"].conditioning
    assert made is not None and [(one.scene, one.keyframe, one.words) for one in made.memories] == [
        ("a", None, ("Mia",)), ("b", first.file, ("Mia", "dancing", "kitchen"))
    ]  # fmt: skip
    assert stand(pictured)["b"].needs == ("a",)
    off = stand(cast_edits.cast_by_model(pictured, on=False))["b"].conditioning
    assert off is not None and [one.scene for one in off.memories] == ["a"]
    muted = edits.mute_word(pictured, "b", WordRef(scene="b", text="kitchen", occurrence=0))
    assert kept(stand(muted)["b"])[-1] == ("b", ("Mia", "dancing"))
    assert [one for one, _ in kept(stand(edits.mute_scene(pictured, "b", "b"))["b"])] == ["a"]


def test_a_scene_says_that_it_remembers_its_picture_now() -> None:
    first, other = (ScenePicture(file=letter * 64) for letter in "ce")
    story = edits.set_picture(cast_story([MIA]), "a", "first", first)
    without = stand(cast_edits.cast_by_model(story, on=False))["a"].conditioning

    def reasons(story: Story, made_from: object) -> tuple[str, ...]:
        return plan.standings(shown(Board(story), "a", conditioning=made_from), CACHE, "m")["a"].reasons

    assert reasons(story, without) == ("now remembers its first picture",)
    made = stand(story)["a"].conditioning
    assert reasons(cast_edits.cast_by_model(story, on=False), made) == ("no longer remembers its first picture",)
    assert reasons(edits.set_picture(story, "a", "first", other), made) == ("its first picture changed",)
    muted = edits.mute_word(story, "a", WordRef(scene="a", text="beach", occurrence=0))
    assert reasons(muted, made) == ("remembers *Mia*, *running* of its first picture",)


def test_what_was_said_of_a_picture_goes_with_it() -> None:
    first, other = (ScenePicture(file=letter * 64) for letter in "ce")
    story = edits.set_picture(cast_story([MIA]), "a", "first", first)
    story = edits.mute_word(story, "a", WordRef(scene="a", text="beach", occurrence=0))
    story = edits.mute_scene(story, "a", "a")
    for now in (other, None):
        scene = edits.set_picture(story, "a", "first", now).scene("a")
        assert not scene.mutes and not scene.muted_scenes
    assert edits.set_picture(story, "a", "last", other).scene("a").mutes


def test_a_take_that_remembers_its_picture_kept_no_former_take() -> None:
    """And whose scene begins with another picture now keeps nothing of it by itself."""
    first, other = (ScenePicture(file=letter * 64) for letter in "ce")
    story = edits.set_picture(cast_story([MIA]), "a", "first", first)
    board = shown(Board(story), "a", conditioning=stand(story)["a"].conditioning)
    (made,) = board.takes.values()
    assert keeping.kept_by(board, made) is None and made.own_memory
    words = "Mia is running on the farm."
    edited = keeping.edit_scene(board, "a", prompt=words)
    assert edited.scene("a").keep and edited.scene("a").keep.kept_for(words)
    replaced = replace(board, story=edits.set_picture(board.story, "a", "first", other))
    kept_then = keeping.edit_scene(replaced, "a", prompt=words).scene("a").keep
    assert kept_then and kept_then.on is False
    told = plan.standings(replace(board, story=edited), CACHE, "m")["a"].reasons
    assert "keeps the rest of its former take" in told and "no longer remembers its first picture" in told


def test_a_ruling_about_what_is_never_remembered_stops_no_scene() -> None:
    """A word may become one by an edit of the prompt."""
    story = cast_story(["Mia holds the camera in the kitchen.", MIA])
    for ruled in (edits.mute_word, edits.pin_word):
        told = ruled(story, "b", WordRef(scene="a", text="camera", occurrence=0))
        told = edits.edit_scene(told, "a", prompt="The camera follows Mia in the kitchen.")
        assert kept(stand(told)["b"])[0] == ("a", ("Mia",))


@pytest.mark.parametrize("own", ["edited", "imported", "first picture"])
def test_a_clip_of_ones_own_says_how_they_look_from_there_on(own: str) -> None:
    board = Board(cast_story([MIA, MIA, MIA]))
    if own == "first picture":
        story = edits.set_picture(board.story, "b", "first", ScenePicture(file="a" * 64))
        assert captions(Board(story)) == [["Mia is here."], [], []]
        return
    edit = RegionEdit(regions=(RegionWords(word="Mia", words="Mia in a green hat"),), source="b" * 64)
    made = conditioning_of(board, "b", remembers(board, "b", FILTER), "m")
    about = {"conditioning": made.model_copy(update={"edits": (edit,)})} if own == "edited" else {"source": "imported"}
    assert captions(shown(board, "b", **about)) == [["Mia is here."], ["Mia is here."], []]
    assert captions(shown(board, "b", conditioning=made)) == [["Mia is here."]] * 3


def test_a_scene_that_shows_a_clip_of_ones_own_lists_nobody() -> None:
    board = Board(cast_story([MIA, "A dog sleeps."]))
    listed = [(scene.id, anchor.entry.name) for scene, anchor in castings_of(shown(board, "b", source="imported"))]
    assert listed == [("a", "Mia")]
    made = conditioning_of(board, "b", remembers(board, "b", FILTER), "m")
    assert len(list(castings_of(shown(board, "b", conditioning=made)))) == 2


def test_somebody_else_makes_the_scenes_stale_that_show_them_and_says_why() -> None:
    story = cast_story(PROMPTS)
    board = Board(story)
    for scene, standing in stand(story).items():
        board = shown(board, scene, conditioning=standing.conditioning)
    other = replace(board, story=cast_edits.recast(board, "Mia"))
    found = plan.standings(other, CACHE, "m")
    assert {scene for scene, one in found.items() if "*Mia* was cast anew" in one.reasons} == {"a", "c", "d"}
    assert plan.standings(board, CACHE, "m")["b"].state == found["b"].state == "fresh"
    assert cast_edits.recast(other, "Mia").casting != other.story.casting


@pytest.mark.parametrize("name", ["Sofia", "Tom", "Mia and Tom", "", "the dog", "mia"])
def test_a_name_that_was_not_cast_is_refused(name: str) -> None:
    with pytest.raises(ThroughlineError, match=r"a name that the model has cast in this story: Mia, dog$"):
        cast_edits.recast(Board(cast_story([MIA, "A dog sleeps."])), name)


def test_an_entry_is_not_cast_anew_nor_anybody_where_nobody_is_cast() -> None:
    for story in (cast_story([MIA], entry("Mia", picture("p1", "a"))), story_with([MIA])):
        with pytest.raises(ThroughlineError, match="cast in this story: it has cast nobody"):
            cast_edits.recast(Board(story), "Mia")


def test_two_of_a_kind_are_told_apart() -> None:
    board = Board(cast_story(["A ginger cat and a grey cat are dancing.", "The grey cat and Mia sleep."]))
    (_, ginger), (_, grey), (_, again), (_, mia) = castings_of(board)
    assert [one.entry.name for one in (ginger, grey, again, mia)] == ["ginger cat", "grey cat", "cat", "Mia"]
    assert again.id == grey.id != ginger.id and again.picture.file == grey.picture.file
    drawn = {anchor.prompt: anchor.picture.file for _, anchor in castings_of(board)}
    other = {
        anchor.prompt: anchor.picture.file
        for _, anchor in castings_of(replace(board, story=cast_edits.recast(board, "grey cat")))
    }
    assert {caption for caption in drawn if drawn[caption] != other[caption]} == {"A grey cat is here."}
    own = Board(cast_story([scene.prompt for scene in board.story.scenes], entry("grey cat", picture("p1", "a"))))
    assert captions(own) == [["A ginger cat is here."], ["Mia is here."]], "the entry is whom the other one names"


def test_a_casting_can_be_muted_and_its_scene_forgotten() -> None:
    story = cast_story([MIA])
    mia = Past.of(Board(story), "a").drawn[0].id
    word = edits.mute_word(story, "a", WordRef(scene=mia, text="Mia"))
    assert kept(stand(word)["a"]) == kept(stand(edits.mute_scene(story, "a", mia))["a"]) == []
    assert kept(stand(edits.release_word(word, "a", WordRef(scene=mia, text="Mia")))["a"]) == [(mia, ("Mia",))]


def test_what_is_not_written_as_a_casting_is_none() -> None:
    story = cast_story([MIA])
    for wrong in ("castingzzz", "casting", "casting" + "0" * 17):
        with pytest.raises(ThroughlineError, match="does not exist"):
            edits.mute_scene(story, "a", wrong)
    with pytest.raises(ThroughlineError, match="'castingabc' is that of a casting"):
        cast_edits.add_entry(story, "Tom", "castingabc")
    with pytest.raises(ThroughlineError, match="'castingabc' is that of a casting"):
        edits.duplicate_scene(story, "a", "castingabc")


def test_an_edit_of_one_word_keeps_the_rest_unless_somebody_else_was_cast() -> None:
    story = cast_story([MIA])
    board = shown(Board(story), "a", conditioning=stand(story)["a"].conditioning)
    keep = keeping.former_take(board, board.story.scene("a"))
    assert keep is not None and keep.on is None
    other = replace(board, story=cast_edits.recast(board, "Mia"))
    changed = keeping.former_take(other, other.story.scene("a"))
    assert changed is not None and changed.on is False


TEXTS = st.sampled_from([MIA, WEARS, "Mia and a dog are playing.", "A grey cat sleeps.", "Tom waves to Mia.", " "])


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.booleans())
def test_the_plan_and_the_render_decide_the_same(prompts: list[str], entry_too: bool) -> None:
    board = Board(cast_story(prompts, *([entry("Tom", picture("p1", "a"))] if entry_too else [])))
    for scene, standing in plan.standings(board, CACHE, "m").items():
        if standing.conditioning:
            decision = remembers(board, scene, FILTER)
            assert conditioning_of(board, scene, decision, "m").digest() == standing.conditioning.digest()


def test_a_picture_that_is_set_after_the_words_ends_what_was_kept_by_itself() -> None:
    """As in the other order."""
    first, other = (ScenePicture(file=letter * 64) for letter in "ce")
    story = edits.set_picture(cast_story([MIA]), "a", "first", first)
    board = shown(Board(story), "a", conditioning=stand(story)["a"].conditioning)
    edited = keeping.edit_scene(board, "a", prompt="Mia is running on the farm.")
    now = edits.set_picture(edited, "a", "first", other)
    keep = now.scene("a").keep
    assert keep and keep.on is False and kept(stand(now)["a"])[0] == ("a", ("Mia", "running", "farm"))
