"""What the commands of this package share: their arguments, and how their figures are told."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..common.command import Parser, new_file, whole
from ..common.statistics import Estimate
from ..reporting.report import cell, to_json, write_all


def parser_of(name: str, description: str) -> argparse.ArgumentParser:
    p = Parser(f"python -m pipeline.evaluation.scenes.{name}", description=description)
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=20, help="held-out ones (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=1, help="which stories (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go, row by row")
    return p


def tell(figures: Mapping[str, Mapping[str, Estimate]], measures: Sequence[str], file: Path | None) -> None:
    """Prints Markdown, a row for every key of `figures`; into the file they go as "key/measure"."""
    if file:
        write_all({file: to_json({f"{row}/{name}": own[name] for row, own in figures.items() for name in measures})})
    print(f"| | {' | '.join(measures)} |\n{'|---' * (len(measures) + 1)}|")
    for row, own in figures.items():
        print(f"| {row} | {' | '.join(cell(own[name]) for name in measures)} |")
