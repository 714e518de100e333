"""A film that plays in the page, from its clips and sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import gradio as gr

from .scripts import mounting


@dataclass(frozen=True)
class Shown:
    """What is said of a scene of the film beside what it plays: its number, its prompt, the address of its picture."""

    number: int
    prompt: str
    picture: str | None = None


@dataclass(frozen=True)
class Reel:
    """A film. timeline: of `storyboard.operations.views.timeline_view`. scenes: by their ids. aspect: width by height
    of its picture. look: the scene that it goes to, when that is another one than before."""

    timeline: Mapping[str, Any]
    scenes: Mapping[str, Shown] = field(default_factory=dict)
    aspect: float = 1.5
    look: str = ""


class Player(gr.HTML):
    """Plays a film: cuts, seams, cards, captions, speed and sound as in an export. Its value is a `Reel`.

    Not covered: the loudness of the whole, which is measured when a file is written.
    """

    def __init__(self, value: Reel | None = None, **options: Any) -> None:
        super().__init__(
            value=value,
            html_template='<p class="loading">…</p>',
            js_on_load=mounting("player.js"),
            apply_default_css=False,
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return asdict(value) if value else None
