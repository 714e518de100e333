"""Many people at once, each editing and rendering a story of their own over HTTP, with a fake model.

    python -m tests.soak.crowd --clients 100 --seconds 60

Each sends an edit every four seconds, asks how things stand as often, and has a scene rendered now and then. At the
end every scene that the server took must have been rendered.
"""

import argparse
import asyncio
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.paths import ROOT

PAUSE_SECONDS = 4.0  # between two edits of one person, on average
SCENES = 12
PATIENCE_SECONDS = 600.0


@dataclass
class Counts:
    """What all of them saw."""

    edits: list[float] = field(default_factory=list)  # seconds until each was acknowledged
    asked: int = 0  # scenes that the server took
    lost: int = 0  # of those, not rendered at the end
    refused: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        return sorted(self.edits)[min(len(self.edits) - 1, int(len(self.edits) * share))]


def serve(folder: Path, port: int) -> None:
    """The page over fake renders, until it is ended."""
    from storyboard.ui import page
    from tests.soak.fakes import open_fake

    studio = open_fake(folder)
    page.build(studio).launch(server_name="127.0.0.1", server_port=port, quiet=True, **page.options(studio))


class Person:
    def __init__(
        self,
        client: httpx.AsyncClient,
        component: int,
        number: int,
        counts: Counts,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.client, self.component, self.counts, self.headers = client, component, counts, headers
        self.owner, self.rng = f"{number:032d}", random.Random(number)
        self.asked: list[str] = []

    async def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        body = {
            "component_id": self.component,
            "fn_name": "call",
            "session_hash": self.owner,
            "data": {"verb": verb, "owner": self.owner, **arguments},
        }
        answer = await self.client.post("/gradio_api/component_server", json=body, headers=self.headers)
        found: dict[str, Any] = answer.json()
        if not found.get("ok"):
            self.counts.refused.append(str(found)[:200])
        return found

    async def come(self) -> None:
        made = await self.call("new_story", title="Film", prompts=[f"Mia runs {n}." for n in range(SCENES)])
        self.story, self.scenes = made["story"]["id"], [scene["id"] for scene in made["story"]["scenes"]]

    async def work(self, until: float) -> None:
        await asyncio.sleep(self.rng.random() * PAUSE_SECONDS)  # they do not all begin in the same moment
        scenes, rev, seen = self.scenes, -1, -1
        while time.monotonic() < until:
            await self.edit(self.rng.choice(scenes))
            if self.rng.random() < 0.2 and len(self.asked) < SCENES:
                scene = scenes[len(self.asked)]
                if (await self.call("render", story=self.story, scenes=[scene])).get("ok"):
                    self.asked.append(scene)
            news = await self.call("poll", story=self.story, rev=rev, seen=seen)
            rev, seen = news.get("story", {}).get("rev", rev), news.get("seen", seen)
            await asyncio.sleep(self.rng.expovariate(1 / PAUSE_SECONDS))

    async def edit(self, scene: str) -> None:
        op = {"do": "edit_scene", "scene": scene, "changes": {"prompt": f"Mia runs {self.rng.random()}."}}
        began = time.perf_counter()
        if (await self.call("edit", story=self.story, op=op, group=f"prompt:{scene}")).get("ok"):
            self.counts.edits.append(time.perf_counter() - began)

    async def look(self) -> None:
        """Waits until nothing is in line, and counts what was not rendered."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            news = await self.call("poll", story=self.story, rev=-1)
            if not any(job["state"] in ("queued", "running") for job in news["jobs"].values()):
                break
            await asyncio.sleep(0.5)
        takes = {scene["id"]: scene["takes"] for scene in news["story"]["scenes"]}
        self.counts.asked += len(self.asked)
        self.counts.lost += sum(not takes[scene] for scene in self.asked)


async def visit(address: str, clients: int, seconds: float) -> Counts:
    counts, limits = Counts(), httpx.Limits(max_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        config = (await client.get("/config")).json()
        (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
        people = [Person(client, component, number, counts) for number in range(clients)]
        for person in people:
            await person.come()
        until = time.monotonic() + seconds
        await asyncio.gather(*(person.work(until) for person in people))
        await asyncio.gather(*(person.look() for person in people))
    return counts


def run(clients: int, seconds: float, folder: Path) -> Counts:
    """Starts a server in a process of its own, and visits it."""
    with serving("tests.soak.crowd", folder) as address, ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, visit(address, clients, seconds)).result()  # a browser test's thread has a loop


@contextmanager
def serving(module: str, folder: Path, checkout: Path = ROOT) -> Iterator[str]:
    """`python -m module --serve folder PORT` of a checkout, in a process of its own: its address. At the end it must
    still run and have met no error."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", module, "--serve", str(folder), str(port)]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server)
        yield address
        assert server.poll() is None, "the server ended"
        told = (folder / "server.log").read_text()
        assert not re.search(r"Traceback", told), told[-2000:]
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server did not start"
        try:
            if httpx.get(f"{address}/healthz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError("the server did not start")


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="throughline-crowd-") as folder:
        counts = run(options.clients, options.seconds, Path(folder))
    times = ", ".join(f"p{share} {counts.percentile(share / 100) * 1000:.0f} ms" for share in (50, 95, 99))
    print(
        f"{options.clients} clients for {options.seconds:.0f} s on {processors()} processors, theirs and the server's: "
        f"{len(counts.edits)} edits, {times}; {counts.asked} renders, {counts.lost} lost; "
        f"{len(counts.refused)} refused {counts.refused[:2] or ''}"
    )
    return 1 if counts.lost or counts.refused else 0


if __name__ == "__main__":
    sys.exit(main())
