"""Stories on disk: what is kept, what undo brings back, and who may see it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board, new_id
from storyboard.store.job_store import job_of
from storyboard.store.library import Library
from tests.storyboard.stories import ME, YOU, new, seen, take_of, titled


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with closing(Library(tmp_path)) as opened:
        yield opened


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        story = new(library, "a cat drives a car", "猫在开车 🐈")
        library.edit(ME, story.id, titled("one"), "title", "typing")
        library.edit(ME, story.id, titled("two"), "title again")
        library.add_take(ME, story.id, take_of(story.scenes[1].id, note="first"))
        library.add_take(ME, story.id, take_of(story.scenes[0].id, "b"), choose=False)
        before = library.undo(ME, story.id)
    with closing(Library(tmp_path)) as library:
        assert seen(library.head(ME, story.id)) == seen(before)
        assert (before.undo_label, before.redo_label) == ("title", "title again")
        assert library.redo(ME, story.id).board.story.title == "two"
        assert library.notice == ""


def test_undo_goes_back_to_the_beginning_across_restarts(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        story = new(library)
        for number in range(1, 61):
            library.edit(ME, story.id, titled(str(number)), f"title {number}")
    for session in (range(59, 39, -1), range(39, 19, -1), range(19, -1, -1)):
        with closing(Library(tmp_path)) as library:
            for expected in session:
                head = library.undo(ME, story.id)
                assert (head.board.story.title, head.can_undo) == (str(expected), expected > 0)
    with closing(Library(tmp_path)) as library:
        with pytest.raises(ThroughlineError, match="nothing to undo"):
            library.undo(ME, story.id)
        titles = [library.redo(ME, story.id).board.story.title for _ in range(60)]
        assert titles == [str(number) for number in range(1, 61)]
        with pytest.raises(ThroughlineError, match="nothing to redo"):
            library.redo(ME, story.id)


def test_stories_are_listed_newest_first_with_a_poster(library: Library) -> None:
    first, second = new(library, "a", "b"), new(library)
    library.edit(ME, first.id, titled("newest"))
    library.add_take(ME, first.id, take_of(first.scenes[1].id, "c"))
    entries = library.stories(ME)
    assert [entry.id for entry in entries] == [first.id, second.id]
    assert (entries[0].title, entries[0].scenes, entries[0].poster) == ("newest", 2, "c" * 64)
    assert entries[1].poster is None


def test_a_deleted_story_comes_back_with_all_its_revisions(library: Library) -> None:
    story = new(library)
    library.edit(ME, story.id, titled("edited"))
    library.delete(ME, story.id)
    assert library.stories(ME) == []
    with pytest.raises(ThroughlineError, match="does not exist"):
        library.edit(ME, story.id, titled("unseen"))
    assert library.restore(ME, story.id).board.story.title == "edited"
    assert library.undo(ME, story.id).board.story.title == "0"


def test_a_copy_comes_with_its_takes_and_no_id_is_used_twice(library: Library) -> None:
    story = new(library, "a cat")
    shelf = library.add_take(ME, story.id, take_of(story.scenes[0].id)).board.takes
    copy = library.create(ME, story.model_copy(update={"id": new_id()}), shelf.values())
    assert dict(copy.board.takes) == dict(shelf)
    with pytest.raises(ThroughlineError, match="exists already"):
        library.create(YOU, story)


# --- owners ----------------------------------------------------------------------------------------------------------


def test_another_owner_can_do_nothing(library: Library) -> None:
    story = new(library, "a cat")
    library.edit(ME, story.id, titled("mine"))
    before = seen(library.head(ME, story.id))
    attempts: list[Callable[[], object]] = [
        lambda: library.head(YOU, story.id),
        lambda: library.edit(YOU, story.id, titled("yours")),
        lambda: library.amend(YOU, story.id, titled("yours")),
        lambda: library.undo(YOU, story.id),
        lambda: library.redo(YOU, story.id),
        lambda: library.add_take(YOU, story.id, take_of(story.scenes[0].id)),
        lambda: library.edited(YOU, story.id, 1),
        lambda: library.job_store.add([job_of(YOU, story.id, story.scenes[0].id, {})]),
        lambda: library.delete(YOU, story.id),
        lambda: library.restore(YOU, story.id),
    ]
    for attempt in attempts:
        with pytest.raises(ThroughlineError, match=f"story '{story.id}' does not exist"):
            attempt()
    assert library.stories(YOU) == []
    assert library.job_store.jobs() == []
    assert seen(library.head(ME, story.id)) == before


# --- groups, amendments ----------------------------------------------------------------------------------------------


def test_a_typing_session_is_one_step_of_undo(library: Library) -> None:
    story = new(library)
    for text in ("h", "he", "hey"):
        head = library.edit(ME, story.id, titled(text), "title", "typing")
    assert (head.board.story.title, head.undo_label) == ("hey", "title")
    library.edit(ME, story.id, titled("other"), "title", "another session")
    assert library.undo(ME, story.id).board.story.title == "hey"
    assert library.undo(ME, story.id).board.story.title == "0"


@pytest.mark.parametrize("restart", [False, True])
def test_typing_after_undo_never_changes_an_old_revision(tmp_path: Path, restart: bool) -> None:
    library = Library(tmp_path)
    story = new(library)
    library.edit(ME, story.id, titled("typed"), group="typing")
    library.edit(ME, story.id, titled("later"))
    library.undo(ME, story.id)
    if restart:
        library.close()
        library = Library(tmp_path)
    library.edit(ME, story.id, titled("typed more"), group="typing")
    assert library.undo(ME, story.id).board.story.title == "typed"
    assert library.redo(ME, story.id).board.story.title == "typed more"
    library.edit(ME, story.id, titled("after redo"), group="typing")
    assert library.undo(ME, story.id).board.story.title == "typed more"
    library.close()


def test_an_edit_that_changes_nothing_adds_nothing(library: Library) -> None:
    story = new(library, "a cat")
    library.edit(ME, story.id, titled("edited"))
    before = library.undo(ME, story.id)
    after = library.edit(ME, story.id, lambda story: edits.edit_scene(story, story.scenes[0].id, prompt="a cat"))
    assert seen(after) == seen(before)
    assert after.can_redo


def test_an_edit_ends_redo_and_an_amendment_does_not(library: Library) -> None:
    story = new(library)
    for title in ("one", "two", "three"):
        library.edit(ME, story.id, titled(title))
    for _ in range(3):
        library.undo(ME, story.id)
    amended = library.amend(ME, story.id, titled("amended"))
    assert (amended.can_undo, amended.can_redo) == (False, True)
    assert not library.edit(ME, story.id, titled("elsewhere")).can_redo
    assert library.undo(ME, story.id).board.story.title == "amended"


def test_the_rev_grows_with_every_change(library: Library) -> None:
    story = new(library, "a cat")
    revs = [
        library.head(ME, story.id).rev,
        library.edit(ME, story.id, titled("a"), group="g").rev,
        library.edit(ME, story.id, titled("b"), group="g").rev,
        library.undo(ME, story.id).rev,
        library.redo(ME, story.id).rev,
        library.add_take(ME, story.id, take_of(story.scenes[0].id), choose=False).rev,
        library.amend(ME, story.id, titled("c")).rev,
    ]
    library.delete(ME, story.id)
    revs.append(library.restore(ME, story.id).rev)
    assert all(earlier < later for earlier, later in pairwise(revs))


# --- takes -----------------------------------------------------------------------------------------------------------


def test_a_take_is_no_step_of_undo_and_stays_on_the_shelf(library: Library) -> None:
    story = new(library, "a cat")
    scene = story.scenes[0].id
    library.edit(ME, story.id, titled("before"), group="typing")
    take = take_of(scene)
    head = library.add_take(ME, story.id, take)
    assert head.board.story.scene(scene).chosen == take.id
    head = library.edit(ME, story.id, titled("before, still typing"), group="typing")
    assert head.board.story.scene(scene).chosen == take.id
    undone = library.undo(ME, story.id)
    assert (undone.board.story.title, undone.board.story.scene(scene).chosen) == ("0", None)
    assert undone.board.takes_of(scene) == (take,)
    assert library.redo(ME, story.id).board.story.scene(scene).chosen == take.id


def test_undo_may_settle_on_a_take_and_that_stays(tmp_path: Path) -> None:
    def settle(board: Board) -> Board:
        scene = board.story.scenes[0].id
        return replace(board, story=edits.choose_take(board.story, scene, board.takes_of(scene)[-1].id))

    with closing(Library(tmp_path)) as library:
        story = new(library, "a cat")
        library.edit(ME, story.id, titled("edited"))
        take = take_of(story.scenes[0].id)
        library.add_take(ME, story.id, take, choose=False)
        assert library.undo(ME, story.id, settle).board.story.scenes[0].chosen == take.id
    with closing(Library(tmp_path)) as library:
        assert library.head(ME, story.id).board.story.scenes[0].chosen == take.id
        assert library.redo(ME, story.id).board.story.scenes[0].chosen is None


def test_a_take_of_a_deleted_scene_comes_back_with_it(library: Library) -> None:
    story = new(library, "a cat", "a dog")
    scene = story.scenes[0].id
    library.edit(ME, story.id, lambda story: edits.remove_scene(story, scene))
    take = take_of(scene)
    assert len(library.add_take(ME, story.id, take).board.story.scenes) == 1
    assert library.undo(ME, story.id).board.takes_of(scene) == (take,)


def test_a_take_of_a_deleted_story_comes_back_with_it(library: Library) -> None:
    story = new(library, "a cat")
    library.delete(ME, story.id)
    take = take_of(story.scenes[0].id)
    library.add_take(ME, story.id, take)
    assert library.stories(ME) == []
    assert library.restore(ME, story.id).board.story.scenes[0].chosen == take.id


def test_the_scene_decides_whether_a_take_is_chosen(library: Library) -> None:
    story = new(library, "a cat")
    scene, take = story.scenes[0].id, take_of(story.scenes[0].id)
    library.edit(ME, story.id, lambda story: edits.edit_scene(story, scene, locked=True))
    head = library.add_take(ME, story.id, take, choose=lambda scene: not scene.locked)
    assert (head.board.story.scene(scene).chosen, head.board.takes_of(scene)) == (None, (take,))


def test_a_take_is_added_once(library: Library) -> None:
    story = new(library, "a cat")
    take = take_of(story.scenes[0].id)
    before = library.add_take(ME, story.id, take)
    assert seen(library.add_take(ME, story.id, take)) == seen(before)
    with pytest.raises(ThroughlineError, match="exists already"):
        library.add_take(ME, story.id, take.model_copy(update={"note": "other"}))


# --- what another tab changed ----------------------------------------------------------------------------------------


def test_edited_names_the_fields_that_changed(library: Library) -> None:
    story = new(library, "a cat", "a dog")
    rev, (first, second) = library.head(ME, story.id).rev, (scene.id for scene in story.scenes)
    library.edit(ME, story.id, titled("other"))
    library.edit(ME, story.id, lambda story: edits.edit_scene(story, second, prompt="a hen", steps=3))
    assert library.edited(ME, story.id, rev) == {("", "title"), (second, "prompt"), (second, "steps")}
    library.undo(ME, story.id)
    assert library.edited(ME, story.id, rev) == {("", "title")}
    library.edit(ME, story.id, lambda story: edits.remove_scene(story, first))
    assert library.edited(ME, story.id, rev) == {("", "title"), ("", "scenes")}
    assert library.edited(ME, story.id, rev - 1) == set()


# --- what is in memory -----------------------------------------------------------------------------------------------


def test_stories_of_a_crowd_stay_in_memory(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [new(library, f"a cat {number}") for number in range(250)]
    monkeypatch.setattr(library, "_loaded", lambda story: pytest.fail(f"{story} is read again"))
    for story in stories:
        assert library.edit(ME, story.id, titled("again"), "title").board.story.title == "again"


@pytest.mark.parametrize("left", [1, 3])
def test_memory_has_an_end_in_bytes_and_the_disk_knows_the_rest(library: Library, left: int) -> None:
    stories = [new(library, "a cat", "a dog")]
    most = library._records.most_bytes = library._past.most_bytes = library._records.bytes * left + 500
    stories += [new(library, "a cat", "a dog") for _ in range(4)]
    assert len(library._records) == len(library._past) == left
    for number, story in enumerate(stories):
        library.edit(ME, story.id, titled(str(number)), "title")
    assert [library.head(ME, story.id).board.story.title for story in stories] == ["0", "1", "2", "3", "4"]
    assert len(library._records) == left
    assert max(library._records.bytes, library._past.bytes) <= most


def test_a_story_takes_the_same_memory_read_as_written(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        story = new(library, "a cat", "a dog")
        library.add_take(ME, story.id, take_of(story.scenes[0].id))
        written = library._records.bytes
        library._records.clear()
        library.head(ME, story.id)
        assert library._records.bytes == written


# --- jobs, timings, references ---------------------------------------------------------------------------------------


def test_jobs_are_known_until_they_end(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        story = new(library, "a cat", "a dog")
        first, second = jobs = [job_of(ME, story.id, scene.id, {"seed": 2**52}) for scene in story.scenes]
        library.job_store.add(jobs)
    with closing(Library(tmp_path)) as library:
        assert library.job_store.jobs() == [first, second]
        library.job_store.end([first.id])
        assert library.job_store.jobs() == [second]
        library.delete(ME, story.id)
        assert library.job_store.jobs() == []


def test_timings_are_the_latest_of_their_kind(library: Library) -> None:
    for number in range(30):
        library.job_store.add_timing("picturebook", "cpu", True, number, number / 2)
    library.job_store.add_timing("picturebook", "cpu", False, 7, 8)
    assert library.job_store.timings("picturebook", "cpu", True) == [(number, number / 2) for number in range(10, 30)]
    assert library.job_store.timings("picturebook", "cpu", False) == [(7, 8)]
    assert library.job_store.timings("picturebook", "cuda", True) == []
    library.job_store.add_timing("picturebook", "cpu", False, 9, 10)
    assert library.job_store.timings("picturebook", "cpu", False) == [(7, 8), (9, 10)], "asked before, and not stale"


def test_referred_names_every_digest_that_any_revision_or_take_or_job_holds(library: Library) -> None:
    story = new(library, "a cat")
    scene, take = story.scenes[0].id, take_of(story.scenes[0].id, "a", trace="b" * 64)
    library.add_take(ME, story.id, take)
    library.edit(ME, story.id, lambda story: edits.choose_keyframe(story, scene, take.id, 3, "c" * 64))
    library.edit(ME, story.id, lambda story: edits.remove_take(story, scene, take.id))
    library.undo(ME, story.id)
    library.undo(ME, story.id)
    library.job_store.add([job_of(ME, story.id, scene, {"previous": "d" * 64})])
    library.delete(ME, story.id)
    assert library.referred() == {letter * 64 for letter in "abcd"}
