"""What the tests of the studio share: small stories, and a tiny pipeline that can be watched and held."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storyboard.document import edits
from storyboard.document.plan import Standing
from storyboard.document.story import Scene, Story, Take
from storyboard.studio import Studio

ME, YOU = "a" * 32, "b" * 32
MODEL = "f" * 64
SECONDS = 60.0  # until a test gives up
TEN = (
    "Mia in a red coat is walking in the desert.", "A dog is jumping on the snow.", "A robot is dancing in the city.",
    "Mia is sitting on the beach.", "The dog is running in the forest.", "The robot is singing in the garden.",
    "Mia is painting in the library.", "An elephant is sleeping in the kitchen.", "A pirate is reading in the tower.",
    "The elephant is eating on the ship.",
)  # fmt: skip


class Watched:
    """A pipeline that counts what it is asked for. While `held`, renders stop before their first step."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.seeds: list[int] = []  # of every render
        self.prompts: list[str] = []
        self.encoded: list[str] = []  # prompts of every encoded scene
        self._open, self._begun = threading.Event(), threading.Semaphore(0)
        self._open.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def generate(self, prompt: str, *arguments: Any, **settings: Any) -> Iterator[Any]:
        self.prompts.append(prompt)
        self.seeds.append(settings["seed"])
        self._begun.release()
        assert self._open.wait(SECONDS)
        yield from self._pipeline.generate(prompt, *arguments, **settings)

    def encode_scene(self, prompt: str, *arguments: Any) -> Any:
        self.encoded.append(prompt)
        return self._pipeline.encode_scene(prompt, *arguments)

    def hold(self) -> None:
        self._open.clear()

    def begun(self) -> None:
        """Waits for the next render to begin."""
        assert self._begun.acquire(timeout=SECONDS)

    def go(self) -> None:
        self._open.set()


def small(story: Story, **fields: Any) -> Story:
    """A story that the tiny pipeline renders in no time."""
    settings = {"steps": 2, "num_frames": 5, **fields}
    scenes = tuple(scene.model_copy(update=settings) for scene in story.scenes)
    return story.model_copy(update={"width": 72, "height": 48, "scenes": scenes})


@dataclass
class Desk:
    """One owner's story in a studio."""

    studio: Studio
    owner: str
    story: str

    @classmethod
    def new(cls, studio: Studio, *prompts: str, owner: str = ME, **fields: Any) -> "Desk":
        story = small(edits.new_story("Film", prompts), **fields)
        studio.library.create(owner, story)
        return cls(studio, owner, story.id)

    def ask(self, verb: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.studio, verb)(self.owner, self.story, *arguments, **options)
        return answer

    def edit(self, place: int, **changes: Any) -> dict[str, Any]:
        return self.ask("edit", {"do": "edit_scene", "scene": self.ids[place], "changes": changes})

    def prompt(self, place: int, prompt: str) -> dict[str, Any]:
        return self.edit(place, prompt=prompt)

    def render(self, *places: int, again: bool = False) -> list[dict[str, Any]]:
        """Renders scenes to the end, all that are stale if none is named; gives what was told meanwhile."""
        self.ask("render", [self.ids[place] for place in places] or None, again)
        return self.follow()

    def follow(self) -> list[dict[str, Any]]:
        news = list(self.studio.follow(self.owner, self.story, pause=0.002))
        wait_for(lambda: not self.saved_jobs())
        return news

    def saved_jobs(self) -> list[Any]:
        return [job for job in self.studio.library.job_store.jobs() if job.story == self.story]

    @property
    def board(self) -> Any:
        return self.studio.library.head(self.owner, self.story).board

    @property
    def rev(self) -> int:
        return self.studio.library.head(self.owner, self.story).rev

    @property
    def scenes(self) -> Sequence[Scene]:
        scenes: Sequence[Scene] = self.board.story.scenes
        return scenes

    @property
    def ids(self) -> list[str]:
        return [scene.id for scene in self.scenes]

    @property
    def shown(self) -> list[Take | None]:
        """The chosen take of every scene."""
        return [self.board.chosen(scene) for scene in self.scenes]

    def takes(self, place: int) -> tuple[Take, ...]:
        found: tuple[Take, ...] = self.board.takes_of(self.ids[place])
        return found

    def standings(self) -> list[Standing]:
        return list(self.studio.standings(self.owner, self.story).values())

    @property
    def states(self) -> list[str]:
        return [standing.state for standing in self.standings()]

    def planned(self) -> list[int]:
        """Numbers of the scenes that a render would go through, from 0."""
        return [step["number"] - 1 for step in self.ask("plan")["plan"]["steps"]]


def wait_for(holds: Callable[[], Any]) -> None:
    """Looks every few milliseconds; for what nobody tells."""
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.005)):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen")


def open_studio(pipeline: Any, folder: Path, **options: Any) -> Studio:
    return Studio(lambda: pipeline, folder, MODEL, **options)


@contextmanager
def served(studio: Studio, **options: Any) -> Iterator[str]:
    """The page on a free port of this machine: its address."""
    import socket

    from storyboard.ui import page

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = page.build(studio)
    own = {"server_name": "127.0.0.1", "server_port": port, "prevent_thread_lock": True, "quiet": True}
    app.launch(**own, **page.options(studio), **options)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.close(verbose=False)
