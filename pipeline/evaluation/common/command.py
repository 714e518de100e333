"""What the commands of this package share: arguments that fail in one line, and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ...errors import ThroughlineError


class Parser(argparse.ArgumentParser):
    """Bad arguments end the program with one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argument type: a whole number from `low` to `high`."""

    def number(text: str) -> int:
        if not text.lstrip("+-").isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} given, expected a whole number from {low} to {high}")
        return int(text)

    return number


def new_file(text: str) -> Path:
    """An argument type: a file that can be written, in a folder that is there."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a file in a folder that exists")
    return path


def run(parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace], None], argv: list[str] | None) -> int:
    """Exit code of `main`: 2 and one line for bad input, 1 and one line for a full disk and the like."""
    arguments = parser.parse_args(argv)
    try:
        main(arguments)
    except ThroughlineError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0
