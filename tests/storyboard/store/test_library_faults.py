"""The library under crashes, damage and many hands at once: what was acknowledged is there."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Story, Take
from storyboard.store.database import set_aside
from storyboard.store.library import Library
from tests.paths import ROOT
from tests.soak.disk import watched
from tests.storyboard.stories import ME, new, seen, take_of, titled


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with closing(Library(tmp_path)) as opened:
        yield opened


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_change_that_raises_changes_nothing(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        story = new(library, "a cat")
        library.edit(ME, story.id, titled("edited"))
        before = seen(library.undo(ME, story.id))

        def fail(_: object) -> Story:
            raise RuntimeError("in the middle")

        for attempt in (library.edit, library.amend, library.redo):
            with pytest.raises(RuntimeError, match="in the middle"):
                attempt(ME, story.id, fail)
        with pytest.raises(ThroughlineError, match="expected"):
            library.edit(ME, story.id, lambda story: story.model_copy(update={"id": "other"}))
        assert seen(library.head(ME, story.id)) == before
    with closing(Library(tmp_path)) as library:
        assert seen(library.head(ME, story.id)) == before


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        story = new(library, "a cat")
        with closing(sqlite3.connect(tmp_path / "library.sqlite3")) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON revisions BEGIN SELECT RAISE(ABORT, 'no room'); END")
        before = seen(library.head(ME, story.id))
        with pytest.raises(ThroughlineError, match=r"library\.sqlite3 can't be written: no room"):
            library.edit(ME, story.id, titled("edited"))
        assert seen(library.head(ME, story.id)) == before
    with closing(Library(tmp_path)) as library:
        assert seen(library.head(ME, story.id)) == before
        assert library.stories(ME)[0].title == "0"


def scribbled(sound: bytes) -> bytes:
    return sound[: len(sound) // 2] + b"\xff" * (len(sound) // 2)


def cut_short(sound: bytes) -> bytes:
    return sound[: len(sound) // 2]


def something_else(_: bytes) -> bytes:
    return b"no database at all" * 1000


@pytest.mark.parametrize("harm", [scribbled, cut_short, something_else])
def test_a_damaged_database_is_set_aside_and_what_can_be_read_is_kept(
    tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "library.sqlite3"
    with closing(Library(tmp_path)) as library:
        made = {new(library, *["a cat in a red coat"] * 40).id for _ in range(60)}
    path.write_bytes(harm(path.read_bytes()))
    damaged = path.read_bytes()
    with closing(Library(tmp_path)) as library:
        (aside,) = tmp_path.glob("library.damaged-*.sqlite3")
        assert aside.read_bytes() == damaged
        assert "was damaged" in library.notice and aside.name in library.notice
        kept = {entry.id for entry in library.stories(ME)}
        assert kept <= made and bool(kept) is (harm is not something_else)
        assert all(library.head(ME, story).board.story.scenes for story in readable(library))
        new(library)
    with closing(Library(tmp_path)) as library:
        assert len(library.stories(ME)) == len(kept) + 1 and "library" not in library.notice


def readable(library: Library) -> list[str]:
    """Stories of which a version could be read."""
    query = "SELECT DISTINCT story FROM revisions JOIN stories ON id = story AND number = present"
    return [story for (story,) in library._database.rows(query)]


def test_every_page_but_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    with closing(Library(tmp_path)) as library:
        made = [new(library, *["a cat in a red coat", str(number)] * 40).id for number in range(60)]
        ((page_bytes,),) = library._database.rows("PRAGMA page_size")
        ((root,),) = library._database.rows(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_takes_1'"
        )
    content = bytearray(path.read_bytes())
    content[(root - 1) * page_bytes : root * page_bytes] = b"\xff" * page_bytes
    path.write_bytes(content)
    with closing(Library(tmp_path)) as library:
        assert "nothing is missing" in library.notice or "60 stories" in library.notice
        assert {entry.id for entry in library.stories(ME)} == set(made)
        assert all(len(library.head(ME, story).board.story.scenes) == 80 for story in made)


def test_a_journal_goes_with_the_database_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    kept = []
    for content in ("first", "second", "third"):  # within a second
        path.write_text(content)
        path.with_name("library.sqlite3-journal").write_text(f"journal of {content}")
        kept.append(set_aside(path))
    assert [aside.read_text() for aside in kept] == ["first", "second", "third"]
    assert kept[1].with_name(f"{kept[1].name}-journal").read_text() == "journal of second"
    assert len(list(tmp_path.iterdir())) == 6


def test_a_version_that_the_disk_spoiled_is_set_aside_and_the_one_before_is_shown(tmp_path: Path) -> None:
    with closing(Library(tmp_path)) as library:
        spoiled, sound, hopeless = (new(library, "a cat") for _ in range(3))
        for title in ("one", "two", "three"):
            library.edit(ME, spoiled.id, titled(title))
        library.edit(ME, sound.id, titled("edited"))
    with closing(sqlite3.connect(tmp_path / "library.sqlite3")) as other, other:
        other.execute("UPDATE revisions SET doc = x'00' WHERE story = ? AND number IN (1, 3)", (spoiled.id,))
        other.execute("UPDATE revisions SET doc = x'00' WHERE story = ?", (hopeless.id,))
    with closing(Library(tmp_path)) as library:
        assert "in version 3: version 1 is shown" in library.notice
        assert "none of its versions can be read" in library.notice
        assert library.head(ME, spoiled.id).board.story.title == "two"
        assert library.undo(ME, spoiled.id).board.story.title == "0"
        assert library.head(ME, sound.id).board.story.title == "edited"
        with pytest.raises(ThroughlineError, match="is damaged"):
            library.head(ME, hopeless.id)
        assert len(library._database.rows("SELECT * FROM damaged")) == 2
        assert len(library.stories(ME)) == 3, "what can't be read is not deleted either"


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Library(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "library.sqlite3")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ThroughlineError, match="version 99, from a newer Throughline"):
        Library(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["library.sqlite3"]


KILLED = """
import sys; from pathlib import Path
from storyboard.document import edits
from storyboard.store.library import Library
library = Library(Path(sys.argv[1])); story = library.create("me", edits.new_story("0")).board.story
for number in range(1, 10_000):
    library.edit("me", story.id, lambda story: edits.edit_story(story, title=str(number)))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    program = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        acknowledged = [int(process.stdout.readline()) for _ in range(30)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout]
    with closing(Library(tmp_path)) as library:
        (entry,) = library.stories("me")
        assert int(entry.title) - acknowledged[-1] in (0, 1)  # 1: committed, but killed before it said so
        assert library.undo("me", entry.id).board.story.title == str(int(entry.title) - 1)
        assert library.notice == ""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ThroughlineError, match=r"folder .*file/library can't be made"):
        Library(tmp_path / "file" / "library")


# --- many at once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 2])
def test_concurrent_edits_and_takes_lose_nothing(tmp_path: Path, connections: int) -> None:
    libraries = [Library(tmp_path) for _ in range(connections)]
    story = new(libraries[0], "0")
    together = threading.Barrier(4)

    def work(number: int) -> None:
        library = libraries[number % connections]
        together.wait()
        for _ in range(6):
            library.edit(ME, story.id, lambda story: edits.add_scene(story, prompt=str(number)))
            library.add_take(ME, story.id, take_of(story.scenes[0].id))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for library in libraries:
        head = library.head(ME, story.id)
        assert sorted(scene.prompt for scene in head.board.story.scenes) == sorted(["0", *"0123" * 6])
        assert len(head.board.takes) == 24
        assert head.rev == 1 + 48
    for left in range(24, 0, -1):
        assert len(libraries[-1].undo(ME, story.id).board.story.scenes) == left
    for library in libraries:
        library.close()


Action = tuple[str, int]
ACTIONS = st.tuples(
    st.sampled_from(["edit", "edit", "type", "type", "amend", "undo", "undo", "undo", "redo", "take", "reopen"]),
    st.integers(0, 3),
)


class ListOfStories:
    """What a library should do with one story, as a list."""

    def __init__(self, story: Story) -> None:
        self.revisions, self.present, self.group = [story], 0, ""
        self.takes: list[Take] = []

    @property
    def story(self) -> Story:
        return self.revisions[self.present]

    def edit(self, story: Story, group: str) -> None:
        if story == self.story:
            return
        merged = bool(group) and group == self.group
        self.revisions[self.present + (not merged) :] = [story]
        self.present, self.group = len(self.revisions) - 1, group

    def move(self, by: int) -> bool:
        possible = 0 <= self.present + by < len(self.revisions)
        if possible:
            self.present, self.group = self.present + by, ""
        return possible

    def amend(self, story: Story) -> None:
        self.revisions[self.present] = story


def act(library: Library, model: ListOfStories, action: str, number: int) -> None:
    """Does the same to both."""
    story, change = model.story, titled(str(number))
    if action in ("edit", "type"):
        group = f"group {number % 2}" if action == "type" else ""
        library.edit(ME, story.id, change, group=group)
        model.edit(change(story), group)
    elif action == "amend":
        library.amend(ME, story.id, change)
        model.amend(change(story))
    elif action == "take":
        take = take_of(story.scenes[0].id)
        library.add_take(ME, story.id, take, choose=number > 0)
        model.takes.append(take)
        if number:
            model.amend(edits.choose_take(story, take.scene, take.id))
    elif model.move(-1 if action == "undo" else 1):
        getattr(library, action)(ME, story.id)
    else:
        with pytest.raises(ThroughlineError, match=f"nothing to {action}"):
            getattr(library, action)(ME, story.id)


@settings(max_examples=40)
@given(st.lists(ACTIONS, max_size=25))
def test_any_sequence_does_what_a_list_does(actions: list[Action]) -> None:
    with TemporaryDirectory() as folder:
        library = Library(Path(folder))
        model = ListOfStories(new(library, "a cat"))
        for action, number in actions:
            if action == "reopen":
                library.close()
                library = Library(Path(folder))
            else:
                act(library, model, action, number)
            head = library.head(ME, model.story.id)
            assert head.board.story == model.story
            assert head.board.takes_of(model.story.scenes[0].id) == tuple(model.takes)
            assert head.can_undo == (model.present > 0)
            assert head.can_redo == (model.present < len(model.revisions) - 1)
        library.close()


def test_an_edit_of_a_long_story_is_one_commit_of_few_pages(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []

    def watch(what: str, path: str, data: bytes = b"", offset: int = 0) -> str:
        done.append((what, len(data)))
        return ""

    with watched(watch), closing(Library(tmp_path)) as library:
        story = new(library, *["a girl in a red coat flies a kite on the beach"] * 100)
        for scene in story.scenes:
            library.add_take(ME, story.id, take_of(scene.id))
        done.clear()
        library.edit(ME, story.id, partial(edits.edit_scene, scene_id=story.scenes[50].id, prompt="a kite"))
    assert [what for what, _ in done].count("sync") <= 4
    assert sum(size for _, size in done) < 100_000
