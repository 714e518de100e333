"""Where a film cuts, and which of its shots are worth learning from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...errors import ThroughlineError
from .films import UnreadableError, fitted, read_frames

WIDTH, HEIGHT = 256, 144  # of the pictures that are judged
RATE = 4.0  # of them a second
EDGE = 0.15  # seconds at either end of a shot that are not judged: they may show its neighbour
BLACK, DARK_SHARE = 24, 0.98  # a picture is black if this share of it is darker than this, of 255
STILL = 0.3  # mean change from picture to picture, of 255, under which a shot is static
# A picture is mostly text if it is rows of strokes on a plain ground.
GROUND, GROUND_SHARE = 12, 0.55  # this share of it lies within so many levels of one grey
TEXT_LINES, TEXT_SHARE = 2, 0.03  # at least so many lines of writing, over this share of the picture


@dataclass(frozen=True)
class Shot:
    """Frames start to end - 1 of a film."""

    start: int
    end: int


@dataclass(frozen=True)
class Film:
    path: Path
    frames_per_second: float
    shots: tuple[Shot, ...]


def find_shots(path: Path, threshold: float) -> Film:
    """The shots between the cuts that PySceneDetect finds with `CutDetector(threshold)`. Raises UnreadableError."""
    try:
        from scenedetect import SceneManager, VideoOpenFailure, open_video

        from .cuts import CutDetector
    except ImportError:
        raise ThroughlineError("scenedetect is not installed: expected pip install -r requirements-train.txt") from None
    try:
        video = open_video(str(path))
    except (VideoOpenFailure, OSError) as error:
        raise UnreadableError(f"{path} cannot be read: {error}") from None
    manager = SceneManager()
    manager.add_detector(CutDetector(threshold))
    manager.detect_scenes(video)
    found = manager.get_scene_list(start_in_scene=True)
    if not found:
        raise UnreadableError(f"{path} cannot be read: no frames")
    shots = tuple(Shot(start.frame_num, end.frame_num) for start, end in found)
    return Film(path, float(video.frame_rate), shots)


def judge(film: Film, min_seconds: float) -> list[str | None]:
    """Why each shot is dropped: "too short", "black", "static", "mostly text"; None for those that stay."""
    rate = film.frames_per_second
    short = [(shot.end - shot.start) / rate < min_seconds - 0.5 / rate for shot in film.shots]
    pictures: list[list[np.ndarray]] = [[] for _ in film.shots]
    at, verdicts = 0, list[str | None]()
    for index, picture in enumerate(read_frames(film.path, f"fps={RATE},{fitted(WIDTH, HEIGHT)}", (WIDTH, HEIGHT))):
        seconds = (index + 0.5) / RATE
        while at < len(film.shots) - 1 and film.shots[at].end / rate <= seconds:
            verdicts.append("too short" if short[at] else judge_pictures(pictures[at]))
            pictures[at], at = [], at + 1
        shot = film.shots[at]
        if not short[at] and shot.start / rate + EDGE <= seconds <= shot.end / rate - EDGE:
            pictures[at].append(picture)
    for rest in range(at, len(film.shots)):
        verdicts.append("too short" if short[rest] else judge_pictures(pictures[rest]))
    return verdicts


def judge_pictures(pictures: Sequence[np.ndarray]) -> str | None:
    """`judge` of one shot by pictures out of it, uint8 (HEIGHT, WIDTH, 3) each."""
    if len(pictures) < 2:
        return "too short"
    grey = [picture.mean(-1) for picture in pictures]
    if np.median([(g < BLACK).mean() for g in grey]) >= DARK_SHARE:
        return "black"
    written = np.mean([mostly_text(g) for g in grey])
    if written > 0.5:
        return "mostly text"
    change = [np.abs(a - b).mean() for a, b in pairwise(grey)]
    return "static" if max(change) < STILL else None


def mostly_text(grey: np.ndarray) -> bool:
    """Whether a picture, float (HEIGHT, WIDTH), is a title, credits or a page.

    Writing is many small strokes that stand close together in rows: their outlines, smeared sideways, join into boxes
    that are much wider than high, no higher than a sixth of the picture, and well filled. A picture of the world has
    such boxes too, but few of them and no plain ground.
    """
    import cv2

    levels = np.bincount(grey.astype(np.uint8).ravel(), minlength=256)
    around = np.convolve(levels, np.ones(2 * GROUND + 1), "same").max() / grey.size
    if around < GROUND_SHARE:
        return False
    picture = grey.astype(np.uint8)
    outlines = cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    strokes = (outlines > 48).astype(np.uint8)
    rows = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((1, 9), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(rows)
    lines = [box for box in stats[1:count].tolist() if _is_line(box, strokes)]
    area = sum(width * height for _, _, width, height, _ in lines) / grey.size
    return len(lines) >= TEXT_LINES and area >= TEXT_SHARE


def _is_line(box: list[int], strokes: np.ndarray) -> bool:
    """A row of many strokes: along its middle, ink and ground take turns."""
    x, y, width, height, area = box
    if not (4 <= height <= HEIGHT // 6 and width >= 2.5 * height and area >= 0.4 * width * height):
        return False
    inside = strokes[y : y + height, x : x + width]
    turns = np.abs(np.diff(inside.astype(np.int8), axis=1)).sum(1).max()
    return turns >= 1.2 * width / height + 4
