"""Many people at once who edit, render, export and upload, each a story of their own, over HTTP and with a fake model.

    python -m tests.soak.busy --people 150 --seconds 180

They do what those of `crowd` do; now and then one exports a film or an archive, or uploads a clip. At the end all that
the server acknowledged must be there: the last edit of every scene, every take and upload, every export. Prints how
long an edit took, and how much memory the server held meanwhile.
"""

import argparse
import asyncio
import base64
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.soak import crowd

EXPORTS = ("mp4", "story.zip", "sheet.png")
SHARE = 0.02  # of an edit's times that somebody exports, and that they upload
MEMORY_SECONDS = 2.0  # between two looks
SETTLED = 1 / 3  # of the time, after which memory is to be flat


@dataclass
class Seen(crowd.Counts):
    """What all of them saw, and what the server held."""

    exports: list[float] = field(default_factory=list)  # seconds of each
    uploads: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    server_seconds: float = 0.0  # of the processor
    unanswered: list[str] = field(default_factory=list)  # connections that were lost, or closed as one was asked
    missing: list[str] = field(default_factory=list)  # what was acknowledged and is not there

    @property
    def growth(self) -> float:
        """Megabytes, from the first third of the time that is to be flat to the last: medians."""
        flat = self.megabytes[int(len(self.megabytes) * SETTLED) :]
        third = max(1, len(flat) // 3)
        return statistics.median(flat[-third:]) - statistics.median(flat[:third])


class Worker(crowd.Person):
    """Somebody who does all of it."""

    counts: Seen

    def __init__(self, *arguments: Any, clip: str) -> None:
        super().__init__(*arguments)
        self.clip, self.uploaded, self.urls = clip, dict[str, int](), list[str]()
        self.prompts: dict[str, str] = {}  # the last one of each scene that was acknowledged

    async def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        try:
            return await super().call(verb, **arguments)
        except httpx.TransportError as error:
            self.counts.unanswered.append(f"{verb}: {type(error).__name__}")
            return {}

    async def edit(self, scene: str) -> None:
        prompt = f"Mia runs {self.rng.random()}."
        op = {"do": "edit_scene", "scene": scene, "changes": {"prompt": prompt}}
        began = time.perf_counter()
        if (await self.call("edit", story=self.story, op=op, group=f"prompt:{scene}")).get("ok"):
            self.counts.edits.append(time.perf_counter() - began)
            self.prompts[scene] = prompt
        if self.rng.random() < SHARE and self.asked:
            await self.export(self.rng.choice(EXPORTS))
        if self.rng.random() < SHARE:
            await self.upload(scene)

    async def export(self, format: str) -> None:
        news = await self.call("poll", story=self.story, rev=-1)
        if any(scene["takes"] for scene in news.get("story", {}).get("scenes", ())):
            began = time.perf_counter()
            found = await self.call("film", story=self.story, format=format)
            if found.get("ok"):
                self.counts.exports.append(time.perf_counter() - began)
                self.urls.append(found["url"])

    async def upload(self, scene: str) -> None:
        began = time.perf_counter()
        if (await self.call("import_clip", story=self.story, scene=scene, data=self.clip)).get("ok"):
            self.counts.uploads.append(time.perf_counter() - began)
            self.uploaded[scene] = self.uploaded.get(scene, 0) + 1

    async def look(self) -> None:
        await super().look()
        story = (await self.call("get_story", story=self.story))["story"]
        scenes = {scene["id"]: scene for scene in story["scenes"]}
        for scene, prompt in self.prompts.items():
            self._check(scenes[scene]["prompt"] == prompt, f"edit of {scene}")
        for scene, count in self.uploaded.items():
            own = [take for take in scenes[scene]["takes"] if take["source"] == "imported"]
            self._check(len(own) >= count, f"{count} uploads to {scene}, {len(own)} there")
        for url in self.urls:
            answer = await self.client.head(url)
            self._check(answer.status_code in (200, 405), f"export {url}")

    def _check(self, there: bool, what: str) -> None:
        if not there:
            self.counts.missing.append(what)


async def visit(address: str, people: int, seconds: float, clip: str, server: psutil.Process) -> Seen:
    seen, limits = Seen(), httpx.Limits(max_connections=None, keepalive_expiry=1)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        config = (await client.get("/config")).json()
        (component,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
        workers = [Worker(client, component, number, seen, clip=clip) for number in range(people)]
        for worker in workers:
            await worker.come()
        watching = asyncio.create_task(watch(server, seen))
        until = time.monotonic() + seconds
        await asyncio.gather(*(worker.work(until) for worker in workers))
        watching.cancel()
        seen.server_seconds = sum(server.cpu_times()[:2])
        await asyncio.gather(*(worker.look() for worker in workers))
    return seen


async def watch(server: psutil.Process, seen: Seen) -> None:
    while True:
        seen.megabytes.append(server.memory_info().rss / 2**20)
        await asyncio.sleep(MEMORY_SECONDS)


def serve(folder: Path, port: int) -> None:
    """The page over fake renders whose clips can be read, in a process that has settled as the app's does."""
    from storyboard import process
    from storyboard.ui import page
    from tests.soak.fakes import open_fake, real_beginnings

    studio = open_fake(folder / "home", beginnings=real_beginnings(folder))
    address = {"server_name": "127.0.0.1", "server_port": port, "quiet": True, "prevent_thread_lock": True}
    app = page.build(studio)
    app.launch(**address, **page.options(studio))
    process.settle()
    app.block_thread()


def run(people: int, seconds: float, folder: Path) -> Seen:
    """Starts a server in a process of its own, and visits it."""
    from tests.soak.fakes import real_beginnings

    clip = base64.b64encode(real_beginnings(folder)["mp4"] + bytes(32)).decode()
    before = psutil.Process().children()
    with crowd.serving("tests.soak.busy", folder) as address, ThreadPoolExecutor(1) as own:
        (server,) = [child for child in psutil.Process().children() if child not in before]
        return own.submit(asyncio.run, visit(address, people, seconds, clip, server)).result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="throughline-busy-") as folder:
        seen = run(options.people, options.seconds, Path(folder))
    times = ", ".join(f"p{share} {seen.percentile(share / 100) * 1000:.0f} ms" for share in (50, 95, 99))
    took = [statistics.median(found or [0]) for found in (seen.exports, seen.uploads)]
    print(
        f"{options.people} people for {options.seconds:.0f} s on {crowd.processors()} processors, theirs and the "
        f"server's (load {psutil.getloadavg()[0]:.1f}; {seen.server_seconds:.0f} s of the processor): "
        f"{len(seen.edits)} edits, {times}; {seen.asked} renders, "
        f"{len(seen.exports)} exports ({took[0]:.1f} s), {len(seen.uploads)} uploads ({took[1]:.1f} s); "
        f"{seen.lost + len(seen.missing)} lost {seen.missing[:2] or ''}; memory {max(seen.megabytes):.0f} MB at most, "
        f"{seen.growth:+.0f} MB in the last two thirds; {len(seen.refused)} refused {seen.refused[:2] or ''}, "
        f"{len(seen.unanswered)} unanswered"
    )
    return 1 if seen.lost or seen.missing or seen.refused else 0


if __name__ == "__main__":
    sys.exit(main())
