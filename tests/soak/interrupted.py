"""Renders that run out of memory or are cancelled, at every step and in the decoder: the next one is bit-identical.

python -m tests.soak.interrupted --times 500
"""

import argparse
import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from pipeline.story_pipeline import Clip, StoryPipeline
from tests.paths import ROOT

STEPS = 4
SETTINGS: dict[str, Any] = {"height": 48, "width": 72, "num_frames": 5, "steps": STEPS, "seed": 11}
PROMPT, PAST = "Mia in a red coat is sitting on the beach.", "Mia in a red coat is running in the city."


def begin(pipeline: StoryPipeline) -> Iterator[Any]:
    """A render that remembers a scene, with both guidances."""
    picture = np.random.default_rng(5).integers(0, 255, (1, 48, 72, 3), np.uint8)
    past = [pipeline.encode_scene(PAST, picture)]
    return pipeline.generate(PROMPT, past, Guidance(text=4.0, history=4.0), **SETTINGS)


def digest(pipeline: StoryPipeline) -> str:
    for item in begin(pipeline):
        last = item
    assert isinstance(last, Clip)
    return hashlib.sha256(last.frames.tobytes()).hexdigest()


def fresh_digest() -> str:
    """That of a process which has done nothing else."""
    program = "from tests.soak.interrupted import digest; from tests.tiny import tiny_pipeline; "
    program += f"import torch; torch.set_num_threads({torch.get_num_threads()}); print(digest(tiny_pipeline()))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.split()[-1]


@contextmanager
def no_memory_at(module: torch.nn.Module, method: str, number: int, for_ever: bool = False) -> Iterator[list[int]]:
    """Call `number`, from 1, runs out of memory when it is nearly done, and with `for_ever` all after it; gives a list
    of the calls."""
    plain: Callable[..., Any] = getattr(module, method)
    calls: list[int] = []

    def failing(*arguments: Any, **options: Any) -> Any:
        calls.append(len(calls) + 1)
        made = plain(*arguments, **options)
        if len(calls) == number or (for_ever and len(calls) > number):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
        return made

    with mock.patch.object(module, method, failing):
        yield calls


def run_out(pipeline: StoryPipeline, part: str, number: int) -> None:
    """part: "transformer" or "vae". The pipeline may find room by a slower placement, and must make the same clip."""
    method = "forward" if part == "transformer" else "decode"
    with no_memory_at(getattr(pipeline, part), method, number) as calls, suppress(ThroughlineError):
        found = digest(pipeline)
        assert found == UNDISTURBED.get(id(pipeline), found), "room was found, and another clip made"
    assert len(calls) >= number, f"{part} was called {len(calls)} times only: not {number}"


UNDISTURBED: dict[int, str] = {}  # what a pipeline makes, by its id


def cancel(pipeline: StoryPipeline, after: int) -> None:
    """Closes the generator after so many steps."""
    steps = begin(pipeline)
    for _ in range(after):
        next(steps)
    steps.close()  # type: ignore[attr-defined]


def calls_of(pipeline: StoryPipeline, part: str) -> int:
    """How often a whole render calls a part."""
    method = "forward" if part == "transformer" else "decode"
    with no_memory_at(getattr(pipeline, part), method, 0) as calls:
        digest(pipeline)
    return len(calls)


def interruptions(pipeline: StoryPipeline) -> dict[str, list[Callable[[], None]]]:
    """Every way to be cut short in one render: "out of memory" at each call, "cancelled" after each step."""
    UNDISTURBED[id(pipeline)] = digest(pipeline)
    memory = [
        partial(run_out, pipeline, part, number)
        for part in ("transformer", "vae")
        for number in range(1, calls_of(pipeline, part) + 1)
    ]
    return {"out of memory": memory, "cancelled": [partial(cancel, pipeline, after) for after in range(STEPS + 1)]}


def main() -> int:
    from tests.tiny import tiny_pipeline

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=500, help="of either kind")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began, rng, pipeline = time.monotonic(), random.Random(options.seed), tiny_pipeline()
    expected = fresh_digest()
    for kind, ways in interruptions(pipeline).items():
        for number in range(options.times):
            rng.choice(ways)()
            assert digest(pipeline) == expected, f"{kind}: interruption {number} changed the next render"
        print(
            f"seed {options.seed}: {options.times} renders {kind}, in {len(ways)} ways, each next one as in a fresh "
            f"process, bit for bit; {time.monotonic() - began:.0f} s so far",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
