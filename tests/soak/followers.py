"""Many who follow one long render over the API, while the page is used: with a fake model, in two processes.

    python -m tests.soak.followers --followers 500 --seconds 30

The render is started on the page. Meanwhile one person edits, polls and cancels on the page, a program asks for a
story, and somebody for `/healthz`. Prints how long those took.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.soak import crowd

PAUSE_SECONDS = 0.1  # between two questions
STEP_SECONDS = 0.05
SCENES = 12
JOINING_AT_ONCE = 50
LONG = 10**6  # steps


@dataclass
class Seen:
    """What all of them saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # by what was asked for
    news: int = 0  # parts that followers were told
    followers: int = 0  # so many were told how it goes
    unanswered: list[str] = field(default_factory=list)

    def percentile(self, what: str, share: float) -> float:
        found = sorted(self.seconds[what])
        return found[min(len(found) - 1, int(len(found) * share))]

    async def time(self, what: str, asked: Awaitable[Any]) -> None:
        began = time.perf_counter()
        answer = await asked
        self.seconds[what].append(time.perf_counter() - began)
        if not (answer.get("ok") if isinstance(answer, dict) else answer.status_code == 200):
            self.unanswered.append(f"{what}: {answer}"[:200])


class Follower:
    """One caller of the API's `render`."""

    def __init__(self, client: httpx.AsyncClient, person: crowd.Person, seen: Seen) -> None:
        self.client, self.person, self.seen = client, person, seen
        self.scenes = person.scenes[-1:]  # in line already: what is rendered first goes on, and is told
        self.told = asyncio.Event()

    async def join(self, room: asyncio.Semaphore) -> None:
        path = "/gradio_api/call/render"
        async with room:
            asked = await self.client.post(path, json={"data": [self.person.owner, self.person.story, self.scenes]})
        async with self.client.stream("GET", f"{path}/{asked.json()['event_id']}") as reply:
            event = ""
            async for line in reply.aiter_lines():
                event = line.removeprefix("event: ") if line.startswith("event: ") else event
                if line.startswith("data: ") and event == "error":
                    self.seen.unanswered.append(f"follower: {line}"[:200])
                elif line.startswith("data: ") and event != "heartbeat" and "jobs" in line:
                    self.seen.news += 1
                    self.told.set()


async def ask(client: httpx.AsyncClient, verb: str, *data: Any) -> httpx.Response:
    """A call of the API, to its end."""
    path = f"/gradio_api/call/{verb}"
    asked = await client.post(path, json={"data": data})
    return await client.get(f"{path}/{asked.json()['event_id']}")


async def use(client: httpx.AsyncClient, person: crowd.Person, seen: Seen, until: float) -> None:
    """Somebody else, again and again: an edit, a poll and a render that is cancelled on the page; a program."""
    for rounds in count():
        changes = {"prompt": f"Mia runs {rounds}."}
        op = {"do": "edit_scene", "scene": person.scenes[0], "changes": changes}
        await seen.time("healthz", client.get("/healthz"))
        await seen.time("page", person.call("edit", story=person.story, op=op))
        await seen.time("page", person.call("poll", story=person.story))
        await person.call("render", story=person.story, scenes=person.scenes[:1])
        await seen.time("cancel", person.call("cancel", story=person.story))
        await seen.time("program", ask(client, "get_story", person.owner, person.story))
        if time.monotonic() > until:
            return
        await asyncio.sleep(PAUSE_SECONDS)


async def visit(address: str, followers: int, seconds: float) -> Seen:
    seen, counts = Seen(), crowd.Counts()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        config = (await client.get("/config")).json()
        (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
        host, other = (crowd.Person(client, component, number, counts) for number in range(2))
        await other.come()
        made = await host.call("new_story", title="Film", prompts=[f"A cat {number}." for number in range(SCENES)])
        host.story, host.scenes = made["story"]["id"], [scene["id"] for scene in made["story"]["scenes"]]
        await host.call("render", story=host.story)
        room, them = asyncio.Semaphore(JOINING_AT_ONCE), [Follower(client, host, seen) for _ in range(followers)]
        tasks = [asyncio.create_task(one.join(room)) for one in them]
        await asyncio.wait_for(asyncio.gather(*(one.told.wait() for one in them)), crowd.PATIENCE_SECONDS)
        await use(client, other, seen, time.monotonic() + seconds)
        seen.followers = sum(one.told.is_set() for one in them)
        await seen.time("cancel", host.call("cancel", story=host.story))
        await asyncio.wait_for(asyncio.gather(*tasks), crowd.PATIENCE_SECONDS)  # all are told that it is over
        seen.unanswered += counts.refused
    return seen


def serve(folder: Path, port: int) -> None:
    """The page over renders without an end."""
    from storyboard.ui import page
    from tests.soak.fakes import open_fake

    studio = open_fake(folder, steps=LONG, step_seconds=STEP_SECONDS)
    page.build(studio).launch(server_name="127.0.0.1", server_port=port, quiet=True, **page.options(studio))


def run(followers: int, seconds: float, folder: Path) -> Seen:
    """Starts a server in a process of its own, and visits it."""
    with crowd.serving("tests.soak.followers", folder) as address, ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, visit(address, followers, seconds)).result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--followers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="throughline-followers-") as folder:
        seen = run(options.followers, options.seconds, Path(folder))
    times = "; ".join(
        f"{what} p50 {seen.percentile(what, 0.5) * 1000:.0f} ms, p95 {seen.percentile(what, 0.95) * 1000:.0f} ms"
        f" (n={len(found)})"
        for what, found in seen.seconds.items()
    )
    print(
        f"{seen.followers} followers for {options.seconds:.0f} s on {crowd.processors()} processors, theirs and the "
        f"server's: {seen.news} news; {times}; {len(seen.unanswered)} unanswered {seen.unanswered[:2] or ''}"
    )
    return 1 if seen.unanswered else 0


if __name__ == "__main__":
    sys.exit(main())
