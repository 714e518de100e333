"""The same kill -9 for other queues: what is left of what a server had acknowledged, after the next start.

    python -m tests.soak.peers throughline --kills 20
    python -m tests.soak.peers comfyui --kills 20 --port 8188 -- python main.py --cpu --port 8188
    python -m tests.soak.peers invokeai --kills 20 --port 9090 -- invokeai-web

After `--` stands the command that starts the peer, which is not part of this project. It needs a node `Sleeper`
(InvokeAI: `sleeper`) with the texts `name` and `folder`: it appends a line with the name to FOLDER/begun, sleeps
0.3 s, and writes FOLDER/NAME.txt. One to eight jobs are sent, one after the other; the server is killed at a random
moment meanwhile or while they are done, started again, and left until its queue is empty. A job counts as waiting, as
the last begun (its file may be there or not), or as finished before that.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import httpx

JOB_SECONDS = 0.3
PATIENCE_SECONDS = 600.0


class Peer(Protocol):
    """A queue that is reached over HTTP."""

    def enqueue(self, name: str) -> None:
        """Returns when the server has acknowledged the job."""

    def waiting(self) -> int:
        """How many jobs are in line or running; raises httpx.HTTPError as long as the server does not answer."""

    def remembered(self) -> dict[str, str]:
        """What the server says has become of each job that it knows of."""


class ComfyUI:
    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self.client, self.folder = client, str(folder)

    def enqueue(self, name: str) -> None:
        node = {"class_type": "Sleeper", "inputs": {"name": name, "folder": self.folder}}
        self.client.post("/prompt", json={"prompt": {"1": node}}).raise_for_status()

    def waiting(self) -> int:
        return sum(map(len, self.client.get("/queue").raise_for_status().json().values()))

    def remembered(self) -> dict[str, str]:
        history = self.client.get("/history").raise_for_status().json().values()
        return {entry["prompt"][2]["1"]["inputs"]["name"]: entry["status"]["status_str"] for entry in history}


class InvokeAI:
    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self.client, self.folder = client, str(folder)

    def enqueue(self, name: str) -> None:
        node = {"id": "1", "type": "sleeper", "name": name, "folder": self.folder}
        batch = {"batch": {"graph": {"nodes": {"1": node}, "edges": []}, "runs": 1}}
        self.client.post("/api/v1/queue/default/enqueue_batch", json=batch).raise_for_status()

    def waiting(self) -> int:
        queue = self.client.get("/api/v1/queue/default/status").raise_for_status().json()["queue"]
        return int(queue["pending"] + queue["in_progress"])

    def remembered(self) -> dict[str, str]:
        items = self.client.get("/api/v1/queue/default/list_all").raise_for_status().json()
        return {item["session"]["graph"]["nodes"]["1"]["name"]: item["status"] for item in items}


class Throughline:
    """A story a job. What the models would do takes 0.3 s."""

    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self.client, self.stories = client, dict[str, str]()

    def find(self) -> int:
        parts = self.client.get("/config").raise_for_status().json()["components"]
        found: int = next(part["id"] for part in parts if part["props"].get("elem_id") == "application")
        return found

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        body = {
            "component_id": self.component,
            "fn_name": "call",
            "session_hash": "s",
            "data": {"verb": verb, "owner": "a" * 32, **arguments},
        }
        found: dict[str, Any] = self.client.post("/gradio_api/component_server", json=body).raise_for_status().json()
        assert found["ok"], found
        return found

    def enqueue(self, name: str) -> None:
        story = self.call("new_story", title=name, prompts=["Mia runs."])["story"]
        self.stories[name] = story["id"]
        self.call("render", story=story["id"], scenes=[scene["id"] for scene in story["scenes"]])

    def waiting(self) -> int:
        return sum(state in ("queued", "running") for state in self.remembered().values())

    def remembered(self) -> dict[str, str]:
        self.component = self.find()  # it may be another after a start
        return {name: self.state(story) for name, story in self.stories.items()}

    def state(self, story: str) -> str:
        news = self.call("poll", story=story, rev=-1)
        (scene,) = news["story"]["scenes"]
        states = [job["state"] for job in news["jobs"].values()]
        return states[-1] if states else "completed" if scene["takes"] else "gone"


PEERS: dict[str, type] = {"comfyui": ComfyUI, "invokeai": InvokeAI, "throughline": Throughline}


def serve(folder: Path, port: int) -> None:
    """Throughline's page, whose renders do what the peers' node does, until it is ended."""
    from storyboard.ui import page
    from tests.soak.fakes import FakeMaker, open_fake

    class Sleeper(FakeMaker):
        def render(self, board: Any, *arguments: Any, **options: Any) -> Any:
            with (folder / "begun").open("a") as file:
                file.write(f"{board.story.title}\n")
            clip = yield from super().render(board, *arguments, **options)
            (folder / f"{board.story.title}.txt").touch()
            return clip

    def prepare(studio: Any) -> None:
        studio.renderer._maker = Sleeper(studio.media, 3, JOB_SECONDS / 3)

    studio = open_fake(folder / "home", prepare)
    page.build(studio).launch(server_name="127.0.0.1", server_port=port, quiet=True, **page.options(studio))


class Server:
    """A process, or several in a group, that can be killed and started again."""

    def __init__(self, command: list[str], peer: Peer, log: Path) -> None:
        self.command, self.peer, self.log = command, peer, log

    def start(self) -> None:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log, process_group=0)
        self.wait_until(lambda waiting: True)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_until_idle(self) -> None:
        self.wait_until(lambda waiting: not waiting)

    def wait_until(self, right: Any) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, f"the server ended, see {self.log}"
            try:
                if right(self.peer.waiting()):
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the server did not come so far, see {self.log}")


def send_and_kill(server: Server, names: list[str], several: int, seconds: float) -> list[str]:
    """Sends jobs, and kills the server some seconds after it acknowledged several; all that it acknowledged."""
    timer = threading.Timer(seconds, server.kill)
    acknowledged = []
    try:
        for name in names:
            server.peer.enqueue(name)
            acknowledged.append(name)
            if len(acknowledged) == several:
                timer.start()
    except httpx.TransportError:  # it is dead
        assert len(acknowledged) >= several, "the server ended by itself"
    timer.join()
    return acknowledged


def begun_and_done(folder: Path) -> tuple[list[str], set[str]]:
    begun = folder / "begun"
    return begun.read_text().split() if begun.exists() else [], {path.stem for path in folder.glob("*.txt")}


def one_kill(server: Server, folder: Path, names: list[str], several: int, seconds: float) -> Counter[str]:
    """What a kill did to the jobs that had been acknowledged."""
    acknowledged = send_and_kill(server, names, several, seconds)
    begun, done = begun_and_done(folder)
    server.start()
    server.wait_until_idle()
    begun_after, done_after = begun_and_done(folder)
    said, counts = server.peer.remembered(), Counter(kills=1, acknowledged=len(acknowledged))
    for name in acknowledged:
        was = "waiting" if name not in begun else "last begun" if name == begun[-1] else "finished"
        assert was != "finished" or name in done, f"{name} ended without its file"
        counts[was] += 1
        counts[f"{was}, never done"] += name not in done_after
        counts[f"{was}, begun again"] += begun_after.count(name) > begun.count(name) > 0
        counts[f"{was}, now {said.get(name, 'unknown')}"] += 1
    return counts


def run(server: Server, kills: int, folder: Path, rng: random.Random) -> Counter[str]:
    """Counts over all kills. Raises AssertionError for a server that does not start."""
    counts = Counter[str]()
    try:
        server.start()
        for kill in range(kills):
            names = [f"job-{kill}-{number}" for number in range(rng.randint(1, 8))]
            several, seconds = rng.randint(1, len(names)), rng.uniform(0, JOB_SECONDS * len(names))
            counts.update(one_kill(server, folder, names, several, seconds))
            print(f"{kill + 1} {dict(counts)}", file=sys.stderr)
    finally:
        server.kill()
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--port", type=int, default=7871, help="where the server listens")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments, command = sys.argv[1:], list[str]()
    if "--" in arguments:
        at = arguments.index("--")
        arguments, command = arguments[:at], arguments[at + 1 :]
    options = parser.parse_args(arguments)
    if options.serve:
        serve(options.serve, options.port)
        return 0
    with tempfile.TemporaryDirectory(prefix="throughline-peers-") as temporary:
        folder = Path(temporary)
        own = [sys.executable, "-m", "tests.soak.peers", "throughline"]
        command = command or [*own, "--port", str(options.port), "--serve", temporary]
        with httpx.Client(base_url=f"http://127.0.0.1:{options.port}", timeout=30) as client:
            server = Server(command, PEERS[options.peer](client, folder), folder / "server.log")
            counts = run(server, options.kills, folder, random.Random(options.seed))
    print(
        f"{options.peer}, seed {options.seed}: "
        + "; ".join(f"{count} {what}" for what, count in counts.items() if count)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
