"""The files of a film: `film.mp4`, and beside it `film_scenes/` with a clip and a keyframe a scene and `trace.json`.

Everything is written into a temporary folder beside the target and moved into place at the end.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.errors import ThroughlineError

from ..media.video import stream_clip, write_video
from ..rendering.traces import trace_content

if TYPE_CHECKING:  # they load torch, which checking a file name need not wait for
    from ..rendering.film import SceneDone
    from ..rendering.finishing.finisher import Finisher

TRACE_VERSION = 2
OWN_FILE = re.compile(r"(scene-\d+\.(mp4|png)|trace\.json)$")


def scenes_folder(film: Path) -> Path:
    """The folder beside `film` with its clips, keyframes and trace."""
    return film.with_name(f"{film.stem}_scenes")


def check_target(film: Path) -> None:
    """Raises ThroughlineError for a file name that no film can have."""
    if film.suffix.lower() != ".mp4":
        raise ThroughlineError(f"out is {str(film)!r}: expected a name that ends in .mp4")
    if not film.parent.is_dir():
        raise ThroughlineError(f"out is {str(film)!r}: the folder {str(film.parent)!r} does not exist")
    if film.is_dir():
        raise ThroughlineError(f"out is {str(film)!r}, which is a folder: expected a file name")
    if scenes_folder(film).exists() and not scenes_folder(film).is_dir():
        raise ThroughlineError(
            f"{str(scenes_folder(film))!r} is a file: expected a folder for the scenes of {film.name!r}"
        )


@contextmanager
def staging(film: Path) -> Iterator[Path]:
    """A temporary folder beside `film`: published when the block ends well, removed without a trace when it fails.

    Raises ThroughlineError if nothing can be written there.
    """
    check_target(film)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{film.stem}-", suffix=".part", dir=film.parent))
    except OSError as error:
        raise ThroughlineError(f"out is {str(film)!r}: nothing can be written there ({error.strerror})") from None
    try:
        yield folder
        _publish(folder, film)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, film: Path) -> None:
    """Moves the files into place, the film last; files of an earlier film of that name go, others stay."""
    target = scenes_folder(film)
    target.mkdir(exist_ok=True)
    beside = [film.with_suffix(suffix) for suffix in (".srt", ".vtt")]
    for path in beside:
        if (folder / path.name).exists():
            (folder / path.name).replace(path)
    made = sorted(path for path in folder.iterdir() if path.name != film.name)
    for path in made:
        path.replace(target / path.name)
    for path in target.iterdir():
        if OWN_FILE.match(path.name) and path.name not in {made_path.name for made_path in made}:
            path.unlink()
    (folder / film.name).replace(film)


def clip_name(scene: int) -> str:
    """File name of the clip of scene `scene`, from 0."""
    return f"scene-{scene + 1}.mp4"


def keyframe_name(scene: int) -> str:
    return f"scene-{scene + 1}.png"


def write_scene(
    folder: Path, scene: SceneDone, frames_per_second: float, scale: int, finisher: Finisher | None = None
) -> None:
    """The clip, `scale` times as large, by a finisher that makes it so, under a progress bar, or plainly, and the
    keyframe of a scene, at the size in which it is remembered."""
    path = folder / clip_name(scene.scene)
    if finisher:
        told = {"desc": f"finishing scene {scene.scene + 1}", "total": len(scene.frames), "unit": "frame"}
        frames = finisher.frames(scene.frames, scene.prompt)
        write_video(path, tqdm(frames, leave=False, **told), frames_per_second)
    else:
        write_video(path, scene.frames, frames_per_second, scale)
    Image.fromarray(scene.keyframe).save(folder / keyframe_name(scene.scene))


def finished_frames(folder: Path, scene: SceneDone, frames_per_second: float, scale: int) -> Iterator[np.ndarray]:
    """The frames of a finished scene, as `write_scene` wrote them, one after another."""
    height, width = scene.frames.shape[1:3]
    return stream_clip(folder / clip_name(scene.scene), height * scale, width * scale, frames_per_second)


def write_trace(folder: Path, scenes: Sequence[SceneDone], film: Mapping[str, Any]) -> None:
    """`trace.json`: `film`, what holds for all of it, and an entry a scene."""
    content = {"version": TRACE_VERSION, **film, "scenes": [scene_entry(scene) for scene in scenes]}
    (folder / "trace.json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def scene_entry(scene: SceneDone) -> dict[str, Any]:
    """A scene and its trace as plain values for JSON. Scenes are counted from 0, in file names from 1."""
    entry = {
        "index": scene.scene,
        "prompt": scene.prompt,
        "source": "generated" if scene.trace else "given",
        "seed": scene.settings.seed if scene.settings else None,
        "settings": asdict(scene.settings) if scene.settings else None,
        "num_frames": len(scene.frames),
        "continues": scene.continues,
        "begins": scene.begins,  # whether the past scene after those of the film is its own first picture
        "castings": list(scene.castings),  # past scenes after those
        "files": {"clip": clip_name(scene.scene), "keyframe": keyframe_name(scene.scene)},
        "seconds": {stage: round(seconds, 4) for stage, seconds in scene.seconds.items()},
    }
    past = [*range(scene.scene), *(["its first picture"] if scene.begins else []), *scene.castings]
    return trace_content(scene.trace, past) | entry
