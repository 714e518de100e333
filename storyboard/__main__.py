"""`python -m storyboard`."""

import signal
import sys
from types import FrameType

from .interfaces.cli import main


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)  # an exception: what is half-written goes


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's background job ignores it
    sys.exit(main())
