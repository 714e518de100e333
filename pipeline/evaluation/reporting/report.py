"""The outcome of a benchmark as JSON, as Markdown tables, and as files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..common.statistics import Estimate
from ..story.measures import MEASURES
from ..story.probe_stories import PROBE_MEASURES, STAYS_PARTS
from ..story.systems import ABBA, LONG, TITLES
from .summary import Table

HEADINGS = {
    "cross_talk": "cross-talk",
    "pointing_generated": "pointing, generated",
    "cross_talk_unremembered": "cross-talk, nothing of the actor kept",
    "stays": "stays, a word changed",
    "stays_other_seed": "stays, another seed",
    "stays_actors": "of actors",
    "stays_places": "of places",
    "stays_look_changed": "a look changed",
    "stays_action_changed": "the action",
    "stays_place_changed": "the place",
}
PROTOCOL_TITLES = {ABBA: "ABBA", LONG: "Long stories"}


def cell(value: Estimate) -> str:
    return "–" if value.mean is None else f"{value.mean:.2f} ({value.low:.2f}–{value.high:.2f})"


def systems_table(table: Table, measures: Sequence[str] = MEASURES) -> str:
    """Systems down, measures across; 95% intervals in brackets."""
    lines = ["| | stories | " + " | ".join(HEADINGS.get(m, m) for m in measures) + " |"]
    lines.append("|---" * (len(measures) + 2) + "|")
    for system, row in table.items():
        stories = max(row[m].n for m in measures)
        lines.append(f"| {TITLES[system]} | {stories} | " + " | ".join(cell(row[m]) for m in measures) + " |")
    return "\n".join(lines) + "\n"


def gap_table(curves: Mapping[str, Mapping[int, Estimate]]) -> str:
    """Systems down, gaps across."""
    gaps = sorted({gap for curve in curves.values() for gap in curve})
    lines = ["| scenes since | " + " | ".join(map(str, gaps)) + " |", "|---" * (len(gaps) + 1) + "|"]
    for system, curve in curves.items():
        cells = (cell(curve[gap]) if gap in curve else "–" for gap in gaps)
        lines.append(f"| {TITLES[system]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def comparisons_table(comparisons: Mapping[str, Estimate]) -> str:
    lines = ["| | | stories |", "|---|---|---|"]
    lines += [f"| {name} | {_compared(name, value)} | {value.n} |" for name, value in comparisons.items()]
    return "\n".join(lines) + "\n"


def sharpness_table(columns: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Measures down, "drafts" and "finished" across; all but the witnesses' shares over rendered clips."""
    lines = ["| over rendered clips | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in next(iter(columns.values())):
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cell(row[name]) for row in columns.values()) + " |")
    return "\n".join(lines) + "\n"


def _compared(name: str, value: Estimate) -> str:
    """A difference with its sign; a ratio without."""
    if " minus " not in name:
        return cell(value)
    return f"{value.mean:+.2f} ({value.low:+.2f} to {value.high:+.2f})"


def markdown(outcome: Mapping) -> str:
    """All tables of the protocols and of the probes."""
    parts = []
    for protocol, figures in outcome["protocols"].items():
        parts += [f"### {PROTOCOL_TITLES[protocol]}, {figures['stories']} stories\n", systems_table(figures["systems"])]
        if figures["gap_curve"]:
            parts += ["Actor agreement by the number of scenes since the last appearance:\n"]
            parts += [gap_table(figures["gap_curve"])]
        if figures["comparisons"]:
            parts += ["Paired, of the same stories:\n", comparisons_table(figures["comparisons"])]
        parts += ["How sharp and how steady *ours* is:\n", sharpness_table({"drafts": figures["sharpness"]})]
    parts += probes_markdown(outcome["probes"])
    return "\n".join([*parts, cost_line(outcome["cost"]) + "\n"])


def probes_markdown(figures: Mapping) -> list[str]:
    return [
        f"### Probes, {figures['stories']} stories\n",
        systems_table(figures["systems"], PROBE_MEASURES),
        "What stays when a word changes, by whose facts they are and by what changes:\n",
        systems_table(figures["stays"], STAYS_PARTS),
        "Paired, of the same stories:\n",
        comparisons_table(figures["comparisons"]),
    ]


def cost_line(cost: Mapping[str, float]) -> str:
    minutes = cost["process_seconds"] / 60
    return (
        f"{cost['clips']:.0f} clips in {minutes:.1f} minutes of one process ({minutes / 2:.1f} with two); "
        f"this run took {cost['seconds'] / 60:.1f} minutes with {cost['processes']}."
    )


def accuracy_lines(accuracy: Mapping[str, float]) -> str:
    """A network on held-out rendered clips, one fact a line."""
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
