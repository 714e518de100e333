"""What the panels that draw themselves have in common.

A panel is an empty skeleton and a script. The server writes one property, `runtime`, plain JSON; the script draws it
with `createElement` and `textContent`, so that whatever a user typed is text and nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

HERE = Path(__file__).parent


class Panel(gr.HTML):
    """A panel whose script is `<name>.js` beside this file. Gradio makes a new one for every update of `runtime`."""

    def __init__(self, name: str, skeleton: str, runtime: dict[str, Any] | None = None, render: bool = True) -> None:
        self.runtime = runtime or {}  # set before super(): gr.HTML takes quoted names in its script for events
        super().__init__(
            value=None,
            html_template=skeleton,
            js_on_load=_script(name),
            apply_default_css=False,
            runtime=self.runtime,
            elem_id=name,
            render=render,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about a panel is read."""

    def postprocess(self, value: object) -> None:
        """Nothing is shown through the value, only through `runtime`."""


@lru_cache
def _script(name: str) -> str:
    return "".join((HERE / file).read_text(encoding="utf-8") for file in ("dom.js", f"{name}.js"))
