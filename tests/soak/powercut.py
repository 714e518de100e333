"""The power goes off at any moment: what was not synced may be on the disk, or not, or half.

    python -m tests.soak.powercut

Everything that a library and its media do to the disk is recorded. For every moment the disk is put together as a power
cut might leave it: what was synced is there; of what was not, a random part, torn between sectors. What had been
acknowledged must be found by a fresh library, whole.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from storyboard.document import edits
from storyboard.store.library import Library
from tests.soak.disk import watched
from tests.soak.faults import ME, State, Store, steps
from tests.soak.kills import check_media

SECTOR = 512  # bytes, which a disk writes whole or not at all


@dataclass(frozen=True)
class Act:
    """Something that was done to the disk. "acknowledged": nothing, but the user was told that a step is done."""

    what: str
    path: str = ""
    data: bytes = b""
    offset: int = 0


@dataclass
class File:
    """What of a file is on the disk for certain, and what was done to it since it was last synced."""

    synced: bytes | None = None  # None: not even its name
    since: list[Act] = field(default_factory=list)

    def content(self, acts: list[Act]) -> bytes:
        found = bytearray(self.synced or b"")
        for act in acts:
            if act.what == "truncate":
                del found[act.offset :]
            else:
                found.extend(bytes(max(0, act.offset - len(found))))
                found[act.offset : act.offset + len(act.data)] = act.data
        return bytes(found)

    def remains(self, rng: random.Random) -> bytes | None:
        """What a power cut may leave of it."""
        if not self.since or rng.random() < 0.25:
            return self.synced
        if rng.random() < 0.25:
            return self.content(self.since)
        return self.content([torn(act, rng) for act in self.since if rng.random() < 0.5])


def torn(act: Act, rng: random.Random) -> Act:
    """Up to any of its sectors."""
    sectors = -(-len(act.data) // SECTOR)
    return Act(act.what, act.path, act.data[: rng.randint(0, sectors) * SECTOR], act.offset)


class Disk:
    """The files of a folder as they may be after a power cut."""

    def __init__(self, folder: Path) -> None:
        self.files = {str(path): File(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
        self.moved: list[Act] = []  # renames whose folder was not synced

    def do(self, act: Act) -> None:
        if act.what in ("write", "truncate"):
            self.files.setdefault(act.path, File()).since.append(act)
        elif act.what == "sync" and act.path in self.files:
            file = self.files[act.path]
            self.files[act.path] = File(file.content(file.since))
        elif act.what == "sync":  # of a folder
            self._rename([move for move in self.moved if str(Path(move.path).parent) == act.path])
        elif act.what == "rename":
            self.moved.append(act)
        elif act.what == "delete":
            self.files.pop(act.path, None)  # SQLite has the folder synced with it

    def _rename(self, moves: list[Act]) -> None:
        for move in moves:
            self.files[move.path] = self.files.pop(move.data.decode())
            self.moved.remove(move)

    def cut(self, rng: random.Random, home: Path, copy: Path) -> None:
        """Puts what a power cut leaves of `home` into `copy`, instead of what is there."""
        shutil.rmtree(copy, ignore_errors=True)
        names = {move.data.decode(): move.path for move in self.moved if rng.random() < 0.5}
        for path, file in self.files.items():
            content = file.remains(rng)
            if content is not None:
                place = copy / Path(names.get(path, path)).relative_to(home)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)


def record(home: Path) -> tuple[list[Act], list[State]]:
    """All that is done to the disk, and the states before, between and after the steps."""
    acts, states, armed = list[Act](), list[State](), False

    def watch(what: str, path: str, data: bytes = b"", offset: int = 0) -> str:
        if armed:
            acts.append(Act(what, path, data, offset))
        return ""

    with watched(watch), closing(Store(home)) as store:
        states.append(store.seen())
        for step in steps(store):
            armed = True
            step()
            armed = False
            acts.append(Act("acknowledged"))
            states.append(store.seen())
    return acts, states


def check(disk: Disk, home: Path, copy: Path, states: list[State], rng: random.Random) -> None:
    """Raises AssertionError if a fresh library does not find one of the states, whole."""
    disk.cut(rng, home, copy)
    with closing(Store(copy)) as store:
        assert store.library.notice == "", store.library.notice
        assert store.seen() in states, "an acknowledged change is lost"
        there, takes = check_media(copy / "media"), store.library.head(ME, store.story).board.takes.values()
        assert {digest for take in takes for digest in (take.clip, take.preview, take.keyframe)} <= there


def run(folder: Path, seed: int, times: int) -> int:
    """How many cuts there were."""
    home, base, rng = folder / "home", folder / "base", random.Random(seed)
    with closing(Library(base)) as library:
        library.create(ME, edits.new_story("0", ["Mia runs."]))
    acts, states = record(Path(shutil.copytree(base, home)))
    shutil.rmtree(home)
    disk, done = Disk(Path(shutil.copytree(base, home))), 0
    for act in acts:
        if act.what == "acknowledged":
            done += 1
        disk.do(act)
        for _ in range(times):
            check(disk, home, folder / "copy", states[done : done + 2], rng)
    return len(acts) * times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=2, help="at every moment")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="throughline-powercut-") as folder:
        cuts = run(Path(folder), options.seed, options.times)
    print(f"seed {options.seed}: {cuts} power cuts: 0 corrupt, 0 lost; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
