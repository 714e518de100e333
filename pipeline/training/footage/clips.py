"""The format of a training set of clips, which is that of the method's authors: videos/<video>/<clip>.mp4 and
prompts/<video>.json, {clip path: caption}."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import ThroughlineError


@dataclass(frozen=True)
class ClipFile:
    path: Path
    caption: str


@dataclass(frozen=True)
class Video:
    """Clips of one video, in its order."""

    name: str
    clips: tuple[ClipFile, ...]


def prompts_path(folder: Path, video: str) -> Path:
    return folder / "prompts" / f"{video}.json"


def clip_path(folder: Path, video: str, index: int) -> Path:
    """Of the clip that is the video's shot `index`, from 0."""
    return folder / "videos" / video / f"{index + 1:04d}.mp4"


def write_prompts(folder: Path, video: str, captions: dict[Path, str]) -> None:
    """captions: by the clips' paths, which are written down relative to `folder`."""
    path = prompts_path(folder, video)
    path.parent.mkdir(parents=True, exist_ok=True)
    relative = {clip.relative_to(folder).as_posix(): caption for clip, caption in captions.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(relative, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_clips(folder: Path) -> list[Video]:
    """All videos of a training set, sorted by name. Paths of clips may be absolute, relative to `folder` or to its
    videos, or file names alone. Raises ThroughlineError for a folder without clips, and for one that names a clip that
    is missing."""
    videos = [_read_video(folder, path) for path in sorted((folder / "prompts").glob("*.json"))]
    videos = [video for video in videos if video.clips]
    if not videos:
        raise ThroughlineError(f"data is {str(folder)!r}: expected prompts/*.json and videos/ with clips")
    return videos


def _read_video(folder: Path, path: Path) -> Video:
    try:
        captions = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(captions, dict) and all(isinstance(c, str) and c.strip() for c in captions.values())
    except (json.JSONDecodeError, UnicodeDecodeError, AssertionError):
        raise ThroughlineError(f"{path} cannot be read: expected JSON, {{clip path: caption}}") from None
    clips = [ClipFile(_find(folder, path.stem, name), caption.strip()) for name, caption in captions.items()]
    return Video(path.stem, tuple(sorted(clips, key=lambda clip: natural(clip.path.name))))


def _find(folder: Path, video: str, name: str) -> Path:
    places = [folder / name, folder / "videos" / name, folder / "videos" / video / Path(name).name]
    for place in places:
        if place.is_file():
            return place
    raise ThroughlineError(f"clip {name!r} of {video!r} is missing: expected {places[-1]}")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts clip10 after clip9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
