"""What several workers make of a plan: scenes that do not need one another at once, and the chain that nothing
shortens."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...document.plan import Plan, PlanStep, Standing


@dataclass(frozen=True)
class Together:
    """What several workers make of a plan. chain: the scenes, by number, of the longest chain, each of which waits for
    the one before it; it takes `chain_seconds`, all of the plan `seconds`. None as long as nothing is known."""

    workers: int
    chain: tuple[int, ...]
    chain_seconds: float | None
    seconds: float | None


@dataclass(frozen=True)
class SharedPlan(Plan):
    """A plan that several workers share."""

    together: Together | None = None


def together(todo: Plan, found: Mapping[str, Standing], workers: int) -> Plan:
    """A plan with what so many workers make of it; the plan itself for one."""
    if workers < 2 or not todo.steps:
        return todo
    graph = needs_of(todo.steps, found)
    known = todo.seconds is not None
    seconds = {step.scene: step.seconds if known and step.seconds is not None else 1.0 for step in todo.steps}
    numbers = {step.scene: step.number for step in todo.steps}
    chain = longest_chain(graph, seconds)
    told = Together(
        workers,
        tuple(numbers[scene] for scene in chain),
        sum(seconds[scene] for scene in chain) if known else None,
        finished(graph, seconds, workers) if known else None,
    )
    return SharedPlan(todo.steps, todo.blocked, told)


def needs_of(steps: Sequence[PlanStep], found: Mapping[str, Standing]) -> dict[str, tuple[str, ...]]:
    """The scenes of a plan, in order, each with those of them that it needs."""
    planned = {step.scene for step in steps}
    return {step.scene: tuple(scene for scene in found[step.scene].needs if scene in planned) for step in steps}


def longest_chain(graph: Mapping[str, Sequence[str]], seconds: Mapping[str, float]) -> list[str]:
    """The scenes that take longest one after the other. graph: what each needs, which comes before it."""
    until, before = dict[str, float](), dict[str, str | None]()
    for scene, needs in graph.items():
        before[scene] = max(needs, key=lambda one: until[one], default=None)
        last = before[scene]
        until[scene] = seconds[scene] + (until[last] if last is not None else 0.0)
    chain, scene_or_none = list[str](), max(until, key=lambda one: until[one], default=None)
    while scene_or_none is not None:
        chain.append(scene_or_none)
        scene_or_none = before[scene_or_none]
    return chain[::-1]


def finished(graph: Mapping[str, Sequence[str]], seconds: Mapping[str, float], workers: int) -> float:
    """When so many workers are done, each taking the first scene in line that waits for nothing any more."""
    waiting, ended = list(graph), set[str]()
    running, now = list[tuple[float, str]](), 0.0
    while waiting or running:
        ready = [scene for scene in waiting if ended.issuperset(graph[scene])]
        for scene in ready[: workers - len(running)]:
            waiting.remove(scene)
            heapq.heappush(running, (now + seconds[scene], scene))
        now, scene = heapq.heappop(running)
        ended.add(scene)
    return now
