"""What happened, one line of JSON an event, on stderr: ids of stories and jobs, never an owner's secret, and no words
of a user's unless THROUGHLINE_LOG_PROMPTS is set.

An exception is one line too: its type and where it was raised. Its message may quote a prompt, and is left out with it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger("storyboard.events")
PRIVATE = frozenset(["prompt", "prompts", "title", "error"])  # fields that may quote what a user wrote


def event(name: str, **fields: Any) -> None:
    """Notes that something happened. Fields that are empty are left out."""
    _log.info(name, extra={"fields": {key: value for key, value in fields.items() if value not in ("", None)}})


@contextmanager
def to_stderr() -> Iterator[None]:
    """Sends the events and warnings of this program to stderr meanwhile."""
    handler, loggers = _Stderr(), [logging.getLogger(name) for name in ("storyboard", "pipeline")]
    handler.setFormatter(Lines(bool(os.environ.get("THROUGHLINE_LOG_PROMPTS"))))
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


class _Stderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self, words: bool) -> None:
        super().__init__()
        self._words = words

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        content = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()}
        fields = getattr(record, "fields", {})
        content |= {key: value for key, value in fields.items() if self._words or key not in PRIVATE}
        if record.exc_info and record.exc_info[1]:
            content |= self._problem(record.exc_info[1])
        return json.dumps(content, ensure_ascii=True, default=str)

    def _problem(self, error: BaseException) -> dict[str, Any]:
        frames = traceback.extract_tb(error.__traceback__)
        told = {"error": str(error)[:1000]} if self._words else {}
        return {"type": type(error).__name__, "at_lines": [f"{f.filename}:{f.lineno} {f.name}" for f in frames]} | told
