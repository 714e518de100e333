"""The model picker: what there is, what each model needs, what this machine has, and one of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..components.words import Words
from ..desk import SLOW, Place, View, Window, news
from .overlay import Overlay
from .panel import Page, Updates

EXPLAINED = (
    "With another model, scenes become stale: their takes stay, and fit again with the model that made them. "
    "Size, length and steps that were the former model's own become the new one's; undo takes that back."
)
OWN = "Another one"
HOW = "One of the list, or a Hugging Face id, with @revision if you like, or a folder on this machine"
COLUMNS = ["Model", "State", "What it needs"]


class Models(Overlay):
    name = "Model"

    def fill(self) -> None:
        self.machine = Words(spoken=False, elem_classes="quietly")
        self.status = Words(elem_classes="model-status")
        self.list = gr.Dataframe(
            headers=COLUMNS, datatype="str", interactive=False, wrap=True, show_label=False, buttons=[],
            column_widths=["24%", "20%", "56%"], elem_classes="model-list",
        )  # fmt: skip
        with gr.Row(elem_classes=["acts", "wanted"]):
            self.wanted = gr.Dropdown([], label=OWN, info=HOW, allow_custom_value=True, scale=3)
            self.use = gr.Button("Use this model", variant="primary", size="sm")
        gr.Markdown(EXPLAINED, elem_classes="quietly")

    def paint_open(self, view: View) -> Updates:
        model = view.model or {}
        found = self.desk.answer({"verb": "models", "owner": view.place.owner})
        if not found["ok"]:
            return {self.status: {"value": found["error"], "kind": "alarm"}}
        rows, coming = found["models"], coming_words(model)
        usable = [(one["title"], one["name"]) for one in rows if not one["current"] and not one["why_not"]]
        return {
            self.machine: {"value": f"This machine: {found['machine']}."},
            self.status: {"value": coming or model.get("error", ""), "kind": "" if coming else "alarm"},
            self.list: {"value": {"headers": COLUMNS, "data": [_row(one) for one in rows]}},
            self.wanted: {"choices": usable},
            self.use: {"interactive": not coming},
        }

    def wire(self, page: Page) -> None:
        def use(place: Place, window: Window, drafts: Any, name: str | None) -> Updates:
            reply = self.desk.ask("choose_model", place, name=str(name or ""))
            told = {self.status: gr.update(value=reply.get("error", ""), kind="alarm")}
            window.shown.pop(self.status._id, None)
            return (
                told
                if not reply["ok"]
                else page.repaint(place, window, drafts) | {page.board: gr.update(news=news({}))}
            )

        self.use.click(use, [*page.looking, self.wanted], page.shown, **SLOW)


def coming_words(model: Mapping[str, Any]) -> str:
    """What is under way: "Loading CogVideoX 2B…", or how much of it is downloaded; "" for nothing."""
    if not model.get("coming"):
        return ""
    share = model.get("share")
    return f"Loading {model['coming']}…" if share is None else f"Downloading {model['coming']}, {int(share * 100)}%"


def _row(one: Mapping[str, Any]) -> list[str]:
    state = "In use" if one["current"] else "On this machine" if one["here"] else "To be downloaded"
    needs = ". ".join(need[:1].upper() + need[1:] for need in one["needs"])
    why = f". It can't run here: {one['why_not']}." if one["why_not"] else ""
    return [one["title"], "Not for this machine" if one["why_not"] else state, needs + why]
