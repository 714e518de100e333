"""What the panels draw: a job as plain JSON.

Everything that a script needs is worked out here, so that the scripts only draw. Offsets never leave Python, where they
count characters; JavaScript counts halves of an emoji.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradio import processing_utils, utils

from pipeline.history import AttentionMap
from pipeline.story_pipeline import Trace
from pipeline.text_filter import FilteredScene, Word
from storyboard.studio import Job, SceneState

View = dict[str, Any]

# --- the status line -------------------------------------------------------------------------------------------------


def status_view(job: Job | None, position: int, ready: bool) -> View:
    """The line under the buttons."""
    if job is None:
        return {"state": "idle"}
    share = _share(job) if job.active else None
    line = _line(job, position, ready)
    return {"state": job.state, "line": line, "spoken": _spoken(line), "error": job.error, "share": share}


def complaint(message: str) -> View:
    """The line when something could not even be tried."""
    return {"state": "failed", "error": message}


def _line(job: Job, position: int, ready: bool) -> str:
    if job.state == "waiting":
        return f"Waiting in line: {position} before yours" if position else "Starting"
    if job.state == "running":
        return _progress(job) if ready else "Loading the model"
    if job.state == "done":
        seconds = sum(scene.seconds for scene in job.scenes)
        return f"{len(job.scenes)} scenes, {seconds:.1f} s of film, made in {job.finished - job.started:.0f} s"
    return {"stopping": "Cancelling", "cancelled": _cancelled(job), "failed": ""}[job.state]


def _progress(job: Job) -> str:
    if all(scene.state == "done" for scene in job.scenes):
        return "Writing the film"
    index = _current(job)
    scene = job.scenes[index]
    if not scene.total:
        return f"Scene {index + 1} of {len(job.scenes)}"
    return f"Scene {index + 1} of {len(job.scenes)} · step {scene.step} of {scene.total}{_time_left(job)}"


def _cancelled(job: Job) -> str:
    done = sum(scene.state == "done" for scene in job.scenes)
    return f"Cancelled after {done} of {len(job.scenes)} scenes"


def _spoken(line: str) -> str:
    """For screen readers: not every step, but every scene."""
    return line.split(" · ")[0]


def _current(job: Job) -> int:
    return next((i for i, scene in enumerate(job.scenes) if scene.state != "done"), len(job.scenes) - 1)


def _share(job: Job) -> float:
    return sum(_scene_share(scene) for scene in job.scenes) / len(job.scenes)


def _scene_share(scene: SceneState) -> float:
    return 1.0 if scene.state == "done" else scene.step / scene.total if scene.total else 0.0


def _time_left(job: Job) -> str:
    share, seconds = _share(job), time.monotonic() - job.started
    left = seconds / share - seconds if share else 0.0
    if seconds < 2 or left < 1:
        return ""
    return f" · about {left:.0f} s left" if left < 90 else f" · about {left / 60:.0f} min left"


# --- the stage -------------------------------------------------------------------------------------------------------


def stage_view(job: Job | None) -> View:
    """The screen and the reel."""
    if job is None:
        return {"id": "", "scenes": []}
    scenes = [_scene_view(scene, start) for scene, start in zip(job.scenes, _starts(job), strict=True)]
    film = _served(job.film) if job.film else None
    return {"id": job.id, "aspect": job.aspect, "scenes": scenes, "film": film}


def _scene_view(scene: SceneState, start: float) -> View:
    return {
        "prompt": scene.prompt, "state": scene.state, "step": scene.step, "total": scene.total,
        "share": _scene_share(scene), "preview": scene.preview, "still": scene.still, "start": start,
    }  # fmt: skip


def _starts(job: Job) -> list[float]:
    """Where each scene starts in the film, in seconds."""
    starts, total = [], 0.0
    for scene in job.scenes:
        starts.append(total)
        total += scene.seconds
    return starts


def _served(film: Path) -> View | None:
    """The film as a file that Gradio serves: a copy in its cache. None if it was deleted meanwhile."""
    if not film.is_file():
        return None
    path = processing_utils.save_file_to_cache(film, cache_dir=utils.get_upload_folder())
    return {"path": path, "orig_name": film.name, "mime_type": "video/mp4", "meta": {"_type": "gradio.FileData"}}


# --- the memory ------------------------------------------------------------------------------------------------------


def memory_view(job: Job | None) -> View:
    """What each finished scene but the first remembers."""
    if job is None:
        return {"job": "", "scenes": [], "pictures": []}
    scenes = [_recall(i, scene.trace) for i, scene in enumerate(job.scenes) if i and scene.trace]
    return {"job": job.id, "scenes": scenes, "pictures": [scene.still for scene in job.scenes]}


def _recall(index: int, trace: Trace) -> View:
    maps = {(found.scene, found.word.start): found for found in trace.maps}
    past = [_past(scene, maps) for scene in trace.filter.scenes]
    words = list(_pieces(trace.filter.prompt, trace.filter.current, {}, scored=False))
    return {"index": index, "words": words, "past": past}


def _past(scene: FilteredScene, maps: dict[tuple[int, int], AttentionMap]) -> View:
    own = {start: found for (index, start), found in maps.items() if index == scene.index}
    words = list(_pieces(scene.prompt, scene.words, own, scored=True))
    return {"scene": scene.index, "kept": scene.kept, "words": words}


def _pieces(prompt: str, words: tuple[Word, ...], maps: dict[int, AttentionMap], scored: bool) -> Iterator[View]:
    """The prompt cut into words and what is between them."""
    place = 0
    for word in words:
        if word.start > place:
            yield {"text": prompt[place : word.start]}
        yield _word_view(prompt[word.start : word.end], word, maps.get(word.start), scored)
        place = word.end
    if place < len(prompt):
        yield {"text": prompt[place:]}


def _word_view(text: str, word: Word, found: AttentionMap | None, scored: bool) -> View:
    return {
        "text": text, "kept": word.kept, "content": word.mention is not None, "reason": word.reason,
        "matched": word.matched, "score": round(word.score, 3) if scored else None,
        "map": _map_view(found) if found else None,
    }  # fmt: skip


def _map_view(found: AttentionMap) -> View:
    """The map from 0 to 255, its strongest place 255."""
    rows, columns = found.map.shape
    values = (found.map / max(float(found.map.max()), 1e-12) * 255).round().astype(int)
    return {"rows": rows, "columns": columns, "values": values.ravel().tolist()}
