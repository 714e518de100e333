"""What scenes gave, kept in a file while an evaluation runs, so that one that was stopped goes on where it was.

A file of JSON lines: first what was asked for, then the tallies of one scene a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ThroughlineError
from ..common.statistics import Tally

Tallies = dict[str, dict[str, dict[str, Tally]]]  # of one scene: by system, level and measure


class Progress:
    """Scenes that are done, by number, in `path`; without one nothing is kept."""

    def __init__(self, path: Path | None, asked: Mapping[str, Any]) -> None:
        """asked: what figures depend on. Raises ThroughlineError for a file of something else."""
        self.path, self.done = path, dict[int, Tallies]()
        if path is None:
            return
        if path.exists():
            self._read(path, asked)
        else:
            path.write_text(json.dumps({"asked": asked}) + "\n", encoding="utf-8")

    def _read(self, path: Path, asked: Mapping[str, Any]) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            first, *others = [json.loads(line) for line in lines]
            same = first["asked"] == asked
            self.done = {one["scene"]: _tallies(one["tallies"]) for one in others}
        except (ValueError, KeyError, TypeError) as error:
            raise ThroughlineError(f"{str(path)!r} is no progress of an evaluation: expected what one kept") from error
        if not same:
            raise ThroughlineError(f"{str(path)!r} is of {first['asked']}: expected {dict(asked)}")

    def add(self, scene: int, tallies: Tallies) -> None:
        self.done[scene] = tallies
        if self.path is not None:
            plain = _each(tallies, lambda tally: [tally.hits, tally.counted])
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"scene": scene, "tallies": plain}) + "\n")


def _tallies(plain: Any) -> Tallies:
    return _each(plain, lambda pair: Tally(*pair))


def _each(tallies: Any, change: Any) -> Any:
    return {
        name: {level: {measure: change(value) for measure, value in own.items()} for level, own in levels.items()}
        for name, levels in tallies.items()
    }
