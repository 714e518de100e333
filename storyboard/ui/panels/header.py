"""The head of the page: the story's title, whether it is saved, undo and redo, and the way to everything else."""

from __future__ import annotations

import gradio as gr

from ..desk import QUIET, Desk, Place, View, Window, news
from .models import coming_words
from .panel import Page, Panel, Updates

UNTITLED = "Untitled"


class Header(Panel):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        with gr.Row(elem_classes="topbar"):
            gr.HTML(SKIPS + BRAND, apply_default_css=False, elem_classes="brand")
            longest = desk.served["most"]["title"]
            self.title = gr.Textbox(
                label="Title of the story", show_label=False, placeholder=UNTITLED, max_length=longest, max_lines=1,
                container=False, elem_classes="title-box", interactive=False,
            )  # fmt: skip
            gr.HTML('<div class="saved-place"></div>', apply_default_css=False, elem_classes="saved-box")
            self.undo, self.redo = (
                gr.Button(word, size="sm", interactive=False, elem_classes=["sign", word.lower()])
                for word in ("Undo", "Redo")
            )
            gr.Button("Pause what moves", size="sm", elem_classes=["sign", "pause"])  # the board's script does it
            self.model = gr.Button("Model", size="sm", visible=False, elem_classes=["with-sign", "model"])
            self.film = gr.Button("Film", size="sm", elem_classes=["with-sign", "film"])
            self.cast = gr.Button("Cast", size="sm", elem_classes=["with-sign", "cast"])
            self.stories = gr.Button("Stories", size="sm", elem_classes=["with-sign", "stories"])
            self.keys = gr.Button("Keys", size="sm", elem_classes=["sign", "keys"])

    def paint(self, view: View) -> Updates:
        story, model = view.story, view.model
        now = (coming_words(model) or model["title"]) if model else ""
        return {
            self.model: {"value": f"Model: {now}", "visible": bool(model)},
            self.title: {"value": story["title"], "interactive": True},
            self.undo: _turn("Undo", story["can_undo"], story["undo_label"]),
            self.redo: _turn("Redo", story["can_redo"], story["redo_label"]),
        }

    def wire(self, page: Page) -> None:
        def rename(here: str, title: str, window: Window) -> Updates:
            if window.shown.get(self.title._id, {}).get("value") == title:
                return {page.board: gr.skip()}
            with window.writing(self.title._id):
                op = {"do": "edit_story", "changes": {"title": title}}
                reply = self.desk.ask("edit", Place.read(here), op=op, group=window.group("title"))
                window.shown[self.title._id] = {"value": title, "interactive": True}
            return {page.board: gr.update(news=news(reply))}

        typed = [self.title.input, self.title.blur, self.title.submit]  # keys; what is pasted or cut
        gr.on(typed, rename, [page.here, self.title, page.window], page.board, **QUIET)
        for button, act in ((self.undo, "undo"), (self.redo, "redo")):  # after what is typed, in its order
            js = f"() => window.throughline.{act}()"
            button.click(None, js=js, show_progress="hidden", queue=False, api_visibility="private")


def _turn(word: str, possible: bool, label: str | None) -> dict[str, object]:
    return {"value": f"{word}: {label}" if possible and label else word, "interactive": bool(possible)}


SKIPS = '<a class="skip" href="#application">To the board</a><a class="skip" href="#panel">To the scene\'s panel</a>'
BRAND = """
<svg viewBox="0 0 84 32" class="logo" aria-hidden="true"><g class="frames">
<rect x="2" y="7" width="22" height="18" rx="3"/><rect x="31" y="7" width="22" height="18" rx="3"/>
<rect x="60" y="7" width="22" height="18" rx="3"/></g>
<path class="thread" d="M0 21 C 8 8, 16 10, 24 17 S 40 24, 50 15 S 70 10, 84 17"/></svg><h1>Throughline</h1>
"""
