"""A small moving picture under the guidance sliders: the live sketch."""

from __future__ import annotations

from typing import Any

import gradio as gr

STARTS = "data:image/webp;base64,"


class LiveSketch(gr.HTML):
    """Shows a picture that this app made, an animated WebP as a data URL; nothing for ""."""

    def __init__(self, **options: Any) -> None:
        super().__init__(value="", apply_default_css=False, **options)

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: object) -> str:
        if not isinstance(value, str) or not value.startswith(STARTS):
            return ""
        return f'<img class="sketch" alt="Live sketch of the scene, made in 4 steps" src="{value}">'
