"""Controls for settings that lie in one another, such as a level of the music of the film."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from ...components.slider import Slider
from ...desk import Desk, Place, View, Window
from ..panel import Edit, Page, Panel, Updates

Path = tuple[str, ...]  # of a setting: the names on the way to it
OpOf = Callable[[Place, Window, Mapping[str, Any]], Edit | None]  # an edit, of the changes of settings


class Knobs(Panel):
    """Controls by the path of what they set, laid out where they are made.

    settings: those of a view; None hides nothing and paints nothing. edit: of their changes.
    """

    def __init__(self, desk: Desk, settings: Callable[[View], Mapping[str, Any] | None], edit: OpOf) -> None:
        super().__init__(desk)
        self._settings, self._edit = settings, edit
        self._controls: dict[Path, Component] = {}

    def slider(self, path: str, low: float, high: float, step: float, label: str, info: str = "") -> Slider:
        """path: the names, with points between. A value beyond the ends widens it."""
        made = Slider(low, high, step=step, label=label, info=info or None, buttons=[])
        return self._keep(path, made)  # type: ignore[no-any-return]

    def text(self, path: str, label: str, most: int, lines: int = 1) -> gr.Textbox:
        return self._keep(path, gr.Textbox(label=label, max_length=most, lines=lines))  # type: ignore[no-any-return]

    def choice(self, path: str, label: str, kinds: list[tuple[str, str]]) -> gr.Radio:
        return self._keep(path, gr.Radio(kinds, label=label))  # type: ignore[no-any-return]

    def switch(self, path: str, label: str, info: str = "") -> gr.Checkbox:
        return self._keep(path, gr.Checkbox(label=label, info=info or None))  # type: ignore[no-any-return]

    def _keep(self, path: str, made: Component) -> Any:
        self._controls[tuple(path.split("."))] = made
        return made

    def shown(self) -> list[Block]:
        return list(self._controls.values())

    def paint(self, view: View) -> Updates:
        settings = self._settings(view)
        if settings is None:
            return {}
        found = {control: _at(settings, path) for path, control in self._controls.items()}
        return {control: _update(control, value) for control, value in found.items() if value is not None}

    def wire(self, page: Page) -> None:
        for path, control in self._controls.items():
            self.edits(page, control, _events(control), self._editing(path))

    def _editing(self, path: Path) -> Callable[[Place, Window, Any], Edit | None]:
        def edit(place: Place, window: Window, value: Any) -> Edit | None:
            changes = value
            for name in reversed(path):
                changes = {name: changes}
            return self._edit(place, window, changes)

        return edit


def _events(control: Any) -> list[Any]:
    """When people do something to it: keys alone, and what comes of pointers and pasting."""
    if isinstance(control, Slider):
        return [control.input, control.release]
    return [control.input, control.blur] if isinstance(control, gr.Textbox) else [control.input]


def _at(settings: Any, path: Path) -> Any:
    for name in path:
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings


def _update(control: Any, value: Any) -> dict[str, Any]:
    if not isinstance(control, Slider):
        return {"value": value}
    return {"value": value, "minimum": min(control.minimum, value), "maximum": max(control.maximum, value)}
