"""The plan in words: what a render would do, and about how long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .wording import counted, duration, sentence

MOST_NAMED, MOST_REASONS = 6, 2  # scenes of a plan; of them, with why
Some = Mapping[str, Any]


def plan_words(standing: Some, brief: bool = False) -> str:
    """Of how scenes stand, as `storyboard.operations.views.standing_view` gives it.

    brief: without the old and new words, which stand on the cards too.
    """
    plan, scenes = standing["plan"], standing["scenes"]
    if not scenes:
        return "Nothing to render yet."
    notes = "".join(f" {_ended(note)}" for note in plan["blocked"])
    steps = plan["steps"]
    if not steps:
        return _rest(scenes) + notes
    most = MOST_REASONS if len(steps) <= MOST_NAMED else 1
    told = [_step(step, scenes, number < most, brief) for number, step in enumerate(steps[:MOST_NAMED])]
    others = f" and {len(steps) - MOST_NAMED} more" if len(steps) > MOST_NAMED else ""
    return f"Render {counted(len(steps), 'scene')}: {', '.join(told)}{others}{_time(plan)}.{notes}"


def _step(step: Some, scenes: Some, why: bool, brief: bool) -> str:
    """A scene by its number, and why; that it is new, its card says."""
    new = scenes.get(step["scene"], {}).get("state") == "new"
    if new or not why or not step["reasons"]:
        return str(step["number"])
    reason = step["reasons"][0].split(":")[0] if brief else step["reasons"][0]
    return f"{step['number']} ({reason})"


def _time(plan: Some) -> str:
    """With workers: what they take, and what nothing shortens."""
    if plan["seconds"] is None:
        return ""
    together = plan.get("together")
    if not together:
        return f", about {duration(plan['seconds'])}"
    chain: Sequence[int] = together["chain"]
    longest = f"; longest chain {' → '.join(map(str, chain))}, {duration(together['chain_seconds'])}"
    told = f", about {duration(together['seconds'])} with {together['workers']} workers"
    return told + (longest if len(chain) > 1 else "")


def _rest(scenes: Some) -> str:
    states = [(scene["state"], bool(scene["reasons"])) for scene in scenes.values()]
    blank = states.count(("blank", False))
    if blank == len(states):
        return "Nothing to render yet: the scenes have no words."
    rest = f" {counted(blank, 'scene')} without words." if blank else ""
    if any(state in ("stale", "waiting") for state, _ in states):
        return "Nothing to render: what is stale is locked." + rest
    return ("Every other scene is fresh." if ("blank", True) in states else "Every scene is fresh.") + rest


def _ended(text: str) -> str:
    return sentence(text) + ("" if text.endswith((".", "!", "?")) else ".")
