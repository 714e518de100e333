"""What the keys do."""

from __future__ import annotations

import gradio as gr

from ..desk import View
from .overlay import Overlay
from .panel import Page, Updates

KEYS = """
| Keys | What they do |
|---|---|
| **Arrow keys, Home, End** | go from scene to scene |
| **Enter** | write the prompt; Escape goes back to the scene |
| **Alt + arrow keys** | move the scene |
| **Ctrl + Enter** | render the scene |
| **Delete** | delete the scene |
| **Ctrl + Z** | undo |
| **Ctrl + Shift + Z** | redo |
| **?** | this help |

With a mouse or a finger, drag a scene by its grip. On a Mac, Ctrl is ⌘.
"""


class Keys(Overlay):
    name = "Keys"

    def fill(self) -> None:
        gr.Markdown(KEYS)

    def paint_open(self, view: View) -> Updates:
        return {}

    def wire(self, page: Page) -> None:
        """Nothing in it does anything."""
