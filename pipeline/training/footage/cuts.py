"""The detector of cuts: PySceneDetect's measure of change, together with two that tell cuts within one place.

A change of actor in an unchanged place alters little of the picture, no more than a large movement does. But a movement
leaves the colours what they were, and is followed and preceded by movements like it. So what counts is how many times
larger three changes are at a frame than around it: that of `ContentDetector` (hue, saturation, brightness, edges), that
of the colours wherever they are, and that of a small picture.
"""

from __future__ import annotations

from collections import deque
from functools import cache

import cv2
import numpy as np
from scenedetect import ContentDetector, FrameTimecode, SceneDetector, StatsManager

WINDOW = 4  # frames either side
LEAST_FRAMES = 5  # of a shot
LEAST_CONTENT = 2.5  # of 255: what changes less is no cut
POWER = 0.8  # of the ratios of colours and picture
WEIGHTS = ContentDetector.Components(1.0, 1.0, 1.0, 1.0)
SIZE, SMALL = (144, 96), (72, 48)  # width and height of what colours and small pictures are of
BINS = (8, 16, 16)  # of lightness and the two colour axes of Lab
NOISE = (0.5, 0.01, 0.2)  # changes of content (of 255), colours (of 2) and picture (of 255) that say nothing
CAMERA = 0.5  # a picture that is the one before shifted, but for this share of the change, is a movement of the camera
FLASH = 0.15  # a picture that is back soon, but for this share of the change, was lit or covered for a moment


class CutDetector(SceneDetector):
    """Cuts are where the product of the three ratios reaches `threshold`, and is highest within LEAST_FRAMES.

    Does not cover: dissolves and fades; two shots of the same that go on as if they were one.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self._content, self._stats = ContentDetector(weights=WEIGHTS), StatsManager()
        self._content.stats_manager = self._stats
        self._recent: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=2 * WINDOW)  # colours and picture, last first
        self._timecodes, self._changes, self._returns = list[FrameTimecode](), list[list[float]](), list[np.ndarray]()

    def process_frame(self, timecode: FrameTimecode, frame_img: np.ndarray) -> list[FrameTimecode]:
        self._content.process_frame(timecode, frame_img)
        content = self._stats.get_metrics(timecode, ["content_val"])[0] or 0.0
        lab = cv2.cvtColor(cv2.resize(frame_img, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2LAB)
        colours, picture = _colours(lab), cv2.resize(lab, SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
        distances = np.full(2 * WINDOW, np.inf, np.float32)  # to the pictures one, two, ... frames before
        distances[: len(self._recent)] = [np.abs(picture - other).mean() for _, other in self._recent]
        change, moved = 0.0, 0.0
        if self._recent:
            change, moved = float(np.abs(colours - self._recent[0][0]).sum()), _difference(picture, self._recent[0][1])
        self._changes.append([content, change, moved])
        self._returns.append(distances)
        self._recent.appendleft((colours, picture))
        self._timecodes.append(timecode)
        return []  # only what comes later tells whether this is a cut

    def post_process(self, timecode: FrameTimecode) -> list[FrameTimecode]:
        changes, distances = np.array(self._changes), np.array(self._returns)
        scores = _scores(changes)
        moved = changes[:, 2] < CAMERA * distances[:, 0]
        scores[(changes[:, 0] < LEAST_CONTENT) | moved | _flashes(distances)] = 0
        possible = range(LEAST_FRAMES, len(scores) - LEAST_FRAMES + 1)
        found = [t for t in possible if scores[t] >= self.threshold and _is_peak(scores, t)]
        return [self._timecodes[t] for t in found]


def _colours(lab: np.ndarray) -> np.ndarray:
    """The histogram of a picture, uint8 (H, W, 3): shares that sum to 1, smoothed so that a slight shift is slight."""
    found = cv2.calcHist([lab], [0, 1, 2], None, list(BINS), [0, 256] * 3) / (lab.shape[0] * lab.shape[1])
    for axis in range(3):
        found = found / 2 + (np.roll(found, 1, axis) + np.roll(found, -1, axis)) / 4
    return found


def _difference(picture: np.ndarray, before: np.ndarray) -> float:
    """Of two pictures, but for a movement of the camera: the mean over where they overlap once one is shifted."""
    plain = float(np.abs(picture - before).mean())
    (x, y), _ = cv2.phaseCorrelate(before[..., 0], picture[..., 0], _taper())
    left, top = round(x), round(y)
    height, width = picture.shape[:2]
    if (left, top) == (0, 0) or abs(left) > width / 4 or abs(top) > height / 4:
        return plain
    here = picture[max(0, top) : height + min(0, top), max(0, left) : width + min(0, left)]
    there = before[max(0, -top) : height + min(0, -top), max(0, -left) : width + min(0, -left)]
    return min(plain, float(np.abs(here - there).mean()))


@cache
def _taper() -> np.ndarray:
    return cv2.createHanningWindow(SMALL, cv2.CV_32F)


def _scores(changes: np.ndarray) -> np.ndarray:
    """The product of the ratios, (F), of changes (F, 3): how many times larger each is than the mean around it."""
    count = len(changes)
    scores = np.zeros(count)
    for t in range(1, count):
        around = np.r_[max(1, t - WINDOW) : t, t + 1 : min(count, t + WINDOW + 1)]
        usual = changes[around].mean(0) if len(around) else np.zeros(3)
        content, colours, picture = changes[t] / (usual + NOISE)
        scores[t] = content * (colours * picture) ** POWER
    return scores


def _flashes(distances: np.ndarray) -> np.ndarray:
    """Where a picture is back within WINDOW frames, bool (F). distances: (F, 2 WINDOW), to the frames before."""
    back = np.full(len(distances), np.inf)
    for after in range(WINDOW):
        for before in range(1, WINDOW + 1):
            if after + before > 1 and after < len(distances):
                there = distances[after:, after + before - 1]
                back[: len(there)] = np.minimum(back[: len(there)], there)
    return back < FLASH * distances[:, 0]


def _is_peak(scores: np.ndarray, t: int) -> bool:
    """Of two near each other that are equal, the first is the cut."""
    before, after = scores[max(0, t - LEAST_FRAMES + 1) : t], scores[t + 1 : t + LEAST_FRAMES]
    return bool((before < scores[t]).all() and (after <= scores[t]).all())
