"""What can be tried of a ZeroGPU Space away from one: the decorator, and generation in a forked process."""

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storyboard.rendering import hosting
from tests.paths import ROOT

FORKED = """
import multiprocessing, pickle, sys
import numpy as np
from pipeline.guidance import Guidance
from storyboard.store.encodings import Encodings
from storyboard.store.library import Library
from storyboard.rendering.takes import TakeMaker
from storyboard.store.blobs import BlobStore
from tests.tiny import tiny_pipeline
from pathlib import Path

folder = Path(sys.argv[1])
media = BlobStore(folder / "media")
maker = TakeMaker(tiny_pipeline(), media, Encodings(Library(folder), media, "f" * 64))
past = [maker.pipeline.encode_scene("A cat runs on the beach.", np.full((1, 48, 72, 3), 90, np.uint8))]
settings = {"height": 48, "width": 72, "num_frames": 5, "steps": 2, "seed": 3}
decision = maker.pipeline.filter(["A cat runs on the beach."], "The cat walks on the beach.")
arguments = pickle.dumps((past, Guidance(), decision, (None, None), settings, []))

def generate(arguments, pipe):
    for item in maker._generate_here(*pickle.loads(arguments)):
        pipe.send_bytes(pickle.dumps(item))
    pipe.close()

fork = multiprocessing.get_context("fork")
receiver, sender = fork.Pipe(duplex=False)
child = fork.Process(target=generate, args=(arguments, sender))
child.start()
sender.close()
items = []
try:
    while True:
        items.append(pickle.loads(receiver.recv_bytes()))
except EOFError:
    child.join()
here = list(maker._generate_here(*pickle.loads(arguments)))
assert child.exitcode == 0 and len(items) == len(here) == 3
assert np.array_equal(items[-1].frames, here[-1].frames)
assert len(items[-1].trace.maps) == len(here[-1].trace.maps) > 0
print("same")
"""


def test_without_zerogpu_a_function_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert hosting.on_gpu(len, lambda *_: 5.0) is len


def test_on_zerogpu_the_time_is_worked_out_from_the_arguments_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def gpu(duration: Callable[..., int]) -> Callable[..., Any]:
        return lambda function: lambda *arguments: (asked.append(duration(*arguments)), function(*arguments))[1]

    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=gpu))  # type: ignore[arg-type]
    double = hosting.on_gpu(lambda seconds: 2 * seconds, lambda seconds: float(seconds))
    assert [double(seconds) for seconds in (1, 100, 9999)] == [2, 200, 19998]
    assert asked == [hosting.SHORTEST_SECONDS, 100, hosting.LONGEST_SECONDS]


@pytest.mark.slow
def test_generation_works_in_a_forked_process_with_pickled_arguments(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FORKED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and done.stdout.strip() == "same", done.stderr


UNSEEN = """
import signal, threading, time
from storyboard.rendering.hosting import stoppable, wait_for_signal

def aside():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)

threading.Thread(target=aside, daemon=True).start()
try:
    with stoppable():
        wait_for_signal()
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_handled() -> None:
    """Another thread takes it here, which is what a signal just before the main thread blocks looks like."""
    result = subprocess.run([sys.executable, "-c", UNSEEN], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0 and result.stdout == "stopped\n", result.stderr
