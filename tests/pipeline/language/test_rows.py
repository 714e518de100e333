"""One prompt beside many past ones at once: the same decisions as pair by pair, also where rounding would decide."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.language import matching, rows
from pipeline.language.reading import Prompt, PromptReader
from pipeline.text_filter import TextFilter

WORDS = """The A young old red blue big girl boy dog cat horse violinist violin hunter deer coat hat scarf of in on with
is running jumping wearing Tom Mia Nora 's , . two three sand stone castle teacher classroom painting river and"""
FIXED = (
    "Tom, a boy with a blue hat, is running on the red playground.",
    "Actor 1 is running. Actor 2 is skiing on the snow.",
    "Mia's red coat and Tom's kite.",
    "一个红衣服的女孩在海滩上跑步。",
    "El perro corre por la playa.",
    "...",
)


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    return TextFilter.from_backbone().reader


@pytest.fixture(scope="module")
def prompts(reader: PromptReader) -> list[Prompt]:
    draw = random.Random(3)
    made = [" ".join(draw.choices(WORDS.split(), k=draw.randrange(4, 24))) for _ in range(40)]
    return [reader.read(text) for text in (*FIXED, *made)]


def pair_by_pair(pasts: Sequence[Prompt], current: Prompt, threshold: float) -> list[matching.Targets]:
    return [matching.targets(past, current, threshold) for past in pasts]


@pytest.mark.parametrize("threshold", [0.0, 0.35, 0.5, 0.65, 0.85, 1.0])
def test_a_row_decides_as_pair_by_pair(prompts: list[Prompt], threshold: float) -> None:
    for current in prompts[::3]:
        row = rows.Row(current, threshold)
        assert row.targets(prompts) == pair_by_pair(prompts, current, threshold)
        assert row.targets(prompts[:1]) == pair_by_pair(prompts[:1], current, threshold), "it may be asked again"


def test_where_rounding_would_decide_the_exact_strengths_do(
    reader: PromptReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, current = reader.read("A hunter waits near a brook."), reader.read("The lantern glows above the swamp.")
    pair = matching.Pair(past, current, 0.5)
    strengths = {pair.strongest(m, k)[0] for m in range(len(past.naming)) for k in range(len(current.naming))}
    close = [float(np.nextafter(value, to)) for value in strengths if 0 < value < 1 for to in (0, value, 1)]
    expected = [pair_by_pair([past], current, threshold) for threshold in close]
    asked, exact = list[int](), matching.Pair.target
    monkeypatch.setattr(rows.Pair, "target", lambda pair, m: asked.append(m) or exact(pair, m))
    assert [rows.Row(current, threshold).targets([past]) for threshold in close] == expected
    assert len(close) > 10 and len(asked) >= len(close) / 2


def test_there_may_be_nothing_to_compare(reader: PromptReader, prompts: list[Prompt]) -> None:
    nothing = reader.read("...")
    assert rows.Row(nothing, 0.5).targets(prompts[:3]) == [(), (), ()]
    assert rows.Row(prompts[0], 0.5).targets([nothing]) == [()] and rows.Row(prompts[0], 0.5).targets([]) == []
