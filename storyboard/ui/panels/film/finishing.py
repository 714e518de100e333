"""How the clips of a finished film are drawn: what is done, what is being made, and how long the rest takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...components.words import Words
from ...desk import QUIET, Desk, Place, View, Window, news
from ...wording import counted, duration, sentence
from ..panel import Page, Panel, Updates

LOOK_AGAIN = 0.7  # seconds, while clips are made


class Finishing(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Row(elem_classes="acts finishing"):
            self.line = Words(elem_classes="making-line")
            self.stop = gr.Button("Cancel", size="sm", visible=False)

    def paint(self, view: View) -> Updates:
        told = self.desk.ask("finishing", view.place).get("finishing")
        active = bool(told and told["active"])
        return {
            self.stop: {"visible": active},
            self.line: {"value": line(told) if told else ""},
        }

    def begin(self, place: Place, window: Window) -> Mapping[str, Any]:
        """Puts what is left in line. The reply; once all is there, the film is `due`."""
        reply = self.desk.ask("finish", place)
        with window.painting:
            window.finishing = place.story if reply["ok"] else ""
        return reply

    def due(self, place: Place, window: Window) -> Place | None:
        """The story whose film was asked for, once it can be written: told once. What is chosen meanwhile comes first,
        and what failed or was cancelled ends it."""
        with window.painting:
            asked = Place(place.owner, window.finishing)
            told = self.desk.ask("finishing", asked).get("finishing") if asked.story else None
            if told and any(scene["state"] == "draft" for scene in told["scenes"]):
                told = self.desk.ask("finish", asked).get("finishing")
            if told and told["active"]:
                return None
            window.finishing = ""
            return asked if told and told["left"] == 0 else None

    def wire(self, page: Page) -> None:
        def cancel(place: Place, window: Window, drafts: Any) -> Updates:
            reply = self.desk.ask("finish_cancel", place)
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news(reply))}

        self.stop.click(cancel, page.looking, page.shown, **QUIET)


def line(told: Mapping[str, Any]) -> str:
    """How it stands, in words."""
    scenes, left, seconds = told["scenes"], told["left"], told["seconds"]
    done = f"{len(scenes) - left} of {counted(len(scenes), 'scene')}"
    if told["active"]:
        made = next((scene for scene in scenes if scene["state"] == "running"), None)
        now = f"Finishing scene {made['number']}{_far(made)}" if made else "Waiting to be finished"
        rest = f", about {duration(seconds)} left" if seconds else ""
        return f"{now}. {done} done{rest}." if len(scenes) > 1 else f"{now}{rest}."
    if told["refused"]:
        return f"No finished film: {told['refused']}."
    failed = next((scene for scene in scenes if scene["state"] == "failed"), None)
    if failed:
        return f"Scene {failed['number']} could not be finished: {failed['error']}."
    if any(scene["state"] == "cancelled" for scene in scenes):
        return f"Cancelled. {done} finished, which stay." if left < len(scenes) else "Cancelled."
    if not left:
        return "All scenes are finished." if scenes else ""
    takes = f" takes about {duration(seconds)}" if seconds else " comes first"
    return sentence(f"finishing {counted(left, 'scene')}{takes}.")


def _far(scene: Mapping[str, Any]) -> str:
    return f", frame {scene['step']} of {scene['total']}" if scene["total"] else ""
