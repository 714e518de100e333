"""A head without Ray, for tests of the app's end: it makes parcels into clips that are the same bytes.

    python -m tests.storyboard.rendering.workers.fake_head DESCRIPTOR

It appends all that it is told to the file whose name the terms give as token, and takes its time before it listens
(HEAD_STARTING_SECONDS of the environment).
These parcels do something else: "end" ends it, "hang" stops it in the middle of a clip, "deaf" stops it altogether, and
"slow" is begun and not made.
"""

import json
import os
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from storyboard.rendering.workers.messages import receive, send

STARTING_SECONDS = float(os.environ.get("HEAD_STARTING_SECONDS", "0.3"))


def main(pipe: Connection) -> None:
    told, _ = receive(pipe)
    heard = Path(told["token"])
    note(heard, "terms", str(os.getpid()))
    time.sleep(STARTING_SECONDS)
    while True:
        send(pipe, {"event": "beat", "ready": 1, "address": "", "processes": []})
        while pipe.poll(0.1):
            told, data = receive(pipe)
            note(heard, told["do"], data.decode())
            if told["do"] == "give":
                take(pipe, told["name"], data)
            if told["do"] == "end":
                return


def take(pipe: Connection, name: str, data: bytes) -> None:
    send(pipe, {"event": "begun", "name": name})
    if data == b"end":
        os._exit(1)
    if data == b"hang":
        os.write(pipe.fileno(), (1000).to_bytes(4, "big") + b"the beginning")
    if data in (b"hang", b"deaf"):
        time.sleep(1000)
    if data != b"slow":
        send(pipe, {"event": "done", "name": name, "digest": "of " + data.decode()}, data)


def note(file: Path, *words: Any) -> None:
    with file.open("a") as lines:
        lines.write(json.dumps(words) + "\n")


if __name__ == "__main__":
    with suppress(EOFError, OSError):  # the test has gone
        main(Connection(int(sys.argv[1])))
