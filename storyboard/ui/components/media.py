"""Gradio's components for pictures, clips and files, of what the page itself serves at `media/...`.

Gradio would copy a file into its cache and serve it from there by its path; those routes are closed (`..security`).
Here a value is an address, which goes to the browser as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr


def served(url: str, name: str = "") -> dict[str, str]:
    """What Gradio's scripts take for a file; without a path, which its server would look for in its cache."""
    return {"url": url, "orig_name": name}


class Shots(gr.Gallery):
    """Pictures, each a pair of its address and its caption."""

    is_template = True  # the browser knows it as what it derives from

    @staticmethod
    def marked(place: int | None) -> dict[str, Any]:
        """An update by which the picture at a place looks chosen, or none does. Gradio leaves out of updates what is
        None, and keeps numbers within what there is."""
        return {"selected_index": "none" if place is None else place}

    def preprocess(self, payload: Any) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        pairs: Sequence[tuple[str, str]] = value or []
        return [{"image": served(url), "caption": caption} for url, caption in pairs]


class Still(gr.Image):
    """A picture, by its address. What `select` gives of it are the pixels that were clicked on."""

    is_template = True

    def preprocess(self, payload: Any) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return served(value) if value else None


class Clip(gr.Video):
    """A clip, by its address."""

    is_template = True

    def preprocess(self, payload: Any) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return served(value) if value else None


class Download(gr.DownloadButton):
    """Saves a file, a pair of its address and the name under which it is saved."""

    is_template = True

    def preprocess(self, payload: Any) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: Any) -> Any:
        return served(*value) if value else None
