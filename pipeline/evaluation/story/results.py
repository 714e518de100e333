"""Scores of stories on disk, so that a run that was killed goes on: a folder for all that decides them, a file a story.

A story's file holds the systems that were scored; the others can be added by a later run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..common.statistics import Tally
from .benchmark import FilmScore, StoryScore

PACKAGE = Path(__file__).resolve().parents[2]
# What makes or scores a clip: another version of it makes other results. What tables and plots look like does not.
MAKING = ("", "backbones", "blocks", "encoders", "language", "picturebook", "reference")  # folders of the package
SCORING = (
    "benchmark",
    "chance",
    "detail",
    "filming",
    "filters",
    "measures",
    "pointing",
    "probe_stories",
    "systems",
    "witnesses",
)  # modules of this one


def sources_digest() -> str:
    paths = sorted(path for folder in MAKING for path in (PACKAGE / folder).glob("*.py"))
    paths += [Path(__file__).with_name(f"{name}.py") for name in SCORING]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


@dataclass(frozen=True)
class Results:
    """`folder`/KEY/PROTOCOL-0001.json and .webp; `settings`, whose digest is KEY, lie beside them."""

    folder: Path
    settings: Mapping[str, str | int | float]

    @property
    def home(self) -> Path:
        return self.folder / hashlib.sha256(_json(self.settings)).hexdigest()[:16]

    def open(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        _write(self.home / "settings.json", _json(self.settings))

    def _path(self, protocol: str, index: int, suffix: str) -> Path:
        return self.home / f"{protocol}-{index:04d}{suffix}"

    def lacking(self, protocol: str, index: int, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the systems that the story has no score of."""
        there = self.score(protocol, index)
        return tuple(name for name in names if name not in there)

    def score(self, protocol: str, index: int) -> StoryScore:
        """Of every system that was scored; empty if none was."""
        saved = self._saved(protocol, index)["scores"]
        return {name: _read_score(value) for name, value in saved.items()}

    def _saved(self, protocol: str, index: int) -> dict:
        path = self._path(protocol, index, ".json")
        return json.loads(path.read_text()) if path.exists() else {"scores": {}, "clips": 0.0, "seconds": 0.0}

    def cost(self, protocol: str, index: int) -> tuple[float, float]:
        """Clips that were denoised for the story (its share of a batch), and seconds of one process."""
        saved = self._saved(protocol, index)
        return saved["clips"], saved["seconds"]

    def add(self, protocol: str, index: int, score: StoryScore, clips: float, seconds: float) -> None:
        """Joins the score of a story with what is there already."""
        made, spent = self.cost(protocol, index)
        scores = {name: _score_values(value) for name, value in (score | self.score(protocol, index)).items()}
        saved = {"scores": scores, "clips": made + clips, "seconds": spent + seconds}
        _write(self._path(protocol, index, ".json"), _json(saved))

    def add_strip(self, protocol: str, index: int, films: Sequence[Sequence[np.ndarray]]) -> None:
        """Keyframes of a story: a row a film, a column a scene."""
        picture = np.concatenate([np.concatenate(row, axis=1) for row in films])
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "WEBP", lossless=True)
        _write(self._path(protocol, index, ".webp"), data.getvalue())

    def strip(self, protocol: str, index: int) -> np.ndarray:
        with Image.open(self._path(protocol, index, ".webp")) as picture:
            return np.asarray(picture.convert("RGB"))


def _score_values(score: FilmScore) -> dict:
    def pair(tally: Tally) -> list[float]:
        return [float(tally.hits), float(tally.counted)]

    return {
        "tallies": {name: pair(tally) for name, tally in score.tallies.items()},
        "gaps": {str(gap): pair(tally) for gap, tally in score.gaps.items()},
    }


def _read_score(values: dict) -> FilmScore:
    return FilmScore(
        {name: Tally(*pair) for name, pair in values["tallies"].items()},
        {int(gap): Tally(*pair) for gap, pair in values["gaps"].items()},
    )


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, also when two processes write."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)
