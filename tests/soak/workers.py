"""Workers and their head are killed at random while a long film renders; and how much two workers are faster than one.

    python -m tests.soak.workers --kills 10 --seed 1
    python -m tests.soak.workers --kills 100 --tiny --steps 300 --wait 0.5 5 --log kills.jsonl --seconds 400
    python -m tests.soak.workers --speed --steps 48

The first renders scenes in chains, four beside each other, kills a worker or the head every few seconds, and compares
every clip with that of one process. Lost is a scene that is not there at the end, or that is another one; redone, an
order that was begun once more: at most one for a worker and two for a head. Films in which nothing happens for
three minutes end it, with where every thread is. A tiny untrained model is loaded sooner, so that more can be killed.
With a log, what happened is kept after every film, and the same command goes on where the last one stopped, as it does
after so many seconds: it says at the end how many kills there were in all.

The third renders ten scenes, four chains, by one process that has one core, and by two workers on all of them, each
with one thread. It prints what the machine had to do besides, and the time of the processor that each part took, which
other programs change little.
"""

import argparse
import faulthandler
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import torch

from storyboard.document import edits
from storyboard.rendering.model_choice import Choice
from storyboard.rendering.workers.crew import Crew
from storyboard.rendering.workers.link import Link
from storyboard.rendering.workers.starting import Wanted, start
from storyboard.studio import Studio
from tests.tiny import save_tiny

OWNER = "a" * 32
WHO = ("Mia in a red coat", "A dog", "A robot", "An elephant")
DOES = (
    "is walking in the desert.",
    "is dancing on the beach.",
    "is running in the forest.",
    "is sleeping in the city.",
)
READY_SECONDS = 300.0
WAITING = (4.0, 15.0)  # seconds from one kill to the next with a worker ready, at least and at most
WORKERS = 2
HEADS = 0.25  # of what is killed
LOOK_SECONDS = 0.5  # that a killer waits for a worker before it looks whether it is to stop
HANGING_SECONDS = 180.0  # without a step: longer than a head may take to begin, and than one is silent


def prompts(scenes: int) -> list[str]:
    """Four chains beside each other, of people who come back."""
    return [f"{WHO[k % 4]} {DOES[(k // 4 + k) % 4]}" for k in range(scenes)]


def new_story(studio: Studio, texts: Sequence[str], steps: int) -> str:
    story = edits.new_story("Film", texts)
    scenes = tuple(scene.model_copy(update={"steps": steps}) for scene in story.scenes)
    studio.library.create(OWNER, story.model_copy(update={"scenes": scenes}))
    return story.id


def render(studio: Studio, story: str) -> float:
    """Seconds until nothing is in line any more."""
    began = time.perf_counter()
    studio.render(OWNER, story)
    while any(job.active for job in studio.renderer.queue.jobs(OWNER, story)):
        time.sleep(0.1)
    return time.perf_counter() - began


def clips(studio: Studio, story: str) -> list[str | None]:
    board = studio.library.head(OWNER, story).board
    return [take.clip if (take := board.chosen(scene)) else None for scene in board.story.scenes]


@contextmanager
def opened(choice: Choice, workers: int) -> Iterator[Studio]:
    """A studio with all of its models loaded, and as many workers."""
    with tempfile.TemporaryDirectory(prefix="throughline-workers-") as home:
        studio = Studio(choice.load, Path(home), choice.digest(), encoder=choice.encoder())
        try:
            _ = studio.renderer.filter, studio.renderer.maker
            if workers:
                studio.renderer.employ(start(Wanted(workers), choice, Path(home)))
                assert link_of(studio).wait_ready(workers, READY_SECONDS), "the workers did not get ready"
            yield studio
        finally:
            studio.close()


def link_of(studio: Studio) -> Link:
    assert isinstance(studio.renderer.crew, Crew) and isinstance(studio.renderer.crew.hands, Link)
    return studio.renderer.crew.hands


# --- kills -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kill:
    """What was killed, `after` so many seconds of a film, and which steps were being made then."""

    what: Literal["worker", "head"]
    after: float
    making: tuple[int, ...]


@dataclass(frozen=True)
class Film:
    """What became of a film. again: orders that were begun once more; twice: scenes that have more than one take."""

    seconds: float
    kills: tuple[Kill, ...]
    heads: int  # that were started meanwhile
    again: int
    missing: tuple[int, ...]
    other: tuple[int, ...]
    twice: tuple[int, ...]
    errors: tuple[str, ...]

    @property
    def most_again(self) -> int:
        """An order for each worker that was killed, as many as there are workers for each head."""
        return sum(WORKERS if kill.what == "head" else 1 for kill in self.kills)

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.other or self.twice) and self.again <= self.most_again


class Killer(threading.Thread):
    """Kills a worker, or now and then the head, until enough are dead, it is late, or it is stopped."""

    def __init__(
        self, studio: Studio, story: str, kills: int, chance: random.Random, waiting: Sequence[float], until: float
    ) -> None:
        super().__init__(daemon=True)
        self.studio, self.story, self.link = studio, story, link_of(studio)
        self.most, self.random, self.waiting, self.until = kills, chance, waiting, until
        self.kills, self.stopped = list[Kill](), threading.Event()
        self._began = time.perf_counter()

    def run(self) -> None:
        while len(self.kills) < self.most and time.monotonic() < self.until and not self.stopped.is_set():
            if not self.link.wait_ready(1, LOOK_SECONDS):
                continue
            if self.stopped.wait(self.random.uniform(*self.waiting)):
                return
            what: Literal["worker", "head"] = "head" if self.random.random() < HEADS else "worker"
            pid = self.link.head if what == "head" else self.random.choice(self.link.workers() or [0])
            jobs = self.studio.renderer.queue.jobs(OWNER, self.story)
            with suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    making = tuple(job.step for job in jobs if job.state == "running")
                    self.kills.append(Kill(what, round(time.perf_counter() - self._began, 2), making))
                    print(f"killed a {what}, at steps {list(making)}", flush=True)


def watched(studio: Studio, story: str) -> float:
    """As `render`; raises TimeoutError, and says where every thread is, once nothing has happened for too long."""
    began = last = time.perf_counter()
    studio.render(OWNER, story)
    version = -1
    while any(job.active for job in studio.renderer.queue.jobs(OWNER, story)):
        time.sleep(0.1)
        steps = sum(job.step for job in studio.renderer.queue.jobs(OWNER, story) if job.state == "running")
        left = sum(job.active for job in studio.renderer.queue.jobs(OWNER, story))
        if (now := hash((steps, left))) != version:
            version, last = now, time.perf_counter()
        if time.perf_counter() - last > HANGING_SECONDS:
            faulthandler.dump_traceback()
            raise TimeoutError(f"nothing has happened for {HANGING_SECONDS:g} s")
    return time.perf_counter() - began


def filmed(studio: Studio, texts: Sequence[str], steps: int, expected: Sequence[str], **killing: Any) -> Film:
    """A film while workers and heads are killed. killing: of `Killer`."""
    story, crew, link = new_story(studio, texts, steps), studio.renderer.crew, link_of(studio)
    assert crew is not None
    again, starts = crew.again, link.starts
    killer = Killer(studio, story, **killing)
    killer.start()
    seconds = watched(studio, story)
    killer.stopped.set()
    killer.join()
    found, board = clips(studio, story), studio.library.head(OWNER, story).board
    jobs = studio.renderer.queue.jobs(OWNER, story)
    return Film(
        round(seconds, 1),
        tuple(killer.kills),
        link.starts - starts,
        crew.again - again,
        tuple(place for place, clip in enumerate(found) if clip is None),
        tuple(place for place, clip in enumerate(found) if clip not in (None, expected[place])),
        tuple(place for place, scene in enumerate(board.story.scenes) if len(board.takes_of(scene.id)) > 1),
        tuple(job.error for job in jobs if job.error),
    )


class Log:
    """What happened so far, in a file if there is one: what the films are, their clips as one process makes them, and
    then a film a line."""

    def __init__(self, file: Path | None, about: Mapping[str, Any]) -> None:
        self.file, self.films, self.expected = file, list[Film](), list[str]()
        lines = file.read_text().splitlines() if file and file.exists() else []
        if lines:
            known = json.loads(lines[0])
            if known["about"] != about:
                raise SystemExit(f"{file} is about {known['about']}: expected {about}")
            self.expected, self.films = known["expected"], [_film(json.loads(line)) for line in lines[1:]]
        self.about = about

    def begin(self, expected: list[str]) -> None:
        self.expected = expected
        self._write({"about": self.about, "expected": expected})

    def add(self, film: Film) -> None:
        self.films.append(film)
        self._write(asdict(film))

    def _write(self, line: Mapping[str, Any]) -> None:
        if self.file:
            with self.file.open("a") as lines:
                lines.write(json.dumps(line) + "\n")

    def count(self, what: str) -> int:
        return sum(kill.what == what for film in self.films for kill in film.kills)

    @property
    def kills(self) -> int:
        return sum(len(film.kills) for film in self.films)


def _film(told: dict[str, Any]) -> Film:
    kills = tuple(Kill(one["what"], one["after"], tuple(one["making"])) for one in told.pop("kills"))
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return Film(kills=kills, **lists)


def kill(choice: Choice, log: Log, kills: int, scenes: int, steps: int, waiting: Sequence[float], until: float) -> int:
    """until: when nothing is killed and no film begun any more, by `time.monotonic`."""
    texts = prompts(scenes)
    if not log.expected:
        with opened(choice, 0) as studio:
            render(studio, story := new_story(studio, texts, steps))
            log.begin([clip for clip in clips(studio, story) if clip])
        assert len(log.expected) == scenes
    with opened(choice, WORKERS) as studio:
        while log.kills < kills and time.monotonic() < until:
            chance = random.Random(f"{log.about['seed']} {len(log.films)}")
            killing = {"kills": kills - log.kills, "chance": chance, "waiting": waiting, "until": until}
            film = filmed(studio, texts, steps, log.expected, **killing)
            log.add(film)
            print(f"film {len(log.films)} of {film.seconds:.0f} s: {len(film.kills)} kills, {film.heads} heads begun; "
                  f"{film.again} orders begun again, {film.most_again} at most; missing {list(film.missing)}, other "
                  f"{list(film.other)}, made twice {list(film.twice)}; {list(film.errors)}", flush=True)  # fmt: skip
    films = log.films
    print(f"in all {log.kills} of {kills} kills: {log.count('worker')} workers, {log.count('head')} heads")
    print(f"{len(films)} films of {scenes} scenes in {sum(film.seconds for film in films):.0f} s; "
          f"{sum(film.again for film in films)} orders begun again; {sum(len(film.missing) for film in films)} scenes "
          f"missing, {sum(len(film.other) for film in films)} other than expected, "
          f"{sum(len(film.twice) for film in films)} made twice")  # fmt: skip
    return 0 if all(film.is_whole for film in films) else 1


# --- speed -----------------------------------------------------------------------------------------------------------


@contextmanager
def cores(count: int | None) -> Iterator[None]:
    """Has this process and its children run on so many cores; None for all."""
    every = os.sched_getaffinity(0)
    _run_on(sorted(every)[:count])
    try:
        yield
    finally:
        _run_on(every)


def _run_on(places: Iterable[int]) -> None:
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):  # it ended just now
            os.sched_setaffinity(int(thread), places)


def processor_seconds(link: Link | None) -> Counter[str]:
    """Of this process, the workers, and what is between them."""
    used = Counter(app=time.process_time())
    if link:
        workers = link.workers()
        for process in link.alive():
            with suppress(psutil.Error):
                times = process.cpu_times()
                name = "workers" if process.pid in workers else "head" if process.pid == link.head else "Ray"
                used[name] += times.user + times.system  # type: ignore[assignment]
    return used


def speed(choice: Choice, steps: int, rounds: int) -> int:
    texts = prompts(10)
    alone, shared, made = list[float](), list[float](), list[list[str | None]]()
    for _ in range(rounds):
        for workers, times in ((0, alone), (WORKERS, shared)):
            with cores(None if workers else 1), opened(choice, workers) as studio:
                link = link_of(studio) if workers else None
                render(studio, new_story(studio, ["A pirate is reading in the tower.", "A cat sings."], 4))
                load, cpu = psutil.getloadavg()[0], psutil.cpu_times_percent(2.0)
                story = new_story(studio, texts, steps)
                together = studio.plan(OWNER, story)["plan"].get("together", {})
                before = processor_seconds(link)
                times.append(render(studio, story))
                used = processor_seconds(link)
                used.subtract(before)
                made.append(clips(studio, story))
            busy = 100 - cpu.idle
            print(f"{workers or 'no'} workers: {times[-1]:.1f} s; before it, load {load:.1f}, {busy:.0f}% busy; "
                  f"chain {list(together.get('chain', ()))}; of the processor, "
                  f"{', '.join(f'{name} {seconds:.1f} s' for name, seconds in used.items())}", flush=True)  # fmt: skip
    same = all(one == made[0] and None not in one for one in made)
    print(f"ratio {min(alone) / min(shared):.2f} (best of {rounds}); {'the same clips' if same else 'OTHER CLIPS'}")
    return 0 if same else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.workers", description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--scenes", type=int, default=40, help="of each film that is rendered meanwhile (%(default)s)")
    parser.add_argument("--steps", type=int, default=24, help="of each scene (%(default)s)")
    parser.add_argument("--speed", action="store_true", help="measure two workers against one process instead")
    parser.add_argument("--rounds", type=int, default=1, help="of the measurement (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="a tiny untrained model instead of the embedded one")
    parser.add_argument("--wait", type=float, nargs=2, default=WAITING, help="seconds before a kill (%(default)s)")
    parser.add_argument("--log", type=Path, help="a file that keeps what happened, to go on from")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after which nothing is killed any more")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers
    torch.set_num_threads(1)  # of this process, which may have read the variable already
    with tempfile.TemporaryDirectory(prefix="throughline-tiny-") as folder:
        choice = Choice(model=str(save_tiny(Path(folder) / "tiny"))) if options.tiny else Choice()
        if options.speed:
            return speed(choice, options.steps, options.rounds)
        about = {name: getattr(options, name) for name in ("seed", "scenes", "steps", "tiny")}
        log = Log(options.log, about)
        return kill(choice, log, options.kills, options.scenes, options.steps, options.wait, until)


if __name__ == "__main__":
    sys.exit(main())
