"""The outcome of a benchmark as JSON, as a Markdown table, and as files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from .benchmark import SYSTEMS, Table
from .measures import MEASURES
from .statistics import Estimate

TITLES = {"actor": "actor", "place": "place", "cross_talk": "cross-talk", "prompt": "prompt", "presence": "presence",
          "motion": "motion", "pointing": "pointing"}  # fmt: skip


def cell(value: Estimate) -> str:
    return "–" if value.mean is None else f"{value.mean:.2f} ({value.low:.2f}–{value.high:.2f})"


def markdown(table: Table) -> str:
    """Systems down, measures across; 95% intervals in brackets."""
    lines = ["| | " + " | ".join(TITLES[m] for m in MEASURES) + " |", "|---" * (len(MEASURES) + 1) + "|"]
    for system in SYSTEMS:
        cells = (cell(table[system][measure]) for measure in MEASURES)
        lines.append(f"| {system.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def accuracy_lines(accuracy: Mapping[str, float]) -> str:
    """The reader on held-out rendered clips, one fact a line."""
    width = max(map(len, accuracy))
    return "\n".join(f"  {name:<{width}}  {share:.3f}" for name, share in accuracy.items())


def plain(value):
    """Estimates and dictionaries of them as plain values for JSON."""
    if isinstance(value, Estimate):
        return value.to_dict()
    return {str(key): plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def to_json(value) -> bytes:
    return (json.dumps(plain(value), indent=2, allow_nan=False) + "\n").encode()


def write_all(files: Mapping[Path, bytes]) -> None:
    """Writes all files beside their places first, then moves them there."""
    temporary = {path: path.with_name(path.name + ".part") for path in files}
    try:
        for path, data in files.items():
            temporary[path].write_bytes(data)
        for path, part in temporary.items():
            os.replace(part, path)
    finally:
        for part in temporary.values():
            part.unlink(missing_ok=True)
