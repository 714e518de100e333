"""What a verb answers, as a table for people who read it in a shell."""

from __future__ import annotations

from typing import Any


def continuity_table(answer: dict[str, Any]) -> str:
    """The continuity meter in Markdown: a row for every mention that recurs in a scene, then what to look at again."""
    meter = answer["meter"]
    rows = [row for scene in meter["scenes"] for row in _scene_rows(scene)]
    head = ["scene", "mention", "there", "as first", "as last", "prompt", "motion", "held"]
    table = [" | ".join(cells) for cells in (head, ["---"] * len(head), *rows)]
    plain = [f"Scene {each['number']}: {each['text'].replace('*', '')}." for each in meter["warnings"]]
    said = [*meter["notes"], *(plain or (["Nothing stands out."] if meter["scenes"] else ["Nothing to measure yet."]))]
    return "\n".join([*(f"| {line} |" for line in table), "", *said])


def entry_table(answer: dict[str, Any]) -> str:
    """How an entry of the cast holds, in Markdown: a row for every scene that names it."""
    meter = answer["meter"]
    rows = [[str(one["number"]), _share(one["presence"]), _share(one["similarity"]), "as last seen" * one["last_seen"]]
            for one in meter["scenes"]]  # fmt: skip
    head = ["scene", "there", "as its picture", "note"]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)] if rows else []
    said = [f"{meter['name']}: {_share(meter['mean'])} on average."] if rows else []
    return "\n".join([*lines, *([""] if rows else []), *said, *meter["notes"], *filter(None, [meter["nothing"]])])


def _scene_rows(scene: dict[str, Any]) -> list[list[str]]:
    own = [_share(scene["prompt"]), f"{scene['motion']:.1f}", _share(scene["held"])]
    mentions = [
        [
            mention["text"].replace("|", "/"),
            _share(mention["presence"]),
            "; ".join([_seen(mention["first"]), *(f"{each['what']} {each['now']}" for each in mention["changed"])]),
            _seen(mention["last"]),
        ]
        for mention in scene["mentions"]
    ]
    first, *rest = mentions or [["", "", "", ""]]
    return [[str(scene["number"]), *first, *own], *(["", *cells, "", "", ""] for cells in rest)]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _seen(seen: dict[str, Any] | None) -> str:
    return f"{seen['similarity']:.0%} ({seen['number']})" if seen else "–"
