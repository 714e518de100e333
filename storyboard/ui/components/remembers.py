"""Prompts of earlier scenes, word by word: which are remembered, how strongly and why, and where one was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import gradio as gr

from .scripts import mounting

PINNED, MUTED, FILTER = "pinned", "muted", "filter"


@dataclass(frozen=True)
class Word:
    """A word of a prompt, or what stands between two.

    start: its first character; None for what can't be chosen. kind: how it is marked: words of kept, pinned, muted,
    dropped, plain. why: said beside it. strength: of its mark, from 0 to 1. how: who decides, PINNED, MUTED or FILTER.
    """

    text: str
    start: int | None = None
    kind: str = "plain"
    why: str = ""
    strength: float = 1.0
    how: str = FILTER


@dataclass(frozen=True)
class Past:
    """An earlier scene; number 0 for an entry of the cast, whose name is `entry`, and for what this scene showed
    before, which `own` names. picture: the address of what it is remembered by. forgotten: whether all is muted.

    maps: where a word was looked at, by the word's start, as text: {"rows", "columns", "values", "keyframe",
    "preview"}, the values from 0 to 255, row by row, and the picture and the clip that they lie over.
    """

    scene: str
    number: int
    words: Sequence[Word]
    picture: str | None = None
    kept: bool = False
    forgotten: bool = False
    entry: str = ""
    own: str = ""
    maps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Remembers(gr.HTML):
    """Earlier scenes, each with its words. Its value is a list of `Past`.

    Events: `rule`, with {"scene", "start", "how"}, when somebody pins or mutes a word (P, M) or leaves it to the filter
    (F); `forget`, with {"scene", "on"}, of a whole scene.
    """

    def __init__(self, value: Sequence[Past] = (), **options: Any) -> None:
        super().__init__(
            value=value,
            html_template='<div class="remembers"></div>',
            js_on_load=mounting("remembers.js", "'rule', 'forget'"),
            apply_default_css=False,
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return [asdict(past) for past in value or ()]
