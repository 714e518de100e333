"""A picture that is painted over."""

from __future__ import annotations

from typing import Any

import gradio as gr

from .scripts import mounting


class Brush(gr.HTML):
    """A picture with strokes over it; a finger, a pen or a mouse adds to them. Its value is None for nothing, or
    {"picture": its address, "of": which painting it is, "points": its strokes, "kept": those of others, "radius": of
    the brush}. Points are [across, down, radius], shares of the picture, the radius of its height.

    Event: `painted`, with {"of", "points"}, at the end of a stroke. Of the same painting what the browser shows is the
    newest: other points are taken over with another `of` alone.
    """

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(
            value=None,
            html_template='<div class="brush-place"></div>',
            js_on_load=mounting("brush.js", f"'painted', {most}"),
            apply_default_css=False,
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return value
