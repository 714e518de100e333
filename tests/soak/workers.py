"""Workers and their head are killed at random while a long film renders; and how much two workers are faster than one.

    python -m tests.soak.workers --kills 10 --seed 1
    python -m tests.soak.workers --kills 50 --tiny --wait 0.5 5
    python -m tests.soak.workers --speed --steps 48

The first renders scenes in chains, four beside each other, kills a worker or the head every few seconds, and compares
every clip with that of one process. Lost is a scene that is not there at the end, or that is another one; redone, an
order that was begun once more: at most one for a worker and two for a head. A tiny untrained model is loaded
sooner, so that more can be killed. The third renders ten scenes, four chains, by one process that has one core, and by
two workers on all of them, each with one thread. It prints what the machine had to do besides, and the time of the
processor that each part took, which other programs change little.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

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


class Killer(threading.Thread):
    """Kills a worker, or now and then the head, until enough are dead."""

    def __init__(self, link: Link, kills: int, seed: int, waiting: Sequence[float]) -> None:
        super().__init__(daemon=True)
        self.link, self.left, self.random, self.waiting = link, kills, random.Random(seed), waiting
        self.workers, self.heads = 0, 0

    def run(self) -> None:
        while self.left:
            if not self.link.wait_ready(1, READY_SECONDS):
                return
            time.sleep(self.random.uniform(*self.waiting))
            is_head = self.random.random() < 0.25
            pid = self.link.head if is_head else self.random.choice(self.link.workers() or [0])
            with suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    self.left -= 1
                    self.heads, self.workers = self.heads + is_head, self.workers + (not is_head)


def kill(choice: Choice, kills: int, seed: int, scenes: int, steps: int, waiting: Sequence[float]) -> int:
    texts = prompts(scenes)
    with opened(choice, WORKERS) as studio:
        link, killer = link_of(studio), Killer(link_of(studio), kills, seed, waiting)
        killer.start()
        seconds, films, story = 0.0, 0, ""
        found = list[list[str | None]]()
        while not films or killer.is_alive():
            story = new_story(studio, texts, steps)
            seconds += render(studio, story)
            found.append(clips(studio, story))
            for job in studio.renderer.queue.jobs(OWNER, story):
                if job.error:
                    print(f"film {films + 1}: {job.scene}: {job.error}", flush=True)
            films += 1
            print(f"film {films}: {killer.workers} workers and {killer.heads} heads killed", flush=True)
        again, starts = studio.renderer.crew.again, link.starts  # type: ignore[union-attr]
    with opened(choice, 0) as studio:
        story = new_story(studio, texts, steps)
        render(studio, story)
        expected = clips(studio, story)
    assert None not in expected
    missing = sum(film.count(None) for film in found)
    other = sum(clip not in (None, one) for film in found for clip, one in zip(film, expected, strict=True))
    print(f"kills: {killer.workers} workers, {killer.heads} heads; {starts} heads started")
    print(f"{films} films of {scenes} scenes in {seconds:.0f} s; {again} orders begun again; "
          f"{missing} scenes missing, {other} other than expected")  # fmt: skip
    return 1 if missing or other or again > killer.workers + WORKERS * killer.heads or killer.left else 0


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
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers
    torch.set_num_threads(1)  # of this process, which may have read the variable already
    with tempfile.TemporaryDirectory(prefix="throughline-tiny-") as folder:
        choice = Choice(model=str(save_tiny(Path(folder) / "tiny"))) if options.tiny else Choice()
        if options.speed:
            return speed(choice, options.steps, options.rounds)
        return kill(choice, options.kills, options.seed, options.scenes, options.steps, options.wait)


if __name__ == "__main__":
    sys.exit(main())
