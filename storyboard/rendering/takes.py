"""How a scene becomes a take: from the board, through the pipeline, to files.

Does not cover: the queue (`storyboard.rendering.queue`), what to render (`storyboard.document.plan`).
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError

from ..document import plan
from ..document.story import Board, Conditioning, Scene, Take, WordRef, new_id
from ..export.film_folder import good_scale
from ..media import previews, video
from ..media.images import read_picture
from ..store.blobs import BlobStore
from ..store.encodings import Encodings
from .hosting import on_gpu
from .queue import Made

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.guidance import Guidance as PipelineGuidance
    from pipeline.history import HistoryScene
    from pipeline.story_pipeline import Clip, Step, StoryPipeline, Trace

    from ..continuity.meter import Scores

PREVIEW_SECONDS = 0.25  # from one preview to the next: each costs as much as a third of a small model's step
KEPT_ENCODINGS = 512  # in memory, about 80 KB each


@dataclass(frozen=True)
class Trial:
    """What to change for a clip that is only looked at."""

    history: bool = True  # whether it remembers anything
    without: WordRef | None = None  # a word of an earlier scene to drop
    text_weight: float | None = None  # w1, w2 and steps instead of the scene's
    history_weight: float | None = None
    steps: int | None = None
    against: str = ""  # id of the take that it is compared with
    sheet: str = ""  # name of the sheet of which it is a cell


@dataclass(frozen=True, eq=False)
class SceneHistory:
    """The history of a scene, ready for the pipeline."""

    scenes: tuple[HistoryScene, ...]
    pins: tuple[Any, ...]
    mutes: tuple[Any, ...]


class TakeMaker:
    """Renders scenes with one pipeline. SceneHistory scenes are encoded once: all are in files, the last in memory."""

    def __init__(self, pipeline: StoryPipeline, media: BlobStore, encodings: Encodings) -> None:
        self.pipeline, self.media, self.encodings = pipeline, media, encodings
        self._generate = on_gpu(self._generate_here, _gpu_seconds)
        self._encoded: OrderedDict[tuple[str, str], HistoryScene] = OrderedDict()

    @property
    def speed(self) -> Any:
        return getattr(self.pipeline, "speed", "exact")

    def render(
        self, board: Board, scene: Scene, conditioning: Conditioning, seed: int, trial: Trial | None = None
    ) -> Generator[Made, None, Clip]:
        """Yields the steps and returns the clip. `conditioning` says what of the past enters."""
        from pipeline.guidance import Guidance
        from pipeline.story_pipeline import Clip

        trial = trial or Trial()
        past = self._past(board, scene, conditioning if trial.history else None, trial.without)
        weights = scene.guidance.model_dump()
        weights["text"] = weights["text"] if trial.text_weight is None else trial.text_weight
        weights["history"] = weights["history"] if trial.history_weight is None else trial.history_weight
        weights["history"] = weights["history"] if trial.history else 0.0
        settings = {
            "height": board.story.height, "width": board.story.width, "num_frames": scene.num_frames,
            "steps": trial.steps or scene.steps, "seed": seed, "negative_prompt": scene.negative_prompt,
            "threshold": scene.threshold, "pins": past.pins, "mutes": past.mutes,
        }  # fmt: skip
        shown = -PREVIEW_SECONDS
        for item in self._generate(scene.prompt, past.scenes, Guidance(**weights), settings):
            if isinstance(item, Clip):
                return item
            due = time.monotonic() - shown >= PREVIEW_SECONDS
            shown = time.monotonic() if due else shown
            yield Made(item.index, item.total, self._moving(item) if due else "", item.notice or "")
        raise AssertionError("a generation ends with a clip")

    def _moving(self, step: Step) -> str:
        return previews.moving(step.preview, self.pipeline.frames_per_second)

    def _generate_here(
        self, prompt: str, past: Sequence[HistoryScene], guidance: PipelineGuidance, settings: dict[str, Any]
    ) -> Iterator[Step | Clip]:
        """In a forked process on a ZeroGPU Space: everything that goes in and comes out can be pickled."""
        yield from self.pipeline.generate(prompt, past, guidance, **settings)

    def _past(
        self, board: Board, scene: Scene, conditioning: Conditioning | None, without: WordRef | None
    ) -> SceneHistory:
        """Only scenes that contribute and have a keyframe; the others would change nothing."""
        memories = [m for m in (conditioning.memories if conditioning else ()) if m.keyframe]
        past = [board.story.scene(memory.scene) for memory in memories]
        mutes = (*scene.mutes, without) if without else scene.mutes
        return SceneHistory(
            tuple(self._encode(memory.prompt, memory.keyframe) for memory in memories if memory.keyframe),
            tuple(plan.places(scene.pins, past)), tuple(plan.places(mutes, past)),
        )  # fmt: skip

    def _encode(self, prompt: str, keyframe: str) -> HistoryScene:
        key = (prompt, keyframe)
        if key not in self._encoded:
            picture = read_picture(self.media.path(keyframe, "png"))
            kept = self.encodings.read(prompt, keyframe, picture)
            self._encoded[key] = kept or self._encode_anew(prompt, keyframe, picture)
        self._encoded.move_to_end(key)
        while len(self._encoded) > KEPT_ENCODINGS:
            self._encoded.popitem(last=False)
        return self._encoded[key]

    def _encode_anew(self, prompt: str, keyframe: str, picture: np.ndarray) -> HistoryScene:
        scene = self.pipeline.encode_scene(prompt, picture[None])
        self.encodings.keep(scene, keyframe)
        return scene

    def tried(
        self, board: Board, scene: Scene, conditioning: Conditioning, clip: Clip, score: Callable[..., Scores]
    ) -> dict[str, Any]:
        """What a trial shows: its files and, by `Meter.scores`, its scores. The consistency is with all that the scene
        would remember, whatever the trial remembered."""
        past = self._past(board, scene, conditioning, None)
        prompts = [other.prompt for other in past.scenes]
        result = self.pipeline.filter(
            prompts, scene.prompt, threshold=scene.threshold, pins=past.pins, mutes=past.mutes
        )
        scores = score(clip.frames, scene.prompt, result, past.scenes)
        files = keep_frames(self.media, clip.frames, self.pipeline.frames_per_second)
        return {"scores": scores, **files}

    # --- takes -----------------------------------------------------------------------------------------------------

    def keep(self, scene: Scene, clip: Clip, conditioning: Conditioning, seed: int, seconds: float) -> Take:
        """Writes the files of a clip."""
        ids = [memory.scene for memory in conditioning.memories if memory.keyframe]
        trace = self.media.put(json.dumps(trace_content(clip.trace, ids)).encode(), "json")
        files = keep_frames(self.media, clip.frames, self.pipeline.frames_per_second)
        return Take(
            id=new_id(), scene=scene.id, **files, seed=seed, steps=scene.steps, conditioning=conditioning, trace=trace,
            speed=self.speed, render_seconds=round(seconds, 3), created=time.time(),
        )  # fmt: skip


def _gpu_seconds(prompt: str, past: Sequence[Any], guidance: Any, settings: dict[str, Any]) -> float:
    """A generous estimate for a large model on one card: 1.5 s a step at 480 x 720 and 49 frames."""
    work = settings["num_frames"] * settings["height"] * settings["width"] / (49 * 480 * 720)
    return float(10 + 1.5 * settings["steps"] * work)


def keep_frames(media: BlobStore, frames: np.ndarray, rate: float) -> dict[str, Any]:
    """Writes clip, preview and keyframe of frames, uint8 (F, H, W, 3), and gives the fields of a take about them."""
    count, height, width, _ = frames.shape
    index = count // 2
    with tempfile.TemporaryDirectory(prefix="throughline-") as folder:
        path = Path(folder) / "clip.mp4"
        video.write_video(path, frames, rate, good_scale(width))
        clip = media.put_file(path)
    return {
        "clip": clip, "preview": media.put(previews.moving_bytes(frames, rate, quality=80), "webp"),
        "keyframe": keep_picture(media, frames[index]), "keyframe_index": index, "num_frames": count,
        "width": width, "height": height, "frames_per_second": rate,
    }  # fmt: skip


def keep_picture(media: BlobStore, picture: np.ndarray) -> str:
    """Writes a picture, uint8 (H, W, 3), as a PNG and gives its digest."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return media.put(file.getvalue(), "png")


def read_frames(media: BlobStore, take: Take, enlarged: bool = False) -> np.ndarray:
    """The frames of a take, uint8 (F, H, W, 3), at the size in which it was made or in which it is shown."""
    path, frame_bytes = media.path(take.clip, "mp4"), take.height * take.width * 3
    scale = good_scale(take.width) if enlarged else 1
    while scale > 1 and (take.num_frames + 1) * frame_bytes * scale**2 > video.MOST_BYTES:
        scale -= 1  # a long clip: better soft than refused
    return video.read_clip(path, take.height * scale, take.width * scale, take.frames_per_second)


def imported_take(media: BlobStore, scene: Scene, path: Path, width: int, height: int, rate: float) -> Take:
    """A take made of a user's own clip, cut to the story's shape. Raises ThroughlineError for what is no video."""
    frames = video.read_clip(path, height, width, rate)
    if len(frames) > MOST_FRAMES:
        raise ThroughlineError(
            f"clip {path.name!r} has {len(frames)} frames at {rate:g} a second: at most {MOST_FRAMES}"
        )
    return Take(
        id=new_id(), scene=scene.id, source="imported", **keep_frames(media, frames, rate), created=time.time(),
        note=path.name[:200],
    )  # fmt: skip


MOST_FRAMES = 960  # two minutes at 8 a second


def trace_content(trace: Trace, ids: Sequence[str]) -> dict[str, Any]:
    """A trace for JSON. ids: of the history's scenes."""
    return {
        "version": 1,
        "filter": trace.filter.to_dict(),
        "maps": [_map(ids[found.scene], found) for found in trace.maps],
        "guidance": [{name: round(value, 6) for name, value in step.items()} for step in trace.guidance],
        "notices": list(trace.notices),
        "seconds": {stage: round(seconds, 4) for stage, seconds in trace.seconds.items()},
    }


def _map(scene: str, found: Any) -> dict[str, Any]:
    """An attention map from 0 to 255, its strongest place 255."""
    rows, columns = found.map.shape
    values = (found.map / max(float(found.map.max()), 1e-12) * 255).round().astype(int)
    return {
        "scene": scene, "start": found.word.start, "end": found.word.end, "text": found.word.text,
        "rows": rows, "columns": columns, "values": values.ravel().tolist(),
    }  # fmt: skip
