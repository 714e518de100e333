"""What several workers make of a graph of scenes."""

import pytest

from storyboard.document.plan import Plan, PlanStep, Standing
from storyboard.rendering.jobs.graph import SharedPlan, Together, finished, longest_chain, together

WIDE = {
    "a": (),
    "b": (),
    "c": (),
    "d": (),
    "e": ("a",),
    "f": ("b",),
    "g": ("c",),
    "h": ("d",),
    "i": ("e", "f"),
    "j": ("h",),
}
SECONDS = dict.fromkeys(WIDE, 1.0)


def test_the_longest_chain_is_found_by_seconds() -> None:
    assert longest_chain(WIDE, SECONDS) == ["a", "e", "i"]
    assert longest_chain(WIDE, SECONDS | {"d": 2.5}) == ["d", "h", "j"]
    assert longest_chain({"a": (), "b": ()}, {"a": 1.0, "b": 2.0}) == ["b"]


@pytest.mark.parametrize(("workers", "seconds"), [(1, 10.0), (2, 5.0), (4, 3.0), (9, 3.0)])
def test_workers_share_what_does_not_depend_on_one_another(workers: int, seconds: float) -> None:
    assert finished(WIDE, SECONDS, workers) == seconds


def test_a_chain_is_no_faster_with_more_workers() -> None:
    chain = {"a": (), "b": ("a",), "c": ("b",)}
    assert finished(chain, {"a": 1.0, "b": 2.0, "c": 3.0}, 8) == 6.0


def plan_of(seconds: float | None) -> tuple[Plan, dict[str, Standing]]:
    steps = tuple(PlanStep(scene, number, (), seconds) for number, scene in enumerate(WIDE, 1))
    return Plan(steps), {scene: Standing("new", needs=(*needs, "gone")) for scene, needs in WIDE.items()}


def shared(seconds: float | None) -> Together:
    made = together(*plan_of(seconds), 2)
    assert isinstance(made, SharedPlan) and made.together is not None
    return made.together


def test_a_plan_for_one_worker_is_what_it_was() -> None:
    todo, found = plan_of(2.0)
    assert together(todo, found, 1) is todo and together(Plan(), found, 2) == Plan()


def test_a_plan_for_two_says_the_chain_and_the_seconds() -> None:
    told = shared(2.0)
    assert (told.workers, told.chain) == (2, (1, 5, 9))
    assert (told.chain_seconds, told.seconds) == (6.0, 10.0)


def test_without_estimates_the_chain_is_that_of_most_scenes() -> None:
    told = shared(None)
    assert told.chain == (1, 5, 9) and told.seconds is None and told.chain_seconds is None
