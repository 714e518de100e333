"""Edits of several people that share one commit, on a disk that fails once or after a power cut.

    python -m tests.soak.together

Everybody is told whether an edit of their own is saved. A fresh library must have all that were said to be, and what
the library shows that goes on must be what is on disk.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.store.library import Library
from tests.soak.disk import watched
from tests.soak.faults import ME, Fault
from tests.soak.powercut import Act, Disk

WRITERS = 5
Titles = dict[str, str]  # by story


def together(library: Library, calls: list[Callable[[], None]]) -> None:
    """Makes the calls, each in a thread, so that their changes wait for the same commit."""
    threads = [threading.Thread(target=call) for call in calls]

    def hold(db: object) -> None:
        for thread in threads:
            thread.start()
        while len(library._database._line) < len(threads):
            time.sleep(0.001)

    library._database.write(hold)
    for thread in threads:
        thread.join()


def titles(library: Library) -> Titles:
    return {entry.id: library.head(ME, entry.id).board.story.title for entry in library.stories(ME)}


def edit_all(library: Library, title: str, told: Callable[[str, str], None]) -> None:
    """One edit of every story, in one commit. told: called with a story and "saved" or the error."""

    def edit(story: str) -> None:
        try:
            library.edit(ME, story, lambda now: edits.edit_story(now, title=title), "title")
            told(story, "saved")
        except ThroughlineError as error:
            told(story, str(error))

    together(library, [partial(edit, story) for story in titles(library)])


def begin(folder: Path) -> Path:
    with closing(Library(folder)) as library:
        for _ in range(WRITERS):
            library.create(ME, edits.new_story("0", ["Mia runs."]))
    return folder


def disturbed(base: Path, work: Path, at: int, kind: str) -> bool:
    """One fault in a commit of all. Whether there was anything left to fail."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(base, work)
    fault, told = Fault(at, kind), Titles()
    with watched(fault), closing(Library(work)) as library:
        titles(library)
        fault.armed = True
        edit_all(library, "1", told.__setitem__)
        fault.armed = False
        shutil.copytree(work, copy := work.with_name("copy"), dirs_exist_ok=True)
        with closing(Library(copy)) as fresh:
            found = titles(fresh)
        shutil.rmtree(copy)
        for story, answer in told.items():
            assert found[story] == "1" or answer != "saved", f"{kind} at {at}: {answer}, but {found}"
            assert answer == "saved" or str(work) in answer, answer
        assert titles(library) == found, f"{kind} at {at}: memory and disk differ"
        edit_all(library, "2", told.__setitem__)
        assert set(titles(library).values()) == {"2"}, "could not be done again"
    return len(fault.done) > at


def faults(folder: Path) -> int:
    """How many faults there were."""
    base, counted = begin(folder / "base"), 0
    for kind in ("full", "error", "late"):
        at = 0
        while disturbed(base, folder / "work", at, kind):
            at += 1
        counted += at
    return counted


def record(home: Path, rounds: int) -> list[Act]:
    """What is done to the disk, and "acknowledged" with a story and its title when its writer is told."""
    acts = list[Act]()

    def watch(what: str, path: str, data: bytes = b"", offset: int = 0) -> str:
        acts.append(Act(what, path, data, offset))
        return ""

    def note(title: str, story: str, told: str) -> None:
        acts.append(Act("acknowledged" if told == "saved" else told, story, title.encode()))

    with closing(Library(home)) as library:
        titles(library)
    with watched(watch), closing(Library(home)) as library:
        for title in map(str, range(1, rounds + 1)):
            edit_all(library, title, partial(note, title))
    return acts


def power_cuts(folder: Path, seed: int, times: int, rounds: int = 3) -> int:
    """How many there were."""
    base, rng = begin(folder / "base"), random.Random(seed)
    home = Path(shutil.copytree(base, folder / "home"))
    acts = record(home, rounds)
    shutil.rmtree(home)
    disk, saved, copy = Disk(Path(shutil.copytree(base, home))), Titles(), folder / "copy"
    for act in acts:
        if act.what == "acknowledged":
            saved[act.path] = act.data.decode()
        disk.do(act)
        for _ in range(times):
            disk.cut(rng, home, copy)
            with closing(Library(copy)) as library:
                assert library.notice == "", library.notice
                found = titles(library)
            assert len(found) == WRITERS
            assert all(int(found[story]) >= int(title) for story, title in saved.items()), (found, saved)
    assert set(saved.values()) == {str(rounds)}
    return len(acts) * times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=2, help="at every moment")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="throughline-together-") as folder:
        counted = faults(Path(folder, "faults"))
        cuts = power_cuts(Path(folder, "cuts"), options.seed, options.times)
    print(
        f"seed {options.seed}: {WRITERS} writers in one commit: {counted} faults, {cuts} power cuts: 0 "
        f"said to be saved that were not; {time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
