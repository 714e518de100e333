"""The shelf: the user's stories with pictures, samples, new ones from a list of prompts, and archives in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ..components.media import Download, Shots
from ..components.upload import Upload
from ..components.words import Words
from ..desk import QUIET, SLOW, Place, View, Window, news
from ..wording import ago, counted
from .overlay import Overlay
from .panel import Page, Updates

DRAFT = "new story"  # its place among the drafts
IMPORTED = ".zip,application/zip,.fountain,.spmd,.fdx,.txt,.md,.csv,.tsv"  # archives, scripts, shot lists
LINES = "One scene a line:\nA girl in a red coat waits at the station.\nThe girl boards a train."
BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3 2'/%3E"
KEEP_DRAFT = f"(title, prompts, drafts) => ({{...drafts, [{DRAFT!r}]: {{title, text: prompts, reason: ''}}}})"


class Stories(Overlay):
    name = "Stories"

    def fill(self) -> None:
        with gr.Row(elem_classes="acts"):
            self.importing = Upload("Import an archive or a script", IMPORTED, self.desk.served["most"]["megabytes"])
        with gr.Accordion("In no scene", visible=False) as self.unused:
            self.lines = gr.Textbox(label="Lines that were not used", show_label=False, lines=3, max_lines=12)
        with gr.Accordion("New story", open=False, elem_classes="new-story") as self.making:
            self.title = gr.Textbox(label="Title", placeholder="Untitled", max_length=self.desk.served["most"]["title"])
            self.prompts = gr.Textbox(label="Scenes", lines=5, placeholder=LINES)
            self.room = Words(elem_classes="room-box")
            self.start = gr.Button("Start", variant="primary", size="sm", elem_classes="lone")
        gr.Markdown("### Yours")
        self.own = _shelf("Your stories")
        with gr.Row(elem_classes="acts"):
            self.which = gr.Dropdown([], label="Story", scale=3)
            self.copy = gr.Button("Duplicate", size="sm")
            self.export = gr.Button("Export", size="sm")
            self.remove = gr.Button("Delete", size="sm")
            self.saved = Download("Save", visible=False, size="sm", elem_classes="saving")
        gr.Markdown("### Samples, rendered already")
        self.samples = _shelf("Samples")

    # --- what it shows

    def paint_open(self, view: View) -> Updates:
        stories, samples = self._stories(view.place), self._samples(view.place)
        view.window.listed = tuple(story["id"] for story in stories)
        return {
            self.own: {"value": [(story["poster"] or BLANK, _caption(story)) for story in stories],
                       **Shots.marked(next((i for i, s in enumerate(stories) if s["id"] == view.place.story), None))},
            self.which: {"choices": [(story["title"] or "Untitled", story["id"]) for story in stories],
                         "value": view.place.story},
            self.samples: {"value": [(sample["poster"] or BLANK, _caption(sample)) for sample in samples]},
        } | self._unfinished(view)  # fmt: skip

    def _unfinished(self, view: View) -> Updates:
        """A new story that was begun on an earlier visit, when the shelf first opens: later, what is in the fields is
        newer than any draft that a request brings."""
        draft = view.drafts.get(DRAFT)
        if self.title._id in view.window.shown:
            return {}
        if not isinstance(draft, dict):
            return {self.title: {}}
        reason = draft.get("reason")
        told: Updates = {
            self.title: {"value": str(draft.get("title") or "")},
            self.prompts: {"value": str(draft.get("text") or "")},
        }
        if reason:
            told |= {self.making: {"open": True}, self.room: {"value": f"Not saved: {reason}", "kind": "alarm"}}
        return told

    def _stories(self, place: Place) -> list[Mapping[str, Any]]:
        return list(self._ask("stories", place).get("stories", []))

    def _samples(self, place: Place) -> list[Mapping[str, Any]]:
        return list(self._ask("samples", place).get("samples", []))

    def _ask(self, verb: str, place: Place, **arguments: Any) -> dict[str, Any]:
        """A verb that is not about the story that is shown."""
        return self.desk.answer({"verb": verb, "owner": place.owner, **arguments})

    # --- what it does

    def wire(self, page: Page) -> None:
        def go(reply: Mapping[str, Any], window: Window) -> Updates:
            """Closes the shelf over the story of a reply, which the board opens; or says why not."""
            told: Updates = {page.board: gr.update(news=news({**reply, "story": None, "open": reply.get("story")}))}
            if reply["ok"]:
                window.open = ""
                window.shown.pop(self.box._id, None)
                told[self.box] = gr.update(visible=False)
            return told

        def open_own(place: Place, window: Window, event: gr.SelectData) -> Updates:
            shown = window.listed  # not the stories by now: what was changed since stands elsewhere
            return (
                go(self._ask("get_story", place, story=shown[event.index]), window) if event.index < len(shown) else {}
            )

        def open_sample(place: Place, window: Window, event: gr.SelectData) -> Updates:
            samples = self._samples(place)
            return (
                go(self._ask("open_sample", place, name=samples[event.index]["name"]), window)
                if event.index < len(samples)
                else {}
            )

        def bring(place: Place, window: Window, event: gr.EventData) -> Updates:
            reply = self._ask("import_story", place, data=event.data, name=event.name)
            unused = reply.get("unused") or []
            lines = f"{counted(len(unused), 'line')} of {event.name} in no scene: Stories lists them." if unused else ""
            people = counted(len(reply.get("proposed") or []), "name")
            cast = f"Cast proposes {people} of the script." if reply.get("proposed") else ""
            note = " ".join(filter(None, (lines or reply.get("note"), cast)))
            rest = {self.unused: gr.update(visible=bool(unused), label=f"Of {event.name} in no scene"),
                    self.lines: gr.update(value="\n".join(unused))}  # fmt: skip
            return go({**reply, "note": note}, window) | rest

        opened = [page.board, self.box]
        self.own.select(open_own, [page.board, page.window], opened, **QUIET)
        self.samples.select(open_sample, [page.board, page.window], opened, **SLOW)
        self.importing.picked(bring, [page.board, page.window], [*opened, self.unused, self.lines], **SLOW)
        self._wire_new(page, go)
        self._wire_shelf(page)

    def _wire_new(self, page: Page, go: Callable[..., Updates]) -> None:
        def start(place: Place, window: Window, drafts: Any, title: str, prompts: str) -> Updates:
            named = {"title": title.strip()} if title.strip() else {}
            reply = self._ask("new_story", place, prompts=_lines(prompts), **named)
            kept = {name: draft for name, draft in (drafts or {}).items() if name != DRAFT}
            if reply["ok"]:
                return go(reply, window) | {
                    page.drafts: kept,
                    self.title: "",
                    self.prompts: "",
                    self.room: gr.update(value=""),
                }
            refused = {"title": title, "text": prompts, "reason": reply["error"]}
            return {page.drafts: kept | {DRAFT: refused},
                    self.room: gr.update(value=f"Not saved: {reply['error']}", kind="alarm")}  # fmt: skip

        def measure(prompts: str) -> Any:
            found = self.desk.studio.lengths("0" * 32, _lines(prompts)[:100])["lengths"] if len(prompts) > 40 else []
            told = [(i, length) for i, length in enumerate(found, 1) if length["note"]]
            worst = next(((i, length) for i, length in told if not length["fits"]), told[-1] if told else None)
            value = f"Scene {worst[0]}: {worst[1]['note']}" if worst else ""
            return gr.update(value=value, kind="alarm" if worst and not worst[1]["fits"] else "")

        own = [self.title, self.prompts, page.drafts]
        for box in (self.title, self.prompts):
            for heard in (box.input, box.blur):  # of keys; and of what is pasted or cut
                heard(None, own, page.drafts, js=KEEP_DRAFT, **QUIET)
        for heard in (self.prompts.input, self.prompts.blur):
            heard(measure, self.prompts, self.room, **QUIET)
        started = [page.board, self.box, page.drafts, self.title, self.prompts, self.room]
        self.start.click(start, [*page.looking, self.title, self.prompts], started, **QUIET)

    def _wire_shelf(self, page: Page) -> None:
        def duplicate(place: Place, window: Window, drafts: Any, story: str) -> Updates:
            reply = self._ask("duplicate_story", place, story=story)
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news(_only_told(reply)))}

        def remove(place: Place, window: Window, drafts: Any, story: str) -> Updates:
            title = next((one["title"] for one in self._stories(place) if one["id"] == story), "") or "Untitled"
            reply = self._ask("delete_story", place, story=story)
            told = _only_told(reply) | ({"note": f"“{title}” deleted", "restore": story} if reply["ok"] else {})
            told |= {"open": ""} if reply["ok"] and story == place.story else {}
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news(told))}

        def restore(place: Place, window: Window, drafts: Any, event: gr.EventData) -> Updates:
            reply = self._ask("restore_story", place, story=event.story)
            told = _only_told(reply) | ({"open": event.story} if reply["ok"] else {})
            return page.repaint(place, window, drafts) | {page.board: gr.update(news=news(told))}

        def export(place: Place, story: str) -> Updates:
            reply = self._ask("film", place, story=story, format="story.zip")
            file = gr.update(value=(reply["url"], reply["name"])) if reply["ok"] else gr.skip()
            saved = {"save": {"url": reply["url"], "name": reply["name"]}} if reply["ok"] else {}
            return {self.saved: file, page.board: gr.update(news=news(_only_told(reply) | saved))}

        self.copy.click(duplicate, [*page.looking, self.which], page.shown, **SLOW)
        self.remove.click(remove, [*page.looking, self.which], page.shown, **QUIET)
        page.board.restore(restore, page.looking, page.shown, **QUIET)
        self.export.click(export, [page.board, self.which], [self.saved, page.board], **SLOW)


def _shelf(label: str) -> Shots:
    return Shots(
        label=label, show_label=False, columns=4, allow_preview=False, object_fit="cover", height="auto",
        container=False, buttons=[], fit_columns=False, elem_classes=["shots", "shelf-list", label.split()[-1].lower()],
    )  # fmt: skip


def _only_told(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Of a reply about another story than the one that is shown: what to say."""
    return {name: value for name, value in reply.items() if name != "story"}


def _caption(story: Mapping[str, Any]) -> str:
    changed = f" · {ago(story['updated'])}" if story.get("updated") else ""
    return f"{story['title'] or 'Untitled'}\n{counted(story['scenes'], 'scene')}{changed}"


def _lines(prompts: str) -> list[str]:
    return [line.strip() for line in prompts.split("\n") if line.strip()]
