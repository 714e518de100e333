"""What every panel has: a layout, how it paints a story, and its listeners."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency

from ..components.board import Board
from ..desk import QUIET, Desk, Place, View, Window, news

Edit = Mapping[str, Any]  # {"do": the name of an edit, and its arguments}
Updates = dict[Any, Any]  # what components are to show; of `Panel.paint`, as arguments of `gr.update`


@dataclass(frozen=True)
class Page:
    """What listeners of all panels take and tell.

    here: the `Place` that the panels show, as text, sent to the browser together with what they show of it, so that
    no edit goes to a scene that was chosen since. drafts: what was refused, by place.
    """

    desk: Desk
    board: Board
    here: gr.Textbox
    window: gr.State
    drafts: gr.BrowserState
    panels: Sequence[Panel]

    @property
    def looking(self) -> list[Block]:
        """What `repaint` takes: as a listener's inputs, these become a `Place`, a `Window` and drafts."""
        return [self.board, self.window, self.drafts]

    @property
    def shown(self) -> list[Block]:
        """The outputs of a listener that repaints."""
        return [self.board, self.here, *(part for panel in self.panels for part in panel.shown())]

    @property
    def under(self) -> list[Block]:
        """The outputs of `look`: what lies over the board is not among them. The browser looks through all outputs of
        the listeners that it called so far whenever it calls one."""
        return [self.board, self.here, *(part for panel in self.panels if not panel.over for part in panel.shown())]

    def look(self, place: Place, window: Window, drafts: Any) -> Updates:
        """As `repaint`, while nothing lies over the board; else the board asks for that. It also asks again if Gradio
        did not know yet where it is: it may look before its page is complete."""
        again = "over" if window.open else "" if place.story else "look"
        if again:
            return {self.board: gr.update(news=news({"again": again}))}
        return self.repaint(place, window, drafts, under=True)

    def repaint(self, place: Place, window: Window, drafts: Any, under: bool = False) -> Updates:
        """All that changed since it was painted last. under: but for what lies over the board."""
        panels = [panel for panel in self.panels if not (under and panel.over)]
        with window.painting:
            view = self.desk.look(place, window, drafts)
            painted: Updates = {self.here: {"value": place.written()}} if view else {}
            for panel in panels if view else ():
                painted |= panel.paint(view) if view else {}
            told = {part: gr.update(**update) for part, update in painted.items() if window.news_of(part._id, update)}
        return told or {self.here: gr.skip()}


def chips(words: Sequence[str]) -> dict[str, Any]:
    """Of a `gr.Dataset` in a row: what each of its samples says, of which 60 letters are shown."""
    return {"samples": [[word] for word in words], "sample_labels": list(words)}


class Panel(ABC):
    """Components of one part of the page. `__init__` lays them out where it is called.

    tab: of the scene's panel, if it is one whose painting costs more than a look at the story. over: whether it lies
    over the board, and has nothing to paint while it is closed.
    """

    tab, over = "", False

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @abstractmethod
    def paint(self, view: View) -> Updates:
        """What its components show of a story. Those that are left out stay as they are."""

    def shown(self) -> list[Block]:
        """The components that it paints: all that it has as attributes, those of panels within it too."""
        own = [part for part in vars(self).values() if isinstance(part, Block)]
        return own + [part for panel in vars(self).values() if isinstance(panel, Panel) for part in panel.shown()]

    @abstractmethod
    def wire(self, page: Page) -> None:
        """Adds its listeners."""

    def changes(
        self,
        page: Page,
        component: Component,
        events: Sequence[Callable[..., Dependency]],
        changed: Callable[[Any], Mapping[str, Any] | None],
        *also: Component,
    ) -> Dependency:
        """Makes what people do to a control an edit of the scene: `changed` of its value; None for no edit."""

        def edit(place: Place, window: Window, value: Any) -> Edit | None:
            changes = changed(value)
            return {"do": "edit_scene", "scene": place.scene, "changes": changes} if changes else None

        return self.edits(page, component, events, edit, *also)

    def edits(
        self,
        page: Page,
        component: Component,
        events: Sequence[Callable[..., Dependency]],
        edit: Callable[[Place, Window, Any], Edit | None],
        *also: Component,
    ) -> Dependency:
        """Makes what people do to a control an edit: `edit` of where they are and of its value; None for no edit.

        The control shows what is saved again if the edit is refused. also: what else follows the value, painted after.
        """

        def listen(here: str, value: Any, window: Window) -> Updates:
            if window.shown.get(component._id, {}).get("value") == value:
                return {page.board: gr.skip()}
            place = Place.read(here)
            return self._edited(page, place, edit(place, window, value), window, component, also)

        inputs, outputs = [page.here, component, page.window], [page.board, component, *also]
        heard: Dependency = gr.on(list(events), listen, inputs, outputs, **QUIET)  # one by one, whichever event it was
        return heard

    def _edited(
        self,
        page: Page,
        place: Place,
        op: Edit | None,
        window: Window,
        component: Component,
        also: Sequence[Component],
    ) -> Updates:
        with window.writing(component._id):
            group = window.group(f"{op.get('scene', op.get('entry', ''))}:{component._id}") if op else ""
            reply = self.desk.ask("edit", place, op=op, group=group) if op else {}
            story = reply.get("story")
            with window.painting:
                view = View(place, story, None, {}, None, window=window) if story else self.desk.look(place, window)
                painted = self.paint(view) if view else {}
                known = {c: painted[c] for c in (component, *also) if c in painted}
                window.shown |= {c._id: update for c, update in known.items()}
        if reply.get("ok") and component in known:  # it shows that already, or something newer
            own = known.pop(component)
            known |= {component: {name: own[name] for name in own if name != "value"}} if component in also else {}
        told: Updates = {page.board: gr.update(news=news(reply)) if reply else gr.skip()}
        return told | {c: gr.update(**update) for c, update in known.items()}
