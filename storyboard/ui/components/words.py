"""A line of plain text."""

from __future__ import annotations

from typing import Any

import gradio as gr

from .scripts import mounting


class Words(gr.HTML):
    """Text that is never read as markup, with what stands between *asterisks* in italics. Empty, it takes no room.

    tag: of the element. kind: how it looks, an attribute `data-kind`. spoken: whether screen readers say its changes.
    """

    def __init__(self, value: str = "", tag: str = "p", kind: str = "", spoken: bool = True, **options: Any) -> None:
        self.kind = kind
        role = 'role="status"' if spoken else ""
        super().__init__(
            value=value,
            html_template=f'<{tag} class="words-line" dir="auto" {role}></{tag}>',
            js_on_load=mounting("says.js"),
            apply_default_css=False,
            kind=kind,
            **options,
        )

    def preprocess(self, payload: object) -> str:
        return payload if isinstance(payload, str) else ""

    def postprocess(self, value: object) -> str:
        return str(value or "")
