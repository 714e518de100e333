"""A part of the scene's panel that is drawn by a script and asks through the board: the viewer, what is remembered."""

from __future__ import annotations

from typing import Any

import gradio as gr

from .scripts import mounting


class Part(gr.HTML):
    """Shows something of the board's chosen scene, by the maker `name` of static/part.js. It has no value."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(
            value=None,
            html_template='<p class="loading">…</p>',
            js_on_load=mounting("part.js", f"'{name}'"),
            apply_default_css=False,
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: object) -> None:
        """Nothing is shown through its value."""
