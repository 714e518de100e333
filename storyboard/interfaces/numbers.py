"""Numbers as options of commands have them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The argparse type of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        value = int(text) if text.strip().lstrip("+-").isdecimal() else None
        if value is None or value < least or (most is not None and value > most):
            span = f"from {least} on" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not possible: expected a whole number {span}")
        return value

    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    """The argparse type of finite numbers from `least` to `most`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not possible: expected a number from {least} to {most}")
        return value

    return parse
