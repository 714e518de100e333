"""What this process makes, it makes one at a time, also when it has the places of workers."""

from collections.abc import Generator

import pytest

from storyboard.rendering.jobs import alone
from storyboard.rendering.jobs.alone import Alone
from storyboard.rendering.jobs.job import Made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "LOOK_SECONDS", 0.001)


def steps(name: str, made: list[str], count: int = 2) -> Generator[Made, None, str]:
    for index in range(count):
        made.append(f"{name}{index}")
        yield Made(index + 1, count)
    return name


def test_the_second_waits_until_the_first_is_done_and_yields_meanwhile() -> None:
    one_at_a_time, made = Alone(), list[str]()
    first, second = one_at_a_time(steps("a", made)), one_at_a_time(steps("b", made))
    assert next(first).step == 1
    assert [next(second).step for _ in range(3)] == [0, 0, 0] and made == ["a0"]
    assert [step.step for step in first] == [2]
    assert [step.step for step in second] == [1, 2] and made == ["a0", "a1", "b0", "b1"]


@pytest.mark.parametrize("end", ["closed", "failed"])
def test_one_that_is_cut_short_lets_the_next_begin(end: str) -> None:
    one_at_a_time, made = Alone(), list[str]()
    first = one_at_a_time(steps("a", made))
    next(first)
    if end == "closed":
        first.close()
    else:
        with pytest.raises(RuntimeError):
            first.throw(RuntimeError("no"))
    assert len(list(one_at_a_time(steps("b", made)))) == 2
