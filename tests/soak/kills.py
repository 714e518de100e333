"""kill -9 at random moments while stories are edited, enqueued, rendered and published.

    python -m tests.soak.kills --kills 60 --seed 1

A child process works on two stories of two owners and writes into a pipe what it is about to do and, after the studio
has acknowledged it, that it is done. The parent kills it and compares the library with the pipe. At the end everything
that is in line is rendered, and nothing may be missing or there twice.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.rendering import renderer
from storyboard.store import job_store
from storyboard.store.library import Library
from storyboard.store.schema import parse_revision
from storyboard.studio import Studio
from tests.soak.fakes import MODEL, open_fake
from tests.soak.model import Op, Pages, as_edit, page_of

OWNERS = ("a" * 32, "b" * 32)
KILLS = 250  # of a library; every look reads all of it
PHASES = {"do": "edit", "job": "enqueue", "begin": "render", "film": "publish"}


# --- the child -------------------------------------------------------------------------------------------------------


class Teller:
    """Lines into a pipe, each at once or not at all."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, *words: object) -> None:
        os.write(self._pipe, (json.dumps(words) + "\n").encode())


def child(folder: Path, pipe: int, seed: int, stories: list[str]) -> None:
    """Works until it is killed."""
    tell = Teller(pipe)
    tell("start")
    with_ears = open_fake(folder, lambda studio: listen(studio, tell))
    tell("open")
    threads = [
        threading.Thread(target=write, args=(with_ears, owner, story, random.Random(f"{seed} {owner}"), tell))
        for owner, story in zip(OWNERS, stories, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def listen(studio: Studio, tell: Teller) -> None:
    """Tells of jobs: noted, begun, and over without a take, for their scene is gone."""
    add, work, keep = studio.library.job_store.add, studio.renderer.queue._work, studio.renderer.maker.keep
    kept = Counter[str]()

    def noted(jobs: Any) -> None:
        tell("job", "is to be noted", [job.id for job in jobs])
        add(jobs)
        tell("job", "noted", [job.id for job in jobs])

    def begun(job: Any) -> Any:
        before = kept["takes"]
        tell("begin", job.saved)
        yield from work(job)
        if kept["takes"] == before:
            tell("skipped", job.saved)

    def counted(*arguments: Any) -> Any:
        kept["takes"] += 1
        return keep(*arguments)

    studio.renderer.maker.keep = counted  # type: ignore[method-assign]
    studio.library.job_store.add = noted  # type: ignore[method-assign]
    studio.renderer.queue._work = begun


def write(studio: Studio, owner: str, story: str, rng: random.Random, tell: Teller) -> None:
    for number in range(100_000):
        head = studio.library.head(owner, story)
        kind = rng.choices(["edit", "render", "film"], [6, 2, 1])[0]
        if kind == "edit":
            edit(studio, owner, head, rng, tell, number)
        elif kind == "render":
            scene = rng.choice(head.board.story.scenes).id
            if len(studio.renderer.queue.positions()) < 10:
                studio.render(owner, story, [scene], again=True)
        elif head.board.takes:
            tell("film", "begins")
            try:
                tell("film", studio.film(owner, story, "story.zip")["url"])
            except ThroughlineError as error:
                tell("error", str(error))


def edit(studio: Studio, owner: str, head: Any, rng: random.Random, tell: Teller, number: int) -> None:
    story = head.board.story
    op = any_op(head, rng, number)
    tell("do", story.id, op)
    if op[0] in ("undo", "redo"):
        getattr(studio, op[0])(owner, story.id)
    else:
        studio.edit(owner, story.id, as_edit(op))
    tell("done", story.id, op)


def any_op(head: Any, rng: random.Random, number: int) -> Op:
    scenes = [scene.id for scene in head.board.story.scenes]
    text = f"Mia number {number} runs {rng.random()}"
    possible: list[Op] = [("title", text), ("prompt", rng.choice(scenes), text), ("prompt", rng.choice(scenes), text)]
    if len(scenes) < 8:
        possible.append(("add", str(rng.randint(0, len(scenes))), f"s{rng.getrandbits(60):x}", text))
    if len(scenes) > 2:
        possible.append(("remove", rng.choice(scenes)))
    possible += [("undo",)] * head.can_undo + [("redo",)] * head.can_redo
    return rng.choice(possible)


# --- the parent ------------------------------------------------------------------------------------------------------


@dataclass
class Known:
    """What was acknowledged, over all kills."""

    pages: dict[str, Pages]
    noted: set[str] = field(default_factory=set)  # jobs
    left: set[str] = field(default_factory=set)  # of them those that had not ended at the last look
    skipped: set[str] = field(default_factory=set)  # jobs whose scene was removed
    begun: Counter[str] = field(default_factory=Counter)
    films: int = 0
    acknowledged: int = 0
    hit: Counter[str] = field(default_factory=Counter)  # what was going on when it was killed
    files: dict[str, tuple[int, int]] = field(default_factory=dict)  # as `check_media` wants them


@dataclass
class Heard:
    """What one child told."""

    under_way: dict[str, Op] = field(default_factory=dict)  # by story
    to_note: set[str] = field(default_factory=set)
    going_on: str = "start"


def fork(work: Any) -> tuple[int, int]:
    """Runs `work(pipe)` in a child; its id, and the end of the pipe that hears it."""
    hears, tells = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tells)
        return pid, hears
    os.close(hears)
    try:
        work(tells)
    except BaseException:  # a child must not go on as its parent would
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def listen_and_kill(pid: int, hears: int, rng: random.Random) -> list[list[Any]]:
    """Kills a child after so many lines and a moment, or as it starts; gives all that it told."""
    wanted = 0 if rng.random() < 0.1 else rng.randint(1, 60)
    told = b""
    while told.count(b"\n") < wanted and (chunk := os.read(hears, 1 << 16)):
        told += chunk
    time.sleep(rng.random() * 0.02)
    os.kill(pid, signal.SIGKILL)
    while chunk := os.read(hears, 1 << 16):
        told += chunk
    os.close(hears)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "the child ended by itself"
    return [json.loads(line) for line in told.splitlines()]


def note(known: Known, told: list[list[Any]]) -> Heard:
    heard = Heard()
    for word, *rest in told:
        heard.going_on = PHASES.get(word, heard.going_on)
        if word == "do":
            heard.under_way[rest[0]] = tuple(rest[1])
        elif word == "done":
            known.pages[rest[0]].do(heard.under_way.pop(rest[0]))
            known.acknowledged += 1
        elif word == "job":
            (heard.to_note if rest[0] == "is to be noted" else known.noted).update(rest[1])
        elif word == "begin":
            assert rest[0] in known.left | known.noted, f"job {rest[0]} had ended, and was begun again"
            known.begun[rest[0]] += 1
        elif word == "skipped":
            known.skipped.add(rest[0])
        elif word == "film" and rest[0] != "begins":
            known.films += 1
        elif word == "error":
            raise AssertionError(f"a child could not go on: {rest[0]}")
    return heard


def look(folder: Path, known: Known, heard: Heard) -> None:
    """Compares what is on disk with what was acknowledged."""
    with closing(Library(folder)) as library:
        assert library.notice == "", library.notice
        for (story, pages), owner in zip(known.pages.items(), OWNERS, strict=True):
            known.pages[story] = as_on_disk(library, owner, story, pages, heard.under_way.get(story))
        left = {job.id for job in library.job_store.jobs()}
        known.skipped -= left  # killed before it was over: an undo may bring its scene back
        lost = {job for job in known.noted if known.begun[job] == 0} - left
        assert not lost, f"jobs {lost} were acknowledged and are gone"
        known.noted |= left & heard.to_note
        assert left <= known.noted, "a job that nobody noted"
        ((takes,),) = library._database.rows("SELECT count(*) FROM takes")
        made = len(known.noted - left - known.skipped)
        assert takes == made, f"{takes} takes for {made} jobs that ended: a scene was lost or done twice"
        referred = library.referred()
    known.left = left
    there = check_media(folder / "media", known.files)
    assert referred <= there | {MODEL}, f"files are gone: {referred - there}"


def as_on_disk(library: Library, owner: str, story: str, pages: Pages, op: Op | None) -> Pages:
    """The revisions of a story: as they were acknowledged, or with the edit besides that was under way."""
    rows = library._database.rows("SELECT doc FROM revisions WHERE story = ? ORDER BY number", story)
    ((present,),) = library._database.rows("SELECT present FROM stories WHERE id = ?", story)
    found = [page_of(parse_revision(doc)) for (doc,) in rows]
    for expected in (pages, *((pages.after(op),) if op else ())):
        if (found, present) == (expected.revisions, expected.present):
            assert page_of(library.head(owner, story).board.story) == expected.page
            return expected
    raise AssertionError(
        f"an acknowledged edit is lost: {len(found)} revisions, {present} is present; "
        f"expected {len(pages.revisions)} and {pages.present}, {op} was under way"
    )


def check_media(folder: Path, known: dict[str, tuple[int, int]] | None = None) -> set[str]:
    """Every file is what its name says; their digests. known: files that were read before, and when they were last
    written: those are not read again."""
    found, known = set(), {} if known is None else known
    for path in folder.glob("??/*"):
        digest, status = path.parent.name + path.stem, path.stat()
        written = (status.st_ino, status.st_mtime_ns)
        if known.get(path.name) != written:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, f"{path} is torn"
            known[path.name] = written
        found.add(digest)
    return found


def begin(folder: Path) -> Known:
    with closing(Library(folder)) as library:
        boards = [library.create(owner, edits.new_story("0", ["Mia runs.", "Mia sleeps."])).board for owner in OWNERS]
        return Known({board.story.id: Pages([page_of(board.story)]) for board in boards})


def finish(folder: Path, known: Known) -> None:
    """Renders all that is in line, in a process that nobody kills."""

    def work(pipe: int) -> None:
        with closing(open_fake(folder, lambda studio: listen(studio, Teller(pipe)))) as studio:
            for owner, story in zip(OWNERS, known.pages, strict=True):
                for _ in studio.follow(owner, story, pause=0.01):
                    pass
            while studio.library.job_store.jobs():
                time.sleep(0.01)

    pid, hears = fork(work)
    told = b""
    while chunk := os.read(hears, 1 << 16):
        told += chunk
    os.close(hears)
    assert os.waitpid(pid, 0)[1] == 0
    known.files.clear()  # all are read again
    look(folder, known, note(known, [json.loads(line) for line in told.splitlines()]))
    assert not known.left, "what was in line was not rendered"


def run(kills: int, seed: int, folder: Path) -> Known:
    """Raises AssertionError for the first thing that is lost, torn or done twice."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)  # what a kill leaves there goes with the folder
    renderer.MOST_ATTEMPTS = 10**9  # kills are no fault of a scene
    rng, home = random.Random(seed), folder / "home"
    known = begin(home)
    for number in range(kills):
        pid, hears = fork(lambda pipe, number=number: child(home, pipe, seed + number, list(known.pages)))
        heard = note(known, listen_and_kill(pid, hears, rng))
        known.hit[heard.going_on] += 1
        look(home, known, heard)
    finish(home, known)
    return known


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    assert job_store.FileLock, "imported here, not in every child"
    began, libraries = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="throughline-kills-") as folder:
        for start in range(0, options.kills, KILLS):
            own = Path(folder, str(start))
            own.mkdir()
            libraries.append(run(min(KILLS, options.kills - start), options.seed + start, own))
            shutil.rmtree(own)
    hits: Counter[str] = sum((known.hit for known in libraries), Counter())
    hit = ", ".join(f"{count} {phase}" for phase, count in sorted(hits.items()))
    acknowledged, films = sum(k.acknowledged for k in libraries), sum(k.films for k in libraries)
    renders = sum(len(k.noted - k.skipped) for k in libraries)
    redone = sum(sum(k.begun.values()) - len(k.begun) for k in libraries)
    print(f"seed {options.seed}: {options.kills} kills ({hit}) in {time.monotonic() - began:.0f} s")
    print(
        f"{acknowledged} acknowledged edits, {renders} renders, {films} films: "
        f"0 corrupt, 0 lost, 0 done twice beyond {redone} that were in progress"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
