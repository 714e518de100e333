"""The store on disk: stories with every revision they ever had, their takes, jobs, past render timings and
which file holds which encoding or finished clip.

A change is one transaction, synced before the method returns: what was acknowledged is saved.

An `owner` is a secret that can't be guessed. A story belongs to one owner; for others it does not exist.
Several threads, and several processes, may use one database: a change is made again if another one came first.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection

from pipeline.errors import ThroughlineError

from ..document import edits
from ..document.story import Board, Scene, Story, Take
from .database import Database
from .finished import FinishedClips
from .job_store import JobStore
from .memory import Memory, bytes_in_memory
from .recovery import repair
from .schema import (
    MIGRATIONS,
    Head,
    Revision,
    StoryEntry,
    digests_in,
    is_whole,
    parse_revision,
    read_head,
    read_shelf,
    summary,
    unpack,
    write_revision,
    write_take,
)

MOST_OPEN_BYTES = 96 << 20  # of stories and their takes in memory; the one in use stays, however large
MOST_PAST_BYTES = 32 << 20  # of stories as they were, for `edited`


@dataclass(frozen=True)
class _Record:
    """What the database says about a story."""

    owner: str
    deleted: bool
    present: Revision
    head: Head
    story_bytes: int  # about what it takes in memory
    takes_bytes: int


@dataclass(frozen=True)
class _Step:
    """A change: the revision that is present afterwards, and what comes with it."""

    present: Revision
    ends_redo: bool = False
    take: Take | None = None
    ended: str = ""  # a job that this ends


def _as_it_is(board: Board) -> Board:
    return board


class Library:
    """The database `library.sqlite3` in a folder. Safe for threads.

    All methods raise ThroughlineError: for a story that does not exist (or is another owner's), and for a disk that
    can't be read or written; nothing is changed then, nor if a function that was given raises.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder and the database if need be. A damaged database is set aside under another name, never
        deleted, what can be read of it is copied, and `notice` says so, for the user. Raises ThroughlineError for a
        database of a newer version."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds the owners' secrets
        except OSError as error:
            raise ThroughlineError(f"folder {folder} can't be made: {error.strerror}") from error
        self._records: Memory[str, _Record] = Memory(MOST_OPEN_BYTES)  # by story id
        self._past: Memory[tuple[str, int], Story] = Memory(MOST_PAST_BYTES)  # by story id and rev
        self._database = Database(folder / "library.sqlite3", MIGRATIONS, self._records.clear)
        self._repaired = repair(self._database)
        self.job_store = JobStore(self._database, folder / "holders")
        self.finished = FinishedClips(self._database)

    @property
    def notice(self) -> str:
        """What went wrong on opening, for who looks after the machine; '' if nothing did."""
        return "; ".join(filter(None, [self._database.notice, *(told for _, told in self._repaired)]))

    def notices(self, owner: str) -> list[str]:
        """The same for one owner: nothing of anybody else's, and not where the library lies."""
        whole = [f"The library {self._database.damage}."] if self._database.damage else []
        return whole + [f"{told[:1].upper()}{told[1:]}." for of, told in self._repaired if of == owner]

    def close(self) -> None:
        self.job_store.close()
        self._database.close()

    # --- stories -----------------------------------------------------------------------------------------------------

    def stories(self, owner: str) -> list[StoryEntry]:
        """An owner's stories that are not deleted, the last changed first."""
        query = "SELECT id, title, scenes, updated, poster FROM stories WHERE owner = ? AND deleted IS NULL"
        return [StoryEntry(*row) for row in self._database.rows(f"{query} ORDER BY updated DESC, rowid DESC", owner)]

    def create(
        self, owner: str, story: Story, takes: Iterable[Take] = (), revisions: Sequence[Revision] = (), present: int = 0
    ) -> Head:
        """A new story, with the takes of its scenes where it is a copy. revisions: its past, in order, of which number
        `present` is the story. Raises ThroughlineError if its id is taken."""
        by_id = {take.id: take for take in takes}

        def write(db: Connection) -> None:
            if db.execute("SELECT 1 FROM stories WHERE id = ?", (story.id,)).fetchone():
                raise ThroughlineError(f"story {story.id!r} exists already: expected a new id")
            db.execute(
                "INSERT INTO stories VALUES (?, ?, 1, ?, ?, ?, ?, ?, NULL)",
                (story.id, owner, present, *summary(Board(story, by_id))),
            )
            for revision in revisions or [Revision(0, "", "", story)]:
                write_revision(db, revision)
            for take in by_id.values():
                write_take(db, story.id, take)

        self._database.write(write)
        return self.head(owner, story.id)

    def head(self, owner: str, story_id: str) -> Head:
        """A story as it is now, from memory if it is there."""
        return self._record(owner, story_id).head

    def revisions(self, owner: str, story_id: str) -> tuple[Board, list[Revision], int]:
        """A story as it is now, all that undo and redo go through and that can be read, oldest first, and the place of
        the present revision among them."""
        record = self._record(owner, story_id)
        query = 'SELECT number, label, "group", doc FROM revisions WHERE story = ? AND number <> ?'
        found = [record.present]
        for number, label, group, doc in self._database.rows(query, story_id, record.present.number):
            if is_whole(doc):
                found.append(Revision(number, label, group, parse_revision(doc)))
        found.sort(key=lambda revision: revision.number)
        return record.head.board, found, found.index(record.present)

    def delete(self, owner: str, story_id: str) -> None:
        """Hides a story. Nothing of it is lost: `restore` brings it back."""
        self._set_deleted(owner, story_id, time.time())

    def restore(self, owner: str, story_id: str) -> Head:
        """Brings a deleted story back as it was."""
        self._set_deleted(owner, story_id, None)
        return self.head(owner, story_id)

    # --- changes -----------------------------------------------------------------------------------------------------

    def edit(
        self, owner: str, story_id: str, change: Callable[[Story], Story], label: str = "", group: str = "",
        apart: bool = False,
    ) -> Head:  # fmt: skip
        """Makes a new revision, which ends redo. A change that returns an equal story adds nothing.

        change: pure, for it is called again if somebody else changed the story meanwhile. It sees the newest story.
        label: what undo would take back, in words.
        group: an edit of the same group as the present revision replaces it (a typing session is one step of undo),
        unless undo or redo came between. Takes that come between do not count.
        apart: a step of its own all the same, which later ones of the group replace.
        """

        def step(record: _Record) -> _Step | None:
            before, story = record.present, change(record.present.story)
            merged = bool(group) and group == before.group and not apart
            after = Revision(before.number + (not merged), label, group, story)
            return None if story == before.story else _Step(after, ends_redo=True)

        return self._change(owner, story_id, step)

    def amend(self, owner: str, story_id: str, change: Callable[[Story], Story]) -> Head:
        """Changes the present revision: no step of undo, and redo stays. `change` as for `edit`."""

        def step(record: _Record) -> _Step | None:
            story = change(record.present.story)
            return None if story == record.present.story else _Step(replace(record.present, story=story))

        return self._change(owner, story_id, step)

    def undo(self, owner: str, story_id: str, settle: Callable[[Board], Board] = _as_it_is) -> Head:
        """Goes back to the revision before. settle: `plan.settle`, pure: may choose other takes in what comes back.
        Raises ThroughlineError if there is none."""
        return self._move(owner, story_id, -1, settle)

    def redo(self, owner: str, story_id: str, settle: Callable[[Board], Board] = _as_it_is) -> Head:
        """Takes an undo back; otherwise like `undo`."""
        return self._move(owner, story_id, 1, settle)

    def add_take(
        self, owner: str, story_id: str, take: Take, choose: bool | Callable[[Scene], bool] = True, job: str = ""
    ) -> Head:
        """Adds a take, also if its scene or its story was deleted meanwhile: undo brings both back. If its
        scene is there it is chosen in the present revision, which is no step of undo; others stay as they are.

        choose: whether to, or a pure function of the scene as it is now (was it locked, was another take chosen?).
        job: what made it, which ends with the same commit: no crash makes a take twice.
        Raises ThroughlineError if another take has this id; the same take again changes nothing.
        """

        def step(record: _Record) -> _Step | None:
            story, there = record.present.story, record.head.board.takes.get(take.id)
            if there == take:
                return None
            if there is not None:
                raise ThroughlineError(f"take {take.id!r} exists already: expected a new id")
            scene = next((scene for scene in story.scenes if scene.id == take.scene), None)
            if scene and (choose(scene) if callable(choose) else choose):
                story = edits.choose_take(story, scene.id, take.id)
            return _Step(replace(record.present, story=story), take=take, ended=job)

        return self._change(owner, story_id, step, deleted_too=True)

    def edited(self, owner: str, story_id: str, since_rev: int) -> set[tuple[str, str]]:
        """What differs from the story at `since_rev`: (scene id, field), or ('', field) for fields of the story, among
        them 'scenes' if scenes were added, removed or moved. Empty if that is too long ago to be known."""
        now = self.head(owner, story_id).board.story
        then = self._past.get((story_id, since_rev)) or now
        return set(_differences(then, now))

    # --- what is referred to ------------------------------------------------------------------------------------------

    def referred(self) -> set[str]:
        """Every digest that any revision, take or job names, those of deleted stories included: what
        `BlobStore.collect` is to keep. Takes up to 0.3 ms a revision; others may work meanwhile."""
        queries = ("SELECT doc FROM takes UNION ALL SELECT content FROM jobs", "SELECT doc FROM revisions")
        plain, revisions = self._database.write(lambda db: [db.execute(query).fetchall() for query in queries])
        found = {digest for (doc,) in plain for digest in digests_in(doc)}
        for (doc,) in revisions:
            found |= digests_in(unpack(doc))  # one at a time: unpacked they take ten times the memory
        return found

    def users_of(self, owner: str, digests: Collection[str]) -> list[tuple[str, str]]:
        """Which of an owner's stories, by title, have takes that name which of some digests."""
        query = "SELECT title, doc FROM takes JOIN stories ON stories.id = story WHERE owner = ? AND deleted IS NULL"
        rows, wanted = self._database.rows(query, owner), frozenset(digests)
        return sorted({(title, digest) for title, doc in rows for digest in digests_in(doc) & wanted})

    # --- encodings ---------------------------------------------------------------------------------------------------

    def encoding(self, model: str, prompt: str, keyframe: str) -> str | None:
        """Digest of the file that holds a past scene as a model encoded it; None if there is none."""
        query = "SELECT digest FROM encodings WHERE model = ? AND prompt = ? AND keyframe = ?"
        return next((digest for (digest,) in self._database.rows(query, model, prompt, keyframe)), None)

    def add_encoding(self, model: str, prompt: str, keyframe: str, digest: str) -> None:
        row = (model, prompt, keyframe, digest)
        self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?, ?)", row))

    def keep_encodings(self, model: str, keyframes: Collection[str]) -> set[str]:
        """Forgets the encodings by other models and those of other keyframes; gives the digests of the rest."""

        def write(db: Connection) -> set[str]:
            rows = db.execute("SELECT rowid, model, keyframe, digest FROM encodings").fetchall()
            live = {number: digest for number, by, of, digest in rows if by == model and of in keyframes}
            db.executemany("DELETE FROM encodings WHERE rowid = ?", [(row[0],) for row in rows if row[0] not in live])
            return set(live.values())

        return self._database.write(write)

    # --- how a change is made ----------------------------------------------------------------------------------------

    def _change(
        self, owner: str, story_id: str, step: Callable[[_Record], _Step | None], deleted_too: bool = False
    ) -> Head:
        """Commits what `step` makes of the newest record; again, if another thread or process came first."""
        while True:
            record = self._record(owner, story_id, deleted_too)
            following = step(record)
            if following is None:
                return record.head
            head = self._commit(record, following)
            if head is not None:
                return head
            self._records.drop(story_id, record)  # it is not what the disk says: read it again

    def _commit(self, record: _Record, step: _Step) -> Head | None:
        """None if the story is not what `record` says any more."""
        story, takes = step.present.story, record.head.board.takes
        if story.id != record.present.story.id:
            raise ThroughlineError(f"story id is {story.id!r}: expected {record.present.story.id!r} as before")
        board = Board(story, {**takes, step.take.id: step.take} if step.take else takes)

        def write(db: Connection) -> _Record | None:
            columns = "rev = rev + 1, present = ?, title = ?, scenes = ?, poster = ?, updated = ?"
            row = (step.present.number, *summary(board), story.id, record.head.rev)
            if not db.execute(f"UPDATE stories SET {columns} WHERE id = ? AND rev = ?", row).rowcount:
                return None
            if step.ends_redo:
                gone = (story.id, step.present.number)
                db.execute("DELETE FROM revisions WHERE story = ? AND number > ?", gone)
            story_bytes = write_revision(db, step.present)
            takes_bytes = record.takes_bytes + (write_take(db, story.id, step.take) if step.take else 0)
            if step.ended:
                db.execute("DELETE FROM jobs WHERE id = ?", (step.ended,))
            head = read_head(db, board, record.head.rev + 1, step.present)
            return _Record(record.owner, record.deleted, step.present, head, story_bytes, takes_bytes)

        changed = self._database.write(write, self._remember)
        return changed.head if changed else None

    def _move(self, owner: str, story_id: str, by: int, settle: Callable[[Board], Board]) -> Head:
        def step(record: _Record) -> _Step | None:
            if not (record.head.can_undo if by < 0 else record.head.can_redo):
                raise ThroughlineError(f"story {story_id!r} has nothing to {'undo' if by < 0 else 'redo'}")
            number = record.present.number + by
            query = "SELECT label, doc FROM revisions WHERE story = ? AND number = ?"
            rows = self._database.rows(query, story_id, number)
            if not rows:
                return _Step(record.present)  # redo was ended meanwhile: the commit refuses, and this is asked again
            ((label, doc),) = rows
            board = settle(Board(parse_revision(doc), record.head.board.takes))
            return _Step(Revision(number, label, "", board.story))  # no group: what is typed next is a step of its own

        return self._change(owner, story_id, step)

    def _set_deleted(self, owner: str, story_id: str, deleted: float | None) -> None:
        self._record(owner, story_id, deleted_too=True)
        row = (deleted, story_id)
        self._database.write(
            lambda db: db.execute("UPDATE stories SET rev = rev + 1, deleted = ? WHERE id = ?", row),
            lambda done: self._records.drop(story_id),
        )

    # --- what is in memory -------------------------------------------------------------------------------------------

    def _record(self, owner: str, story_id: str, deleted_too: bool = False) -> _Record:
        self._database.look()
        record = self._records.get(story_id) or self._loaded(story_id)
        if record is None or record.owner != owner or (record.deleted and not deleted_too):
            raise ThroughlineError(f"story {story_id!r} does not exist")
        return record

    def _loaded(self, story_id: str) -> _Record | None:
        query = (
            'SELECT owner, deleted, rev, number, label, "group", doc FROM stories'
            " JOIN revisions ON story = id AND number = present WHERE id = ?"
        )

        def read(db: Connection) -> _Record | None:
            row = db.execute(query, (story_id,)).fetchone()
            if row is None:
                return None
            owner, deleted, rev, number, label, group, doc = row
            present = Revision(number, label, group, parse_revision(doc))
            takes, takes_bytes = read_shelf(db, story_id)
            head = read_head(db, Board(present.story, takes), rev, present)
            return _Record(owner, deleted is not None, present, head, bytes_in_memory(unpack(doc)), takes_bytes)

        return self._database.write(read, self._remember)  # the three queries see the same moment

    def _remember(self, record: _Record | None) -> None:
        if record is None:
            return
        story = record.present.story
        self._records.keep(story.id, record, record.story_bytes + record.takes_bytes)
        self._past.keep((story.id, record.head.rev), story, record.story_bytes)


def _differences(then: Story, now: Story) -> Iterator[tuple[str, str]]:
    for name in Story.model_fields:
        if name != "scenes" and getattr(then, name) != getattr(now, name):
            yield "", name
    if [scene.id for scene in then.scenes] != [scene.id for scene in now.scenes]:
        yield "", "scenes"
    before = {scene.id: scene for scene in then.scenes}
    for scene in now.scenes:
        was = before.get(scene.id, scene)
        yield from ((scene.id, name) for name in Scene.model_fields if getattr(was, name) != getattr(scene, name))
