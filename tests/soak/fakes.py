"""A studio without models, which starts in no time: the store and the queue are real, what is rendered is not."""

import hashlib
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from pipeline.language.kept import KeptWord
from storyboard.document.story import Board, Conditioning, Scene, Take, new_id
from storyboard.media.video import write_video
from storyboard.rendering.jobs.decided import Decided
from storyboard.rendering.limits import LIMITS, QueueLimits
from storyboard.rendering.queue import Made
from storyboard.store.blobs import BlobStore
from storyboard.studio import Studio

MODEL = "f" * 64
WORD = re.compile(r"\w+")
BEGINNINGS = {"mp4": b"\0\0\0\x18ftypisom", "webp": b"RIFF\0\0\0\0WEBP", "png": b"\x89PNG\r\n\x1a\n", "json": b"{}"}


@dataclass(frozen=True)
class Word:
    """As `pipeline.text_filter.Word`."""

    text: str
    start: int
    end: int
    kept: bool
    score: float = 0.0
    reason: str = ""
    matched: str | None = None
    mention: int | None = 0


def words_of(prompt: str, others: str) -> tuple[Word, ...]:
    """Words of more than three letters are kept if the other prompt has them too."""
    known = {word.lower() for word in WORD.findall(others) if len(word) > 3}
    return tuple(Word(m[0], m.start(), m.end(), m[0].lower() in known) for m in WORD.finditer(prompt))


def fake_filter(past_prompts: Sequence[str], prompt: str, **settings: Any) -> Any:
    """Keeps what two prompts have in common."""
    muted = settings.get("muted_scenes", ())
    scenes = [
        SimpleNamespace(index=i, prompt=past, words=words, kept=any(word.kept for word in words), targets=())
        for i, past in enumerate(past_prompts)
        if (words := words_of(past, "" if i in muted else prompt)) is not None
    ]
    current = words_of(prompt, " ".join(past_prompts))
    return SimpleNamespace(scenes=scenes, current=current, prompt=prompt, threshold=settings.get("threshold") or 0.5)


def fake_words(past: str, prompt: str, targets: Any = ()) -> tuple[tuple[KeptWord, ...], ...]:
    """As `TextFilter.words`, of what `fake_filter` keeps."""
    return tuple(
        tuple(KeptWord(i, w.start, w.end, w.mention or 0, w.matched) for i, w in enumerate(words_of(a, b)) if w.kept)
        for a, b in ((past, prompt), (prompt, past))
    )


def fake_targets(past_prompts: Sequence[str], prompt: str, threshold: float | None = None) -> Iterator[tuple[()]]:
    """As `TextFilter.targets`; `fake_words` needs none."""
    return iter([()] * len(past_prompts))


def fake_check(text: str) -> None: ...


for name, value in {"words": fake_words, "targets": fake_targets, "check": fake_check, "digest": ""}.items():
    setattr(fake_filter, name, value)


class FakeMaker:
    """As `rendering.takes.TakeMaker`: so many steps of so many seconds, then files that depend on scene and seed."""

    def __init__(
        self,
        media: BlobStore,
        steps: int = 3,
        step_seconds: float = 0.001,
        beginnings: Mapping[str, bytes] = BEGINNINGS,
    ) -> None:
        self.media, self.steps, self.step_seconds, self.beginnings = media, steps, step_seconds, beginnings
        self.frames_per_second, self.device = 8, "cpu"
        self.pipeline = SimpleNamespace(frames_per_second=8, transformer=SimpleNamespace(device="cpu"))
        self.encodings = SimpleNamespace(model=MODEL)
        self.speed, self.sizes = "exact", ()
        self.on_step: Callable[[Scene, int], None] = lambda scene, step: None

    def can_stream(self, num_frames: int) -> bool:
        return False

    def streams(self, scene: Scene) -> bool:
        return False

    def check_model(self, conditioning: Conditioning) -> None:
        assert conditioning.model == self.encodings.model, "there is one"

    def render(
        self, board: Board, scene: Scene, decided: Decided, seed: int, trial: Any = None
    ) -> Generator[Made, None, bytes]:
        for step in range(1, self.steps + 1):
            time.sleep(self.step_seconds)
            self.on_step(scene, step)
            yield Made(step, self.steps, "")
        return hashlib.sha256(f"{decided.conditioning.digest()} {seed}".encode()).digest()

    def keep(self, scene: Scene, clip: bytes, decided: Decided, seed: int, seconds: float) -> Take:
        files = {kind: self.media.put(begin + clip, kind) for kind, begin in self.beginnings.items() if kind != "json"}
        trace = self.media.put(b'{"maps": [], "clip": "%s"}' % clip.hex().encode(), "json")
        return Take(
            id=new_id(),
            scene=scene.id,
            clip=files["mp4"],
            preview=files["webp"],
            keyframe=files["png"],
            keyframe_index=0,
            num_frames=scene.num_frames,
            width=144,
            height=96,
            frames_per_second=8,
            seed=seed,
            steps=scene.steps,
            conditioning=decided.conditioning,
            trace=trace,
            render_seconds=seconds,
            created=time.time(),
        )


def real_beginnings(folder: Path) -> dict[str, bytes]:
    """Files that can be read, whatever 32 bytes come after them: a clip as long as a scene is by default."""
    count = Scene(id="0").num_frames
    frames = np.random.default_rng(0).integers(60, 200, (count, 12, 18, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    write_video(folder / "clip.mp4", frames, 8)
    found = {"mp4": (folder / "clip.mp4").read_bytes() + b"\0\0\0\x28free"}
    for kind in ("webp", "png"):
        Image.fromarray(frames[0]).save(file := BytesIO(), kind)
        found[kind] = file.getvalue()
    return found


def open_fake(
    folder: Path, prepare: Callable[[Studio], None] = lambda studio: None, limits: QueueLimits = LIMITS, **settings: Any
) -> Studio:
    """A studio whose renders are fake. prepare: called before what was cut short is resumed."""
    studio = Studio(_no_model, folder, MODEL, resume=False)
    studio.renderer._filter = fake_filter  # type: ignore[assignment]
    studio.renderer._maker = FakeMaker(studio.media, **settings)  # type: ignore[assignment]
    studio.renderer.queue.limits = limits
    prepare(studio)
    studio.renderer._resume()
    return studio


def _no_model() -> Any:
    raise AssertionError("nothing here is rendered by a model")
