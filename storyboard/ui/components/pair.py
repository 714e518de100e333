"""Two clips side by side that play in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from .scripts import mounting


@dataclass(frozen=True)
class Side:
    """A clip of a pair: its address, what is said under it, and its frames."""

    clip: str
    label: str
    num_frames: int
    frames_per_second: float

    @classmethod
    def of(cls, take: Mapping[str, Any], label: str) -> Side:
        """From the view of a take or of a trial."""
        return cls(take["clip"], label, take["num_frames"], take["frames_per_second"])


class Pair(gr.HTML):
    """Two clips that start, stop and go from frame to frame together. Its value is two `Side`, or None for nothing.

    difference: also shows what differs between them, pixel by pixel. Event: `frame`, with {"frame": ...} from 0, when
    somebody stops at a frame.
    """

    def __init__(self, value: tuple[Side, Side] | None = None, difference: bool = False, **options: Any) -> None:
        super().__init__(
            value=value,
            html_template='<div class="pair-place"></div>',
            js_on_load=mounting("pair.js", f"'frame', {str(difference).lower()}"),
            apply_default_css=False,
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return [asdict(side) for side in value] if value else None
