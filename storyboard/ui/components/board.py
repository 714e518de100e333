"""The board: a story's scenes as cards that are written on, moved, and rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ..desk import Place
from .scripts import mounting

OPENING = '<p class="loading">Opening the storyboard…</p>'


class Board(gr.HTML):
    """Cards of a story. Its value is a `Place`: whose story is shown, and which scene is chosen. The browser writes it.

    Events: `look`, when the place or anything that is said about it changed; `over`, when its news ask for it; `turn`,
    with {"tab": ...}, when somebody asks on a card for a tab of the panel; `restore`, with {"story": ...}, to have a
    deleted story back. `news` is what a listener tells it (`storyboard.ui.desk.news`).

    It asks `call` for everything, with {"verb": ..., "owner": ..., ...}, and not through events: those do not say
    whether they arrived, and what was written must never be lost. It shows edits at once, sends them in order, and
    again for as long as no answer comes.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        served: Mapping[str, Any],
        news: Mapping[str, Any] | None = None,  # not kept: Gradio makes a board anew with what it was told last
        **options: Any,
    ) -> None:
        self.news, self.served = None, served
        super().__init__(
            value=None,
            html_template=OPENING,
            js_on_load=mounting("main.js", "'look', 'over', 'turn', 'restore'"),
            apply_default_css=False,
            server_functions=[call],
            news=None,
            served=served,
            **options,
        )

    def preprocess(self, payload: object) -> Place:  # type: ignore[override]  # not text, as of plain HTML
        """Where the browser is."""
        return Place.read(payload)

    def postprocess(self, value: object) -> None:
        """Only the browser says where it is."""
