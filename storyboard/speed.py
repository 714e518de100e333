"""python -m storyboard.speed: how long edits, renders and opening take, and whether memory grows.

Times depend on the machine and on what else it does: compare them only within one run. Everything happens in a
temporary folder.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from pipeline import loading
from pipeline.backbones import checkpoints
from pipeline.backbones.counting import TokenCounter

from .process import settle
from .studio import Studio

OWNER = "owner-of-the-speed-measurements"
WHO = ("Mia", "Actor 1", "A robot", "Tom", "The dog", "A black cat", "Actor 2", "Nora")
DOES = ("is running", "is skiing", "is dancing", "is waving", "is jumping", "is walking", "is riding a bicycle")
WHERE = ("on the playground", "on the snow", "on the beach", "in the forest", "in the desert", "in the kitchen")
TEN = (  # the coat is remembered by scenes 4 and 8
    "A girl in a red coat is running on the beach.",
    "A robot is dancing in the desert.",
    "Tom is skiing on the snow.",
    "The girl in the red coat is waving.",
    "A black cat is jumping in the forest.",
    "The robot is walking.",
    "Tom is riding a bicycle on the street.",
    "The girl in the red coat is dancing.",
    "The cat is hopping.",
    "A dog is hopping in the kitchen.",
)
RUNS = 12
OTHER = "another-owner-of-the-speed-measurements"


def milliseconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def resident_megabytes() -> float:
    """Of this process, on Linux."""
    gc.collect()
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "the kernel does not tell"
    return int(found[1]) / 1024


def editing(studio: Studio, scenes: int = 100) -> dict[str, float]:
    """Medians in milliseconds to the acknowledged save, in a story of so many scenes, and of opening it."""
    prompts = [f"{WHO[i % 8]} {DOES[i * 5 % 7]} {WHERE[(i * 7 + i // 6) % 6]}." for i in range(scenes)]
    story = studio.new_story(OWNER, "Long", prompts)["story"]
    story_id, ids = story["id"], [scene["id"] for scene in story["scenes"]]
    first = milliseconds(lambda: studio.plan(OWNER, story_id))
    times: dict[str, list[float]] = {"edit": [], "move": [], "undo": [], "open": []}
    for k in range(RUNS):
        scene, words = ids[k * 17 % scenes], {"prompt": f"{prompts[k * 17 % scenes]} Tom waves."}
        words_op = {"do": "edit_scene", "scene": scene, "changes": words}
        place_op = {"do": "move_scene", "scene": scene, "index": k * 31 % scenes}
        times["edit"].append(milliseconds(lambda op=words_op: studio.edit(OWNER, story_id, op)))  # type: ignore[misc]
        times["move"].append(milliseconds(lambda op=place_op: studio.edit(OWNER, story_id, op)))  # type: ignore[misc]
        times["undo"].append(milliseconds(lambda: studio.undo(OWNER, story_id)))
        times["open"].append(milliseconds(lambda: studio.poll(OWNER, story_id)))
    return {f"{name}_ms": median(all_) for name, all_ in times.items()} | {"first_plan_ms": first}


def planning(studio: Studio, scenes: int = 500) -> dict[str, float]:
    """Planning a story of so many scenes of 30 words: seconds of processor time, medians in milliseconds after an edit
    of one, and of the first plan of another owner's ten scenes meanwhile."""
    prompts = [_thirty_words(i) for i in range(scenes + RUNS)]
    story = studio.new_story(OWNER, "Longest", prompts[:scenes])["story"]
    story_id, ids = story["id"], [scene["id"] for scene in story["scenes"]]
    meanwhile: list[float] = []
    began, first = time.process_time(), threading.Thread(target=studio.plan, args=(OWNER, story_id))
    first.start()
    while first.is_alive():
        other = studio.new_story(OTHER, "Short", [f"{p} {len(meanwhile)}." for p in TEN])["story"]["id"]
        meanwhile.append(milliseconds(lambda other=other: studio.plan(OTHER, other)))  # type: ignore[misc]
        first.join(5)
    cold, after = time.process_time() - began, list[float]()
    for k in range(RUNS):
        words = {"do": "edit_scene", "scene": ids[k * 41 % scenes], "changes": {"prompt": prompts[scenes + k]}}
        studio.edit(OWNER, story_id, words)
        after.append(milliseconds(lambda: studio.plan(OWNER, story_id)))
    return {
        "plan_500_cpu_seconds": cold,
        "replan_500_ms": median(after),
        "other_plan_ms": median(meanwhile),
        "other_plan_most_ms": max(meanwhile),
    }


def _thirty_words(i: int) -> str:
    """Who does what where, drawn anew for every number."""
    draw = random.Random(i)
    words = " ".join(f"{draw.choice(WHO)} {draw.choice(DOES)} {draw.choice(WHERE)}." for _ in range(6)).split()
    return " ".join(words[:30])


def cascade(studio: Studio, prompts: Sequence[str] = TEN) -> dict[str, Any]:
    """One word of the first scene changed: what is planned, and its time over that of asking for just those scenes."""
    story = studio.new_story(OWNER, "Ten", prompts)["story"]
    story_id, ids = story["id"], [scene["id"] for scene in story["scenes"]]
    _render(studio, story_id)
    words = {"prompt": prompts[0].replace("red", "dark red")}
    studio.edit(OWNER, story_id, {"do": "edit_scene", "scene": ids[0], "changes": words})
    planned = [step["number"] for step in studio.plan(OWNER, story_id)["plan"]["steps"]]
    whole = milliseconds(lambda: _render(studio, story_id))
    takes = {scene["id"]: scene["takes"] for scene in studio.get_story(OWNER, story_id)["story"]["scenes"]}
    rendered = [number for number, scene in enumerate(ids, 1) if len(takes[scene]) > 1]
    alone = milliseconds(lambda: _render(studio, story_id, [ids[number - 1] for number in rendered], again=True))
    return {"planned": planned, "rendered": rendered, "over_just_those": whole / alone}


def _render(studio: Studio, story_id: str, scenes: list[str] | None = None, again: bool = False) -> None:
    studio.render(OWNER, story_id, scenes, again)
    for _ in studio.follow(OWNER, story_id, pause=0.01):
        pass


def growth(studio: Studio, renders: int = 50, early: int = 5) -> dict[str, float]:
    """Memory after `renders` renders over that after `early`."""
    story = studio.new_story(OWNER, "Again", ["Mia is running on the beach.", "Mia is skiing on the snow."])["story"]
    scene, sizes = story["scenes"][1]["id"], list[float]()
    _render(studio, story["id"])
    for count in range(1, renders + 1):
        _render(studio, story["id"], [scene], again=True)
        if count in (early, renders):
            sizes.append(resident_megabytes())
    return {f"megabytes_after_{early}": sizes[0], f"megabytes_after_{renders}": sizes[1], "growth": sizes[1] / sizes[0]}


def start(model: str) -> dict[str, float]:
    """Seconds from `python app.py` to a page that answers."""
    port, environment = 7873, {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    command = [sys.executable, "app.py", "--port", str(port), "--model", model]
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        app = subprocess.Popen(command, env=environment | {"THROUGHLINE_HOME": home}, stdout=subprocess.DEVNULL)
        try:
            while time.perf_counter() - began < 120:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                    return {"start_seconds": time.perf_counter() - began}
                except OSError:
                    time.sleep(0.05)
        finally:
            app.terminate()
            app.wait(30)
    raise AssertionError("the app did not start in two minutes")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m storyboard.speed", description=__doc__)
    parser.add_argument("--model", default="picturebook", help="(%(default)s)")
    parser.add_argument("--renders", type=int, default=50, help="for the growth of memory (%(default)s)")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = start(options.model)
    with tempfile.TemporaryDirectory(prefix="throughline-speed-") as home:
        folder = checkpoints.find(options.model)
        load, digest, encoder = lambda: loading.load(options.model), checkpoints.digest(folder), TokenCounter.of(folder)
        with closing(Studio(load, Path(home), digest, encoder=encoder)) as studio:
            _ = studio.renderer.filter
            settle()  # as the app does
            figures |= planning(studio) | editing(studio) | cascade(studio) | growth(studio, options.renders)
    for name, value in figures.items():
        print(f"{name:24} {value:.2f}" if isinstance(value, float) else f"{name:24} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
