"""Every write, sync and rename of the store fails once: with a full disk, with an I/O error, torn, or when it is done.

    python -m tests.soak.faults

A little of everything is done to a library. For everything that it does to the disk, all is done again with that
failing. What failed must say so and change nothing, and succeed when it is tried again; a copy of the folder as it
was left, opened by a fresh library, must hold what was acknowledged.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Story, Take
from storyboard.store.blobs import BlobStore
from storyboard.store.library import Library
from storyboard.store.schema import SavedJob
from tests.soak.disk import watched
from tests.soak.kills import check_media

ME = "a" * 32
CLIP = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 20
State = tuple[Any, ...]


class Store:
    """A library and its media, and what may be done to them."""

    def __init__(self, folder: Path) -> None:
        self.library, self.media = Library(folder), BlobStore(folder / "media")
        self.story = self.library.stories(ME)[-1].id

    def close(self) -> None:
        self.library.close()

    def seen(self) -> State:
        """Everything that counts, comparable."""
        head = self.library.head(ME, self.story)
        jobs = [(job.id, job.attempts) for job in self.library.job_store.jobs()]
        count = self.library._database.rows
        return (
            head.board.story,
            tuple(head.board.takes),
            head.can_undo,
            head.can_redo,
            head.undo_label,
            jobs,
            count("SELECT story, number FROM revisions ORDER BY 1, 2"),
            count("SELECT id, deleted > 0 FROM stories"),
            count("SELECT * FROM encodings"),
            count("SELECT work FROM timings"),
        )


def steps(store: Store) -> list[Callable[[], Any]]:
    """A little of everything."""
    library, story = store.library, store.story
    first = library.head(ME, story).board.story.scenes[0].id
    other = edits.new_story("other", ["A dog."]).model_copy(update={"id": "other", "scenes": ()})

    def title(text: str) -> Callable[[Story], Story]:
        return lambda story: edits.edit_story(story, title=text)

    def take() -> None:
        digests = [store.media.put(CLIP + kind.encode(), kind) for kind in ("mp4", "webp", "png")]
        made = Take(
            id="take1",
            scene=first,
            clip=digests[0],
            preview=digests[1],
            keyframe=digests[2],
            keyframe_index=0,
            num_frames=17,
            width=144,
            height=96,
            frames_per_second=8,
        )
        library.add_take(ME, story, made, job="job1")

    return [
        lambda: library.edit(ME, story, partial(edits.add_scene, prompt="A cat.", id="s2"), "new scene"),
        lambda: library.edit(ME, story, title("one"), "title", "typing"),
        lambda: library.edit(ME, story, title("two"), "title", "typing"),
        lambda: library.undo(ME, story),
        lambda: library.job_store.add([SavedJob(f"job{n}", ME, story, first, {"why": "asked"}) for n in (1, 2)]),
        lambda: library.job_store.begin("job1"),
        take,
        lambda: library.job_store.end(["job2"]),
        lambda: library.add_encoding("m", "A cat.", "k", "d"),
        lambda: library.job_store.add_timing("m", "cpu", True, 1.0, 2.0),
        lambda: library.create(ME, other),
        lambda: library.delete(ME, other.id),
    ]


@dataclass
class Fault:
    """What goes wrong, once: the thing number `at` that is done to the disk after `armed` is set."""

    at: int = -1
    kind: str = ""
    armed: bool = False
    done: tuple[str, ...] = ()  # what was done to the disk

    def __call__(self, what: str, path: str, data: bytes = b"", offset: int = 0) -> str:
        if not self.armed:
            return ""
        kind = "journal" if path.endswith("journal") else Path(path).suffix or "folder"
        self.done += (f"{what} {kind}",)
        return self.kind if len(self.done) - 1 == self.at else ""


@dataclass(frozen=True)
class Stage:
    """A step, the library before it, and what it does to the disk."""

    number: int
    folder: Path
    before: State
    after: State
    points: tuple[str, ...]


def undisturbed(folder: Path) -> list[Stage]:
    """Does all steps, and keeps a copy of the library before each."""
    found, home = list[Stage](), folder / "plain"
    with closing(Library(home)) as library:
        library.create(ME, edits.new_story("0", ["Mia runs."]))
    fault = Fault()
    with watched(fault), closing(Store(home)) as store:
        for number, step in enumerate(steps(store)):
            copy = Path(shutil.copytree(home, folder / f"before{number}"))
            before, fault.armed, fault.done = store.seen(), True, ()
            step()
            fault.armed = False
            found.append(Stage(number, copy, before, store.seen(), fault.done))
    return found


def on_disk(folder: Path) -> State:
    """What a fresh library finds in a copy of the folder: as after a crash."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with closing(Store(copy)) as store:
        assert store.library.notice == "", store.library.notice
        check_media(copy / "media")
        return store.seen()


def disturbed(stage: Stage, work: Path, at: int, kind: str) -> None:
    """Does a step with one fault. Raises AssertionError for whatever is lost."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(stage.folder, work)
    fault = Fault(at, kind)
    with watched(fault), closing(Store(work)) as store:
        step, where = steps(store)[stage.number], f"step {stage.number}, {kind} {stage.points[at]}"
        fault.armed = True
        try:
            step()
        except ThroughlineError as error:
            assert "\n" not in str(error) and str(work) in str(error), error
        else:
            assert store.seen() == stage.after, f"{where}: said to be done"
        found = on_disk(work)
        assert found in (stage.before, stage.after), f"{where}: neither as before nor as after"
        assert store.seen() == found, f"{where}: memory and disk differ"
        if found == stage.before:
            step()
        assert store.seen() == on_disk(work) == stage.after, f"{where}: could not be done again"


def run(folder: Path) -> Counter[str]:
    """What failed, and how often."""
    failed = Counter[str]()
    for stage in undisturbed(folder):
        for at, point in enumerate(stage.points):
            for kind in ("full", "error", "torn") if point.startswith("write") else ("error", "late"):
                disturbed(stage, folder / "work", at, kind)
                failed[f"{kind} {point.partition(' ')[0]}"] += 1
    return failed


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="throughline-faults-") as folder:
        failed = run(Path(folder))
    told = ", ".join(f"{count} {what}" for what, count in sorted(failed.items()))
    print(f"{sum(failed.values())} faults ({told}): 0 lost, 0 unclear; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
