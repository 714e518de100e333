"""How soon a newcomer's first scene begins when invented owners have filled the line: over HTTP, with a fake model.

    python -m tests.soak.newcomers --invented 5 --newcomers 20

They come now and then, every second one from the address of the invented owners. Prints the longest wait, in scenes'
time; more than two is a failure.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.soak import crowd

SCENE_SECONDS = 2.0
STEPS = 20
LONG_STORY = 200
MOST_SCENES = 2.0  # that a newcomer waits for: the bar
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@dataclass
class Waits:
    filled: int = 0  # scenes in line when the first newcomer came
    scene_seconds: float = 0.0  # as it was measured
    seconds: list[float] = field(default_factory=list)  # until each newcomer's scene began
    refused: list[str] = field(default_factory=list)  # newcomers

    @property
    def most(self) -> float:
        """The longest, in scenes' time."""
        return max(self.seconds) / self.scene_seconds


async def fill(person: crowd.Person) -> int:
    """Asks for as much as one owner may; how many scenes that were."""
    made = await person.call("new_story", title="Film", prompts=[f"A cat {n}." for n in range(LONG_STORY)])
    person.story, person.scenes = made["story"]["id"], [scene["id"] for scene in made["story"]["scenes"]]
    for asked in (LONG_STORY, LONG_STORY // 2, 20):
        if (await person.call("render", story=person.story, scenes=person.scenes[:asked])).get("ok"):
            return asked
    return 0


async def come(person: crowd.Person) -> float:
    """Seconds until the first scene of a newcomer begins."""
    made = await person.call("new_story", title="Mine", prompts=[f"A dog {n}." for n in range(4)])
    began = time.perf_counter()
    await person.call("render", story=made["story"]["id"])
    while True:
        jobs = (await person.call("poll", story=made["story"]["id"]))["jobs"]
        if any(job["state"] != "queued" for job in jobs.values()):
            return time.perf_counter() - began
        await asyncio.sleep(0.02)


async def visit(address: str, invented: int, newcomers: int) -> Waits:
    counts, theirs, waits = crowd.Counts(), crowd.Counts(), Waits()
    async with httpx.AsyncClient(base_url=address, timeout=120) as client:
        config = (await client.get("/config")).json()
        (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]

        def person(number: int, host: str, seen: crowd.Counts) -> crowd.Person:
            return crowd.Person(client, component, number, seen, {"X-Forwarded-For": host})

        waits.filled = sum([await fill(person(number, HOME, theirs)) for number in range(invented)])
        began = time.perf_counter()
        for number in range(newcomers):
            one = person(10**6 + number, HOME if number % 2 else ELSEWHERE, counts)
            waits.seconds.append(await come(one))
            await asyncio.sleep(random.Random(number).uniform(1, 3) * SCENE_SECONDS)
        health = (await client.get("/healthz")).json()
        left = health["waiting"]
        done = waits.filled + 4 * newcomers - left
        waits.scene_seconds, waits.refused = (time.perf_counter() - began) / max(done, 1), counts.refused
    return waits


def serve(folder: Path, port: int) -> None:
    """The page over slow renders."""
    from storyboard.ui import page
    from tests.soak.fakes import open_fake

    studio = open_fake(folder, steps=STEPS, step_seconds=SCENE_SECONDS / STEPS)
    page.build(studio).launch(server_name="127.0.0.1", server_port=port, quiet=True, **page.options(studio))


def run(invented: int, newcomers: int, folder: Path) -> Waits:
    """Starts a server in a process of its own, and visits it."""
    with crowd.serving("tests.soak.newcomers", folder) as address, ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, visit(address, invented, newcomers)).result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--invented", type=int, default=5)
    parser.add_argument("--newcomers", type=int, default=20)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="throughline-newcomers-") as folder:
        waits = run(options.invented, options.newcomers, Path(folder))
    middle = sorted(waits.seconds)[len(waits.seconds) // 2] / waits.scene_seconds
    print(
        f"{waits.filled} scenes in line of {options.invented} invented owners, {waits.scene_seconds:.2f} s each: "
        f"{len(waits.seconds)} newcomers' first scenes began after {middle:.2f} scenes' time (median), "
        f"{waits.most:.2f} at most; {len(waits.refused)} refused {waits.refused[:2] or ''}"
    )
    return 1 if waits.refused or waits.most > MOST_SCENES else 0


if __name__ == "__main__":
    sys.exit(main())
