"""`python -m storyboard`."""

import os
import signal
import sys
from types import FrameType

from .interfaces.cli import main

UNREAD = 141  # as shells tell of who ended by SIGPIPE


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)  # an exception: what is half-written goes


def _run() -> int:
    """Its exit code. Whoever stops reading what is printed (`| head`) ends it without a word."""
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor is there one when Python ends
        return UNREAD


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's background job ignores it
    sys.exit(_run())
