"""What is kept in memory has an end in bytes, and what it is taken to need is not too little."""

import tracemalloc
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from storyboard.document.story import KeyframeChoice, Scene, Take, WordRef
from storyboard.store.memory import ENTRY_BYTES, Memory, bytes_in_memory


def a_take(number: int) -> Take:
    content = {"clip": f"{number:064x}", "preview": "1" * 64, "keyframe": "2" * 64, "keyframe_index": 3}
    size = {"num_frames": 9, "width": 160, "height": 90, "frames_per_second": 8.0}
    return Take.model_validate({"id": f"{number:x}", "scene": "a", **content, **size, "seed": 5000 + number})


MAKERS: dict[str, Callable[[int], BaseModel]] = {
    "a scene": lambda number: Scene(id=f"{number:x}", prompt=f"Mia {number}", seed=1000 + number),
    "smileys": lambda number: Scene(id=f"{number:x}", prompt=f"{'a' * 1900}{number}\N{GRINNING FACE}"),
    "pins": lambda number: Scene(id=f"{number:x}", pins=tuple(WordRef(scene=f"{k:x}", text="a") for k in range(50))),
    "muted scenes": lambda number: Scene(
        id=f"{number:x}", muted_scenes=tuple(f"{number:x}a{k:020x}" for k in range(100))
    ),
    "keyframes": lambda number: KeyframeChoice(take=f"{number:x}", index=1000 + number, keyframe=f"{number:064x}"),
    "takes": a_take,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_estimate_is_at_least_what_python_takes_and_at_most_four_times_that(kind: str) -> None:
    texts = [MAKERS[kind](number).model_dump_json() for number in range(200)]
    read = type(MAKERS[kind](0)).model_validate_json
    read(texts[0])
    tracemalloc.start()
    values = [read(text) for text in texts]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(values) == 200
    assert taken <= sum(map(bytes_in_memory, texts)) <= 4 * taken


def test_what_was_not_used_for_longest_goes_first() -> None:
    memory: Memory[str, str] = Memory(3 * (100 + ENTRY_BYTES))
    for key in "abc":
        memory.keep(key, key.upper(), 100)
    assert memory.get("a") == "A"
    memory.keep("d", "D", 100)
    assert [memory.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    assert memory.bytes == 3 * (100 + ENTRY_BYTES)


def test_what_is_in_use_stays_however_large() -> None:
    memory: Memory[str, str] = Memory(1000)
    memory.keep("a", "A", 10)
    memory.keep("b", "B", 1 << 40)
    assert (memory.get("a"), memory.get("b"), len(memory)) == (None, "B", 1)
    memory.keep("b", "B", 10)
    assert memory.bytes == 10 + ENTRY_BYTES


def test_only_the_value_that_is_meant_is_dropped() -> None:
    memory: Memory[str, list[int]] = Memory(1 << 20)
    old, new = [1], [1]
    memory.keep("a", new, 10)
    memory.drop("a", old)
    assert memory.get("a") is new
    memory.drop("a")
    memory.drop("b")
    assert memory.get("a") is None and memory.bytes == 0
    memory.keep("a", new, 10)
    memory.clear()
    assert len(memory) == 0 and memory.bytes == 0
