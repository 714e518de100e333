"""A button that reads a file in the browser."""

from __future__ import annotations

from typing import Any

import gradio as gr

from .scripts import mounting


class Upload(gr.HTML):
    """A button named `label` that asks for a file. Event: `picked`, with {"name", "kind" (its MIME type), "data"}, the
    data in base64.

    Gradio's own would keep the file on the server's disk before anybody has looked at it, on a route that is closed.
    accept: kinds of files, as an input has them. megabytes: a larger file is refused, in the browser.
    """

    def __init__(self, label: str, accept: str, megabytes: int, **options: Any) -> None:
        super().__init__(
            value=None,
            html_template='<div class="upload-place"></div>',
            js_on_load=mounting("upload.js", f"'picked', {label!r}, {accept!r}, {megabytes}"),
            apply_default_css=False,
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing is kept."""

    def postprocess(self, value: object) -> None:
        """Nothing is shown through its value."""
