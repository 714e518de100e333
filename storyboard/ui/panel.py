"""What the panels that draw themselves have in common.

A panel is an empty skeleton and a script. The server writes one property, `runtime`, plain JSON; the script draws it
with `createElement` and `textContent`, so that whatever a user typed is text and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

HERE = Path(__file__).parent


class Panel(gr.HTML):
    """A panel whose script is `<name>.js` beside this file."""

    def __init__(self, name: str, skeleton: str) -> None:
        self.runtime: dict[str, Any] = {}  # set before super(): gr.HTML takes quoted names in its script for events
        script = (HERE / "dom.js").read_text(encoding="utf-8") + (HERE / f"{name}.js").read_text(encoding="utf-8")
        super().__init__(
            value=None,
            html_template=skeleton,
            js_on_load=script,
            apply_default_css=False,
            runtime=self.runtime,
            elem_id=name,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about a panel is read."""

    def postprocess(self, value: object) -> None:
        """Nothing is shown through the value, only through `runtime`."""
