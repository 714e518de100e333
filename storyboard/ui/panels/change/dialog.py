"""The Change dialog: point at something in the chosen take, say what it should be, and see before and after in step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from ...components.media import Still
from ...components.pair import Pair, Side
from ...components.slider import WHOLE, Slider
from ...components.words import Words
from ...desk import QUIET, SAVED_FIRST, SLOW, Change, Place, View, Window, news
from ..overlay import Overlay
from ..panel import Page, Updates, chips
from ..scene import said
from .keeping import Keep
from .painting import Paint
from .pointing import (
    BOX,
    BRUSH,
    DRAW,
    PAINT,
    choices_of,
    key_of,
    label_of,
    marks,
    middle,
    missing,
    point,
    region_of,
    wipe,
)

NO_TAKE = "Render the scene first. Then parts of what it shows can be changed, and all the rest stays as it is."
EXPLAIN = (
    "Click on somebody in the picture, choose a word, or paint, and type what it should be. The rest stays as it is."
)
LOOKING = "Looking who is where …"
NOBODY = "Nobody is known in this picture: choose a word, or draw a box."
HINTS = {BOX: DRAW, BRUSH: PAINT}
CORNER = "Now click on the opposite corner."

# Runs in the browser after a listener: what is put into a field gives way to what somebody has typed there since.
OFFERED = """(offer, text) => {
  const { from, to } = JSON.parse(offer || "{}");
  return ["", from && from.includes(text) ? to : text];
}"""

Known = Sequence[Mapping[str, Any]]  # words that can be changed


class Changes(Overlay):
    name, wide = "Change", True

    def fill(self) -> None:
        self.nothing = Words(elem_classes="nothing-box")
        with gr.Row(elem_classes="film-body"):
            with gr.Column(scale=3, min_width=280, elem_classes="film-stage"):
                self.picture, self.brush = _picture("The chosen take", "pointed"), Paint(self.desk)
                self.frame = Slider(0, 1, step=1, label="Frame", buttons=[], elem_classes=WHOLE)
                self.live = _picture("What is being made")
                self.pair = Pair()
            with gr.Column(scale=1, min_width=280, elem_classes="film-options") as self.asking:
                gr.Markdown(EXPLAIN, elem_classes="quietly")
                self._ask()

    def _ask(self) -> None:
        self.what = gr.Dropdown([], label="What to change", filterable=False)
        self.words = gr.Textbox(
            label="What it should be", placeholder="Mia in a blue coat", max_length=400, lines=2, max_lines=4
        )
        self.offer = gr.Textbox(visible=False)  # for `words`, {"from": what may be there still, "to": ...}
        with gr.Accordion("How", open=False):
            self.upper = Slider(
                10, 100, 100, step=5, label="Only its upper part", info="% from above: a hat, a head", buttons=[]
            )
            self.strength = Slider(
                0, 2, 1, step=0.1, label="Strength", info="Of the attention, where a model has it", buttons=[]
            )
        self.listed = gr.Dataset(
            components=[gr.Textbox(visible=False)], samples=[], type="index", visible=False, layout="gallery",
            label="Changed together; a click takes one away", samples_per_page=100, elem_classes="chips",
        )  # fmt: skip
        with gr.Row(elem_classes="acts"):
            self.go = gr.Button("Change it", variant="primary", size="sm")
            self.more = gr.Button("And something else", size="sm")
            self.stop = gr.Button("Cancel", size="sm", visible=False)
            self.line = Words(elem_classes="making-line")
        self.keep = Keep(self.desk)

    # --- what it shows

    def paint_open(self, view: View) -> Updates:
        if not view.scene:
            return {}
        words, refused = self._words(view)
        active = view.job.get("state") in ("queued", "running")
        change = self._change(view, words) if not refused else None
        told: Updates = {
            self.nothing: {"value": refused},
            self.asking: {"visible": not refused},
            self.go: {"interactive": not active},
            self.picture: {"visible": not refused},
            self.frame: {"visible": not refused},
            self.live: {"value": view.job.get("preview"), "visible": active and bool(view.job.get("preview"))},
            self.stop: {"visible": active},
            self.line: {"value": said(view.job) or (change.told if change else ""),
                        "kind": view.job.get("state", "")},
            self.pair: {"value": _sides(view)},
        }  # fmt: skip
        return told | (self._fields(view, change, words) if change else self.brush.put_away())

    def _words(self, view: View) -> tuple[Known, str]:
        """What can be changed, or why nothing can."""
        if not view.take:
            return [], NO_TAKE
        known = self.desk.ask("changeable", view.place, scene=view.place.scene, take=view.take["id"])
        return known.get("words", []), known.get("refused", "") if known["ok"] else known["error"]

    def _change(self, view: View, words: Known) -> Change:
        """What is being put together for the chosen take; what came to be of the one before is begun anew."""
        take = view.take
        assert take is not None, "without one nothing can be changed"
        change = view.window.changes.setdefault(view.place, Change())
        if change.take != take["id"]:
            change.take, change.figures, change.frame = take["id"], None, take["keyframe_index"]
            if change.sent is not None:
                change.regions, change.choice, change.box = [], "", []
                wipe(change)
            if change.sent is not None and change.text == change.sent:
                change.text = change.offered = ""
                view.window.changed = None
            change.sent = None
        if change.choice not in [key for _, key in choices_of(words)]:
            change.choice = ""
        return change

    def _fields(self, view: View, change: Change, words: Known) -> Updates:
        take = view.take or {}
        change.at = middle(change, words)
        told: Updates = {
            self.picture: {"value": self._picture(view.place, change, words), "visible": change.choice != BRUSH},
            self.frame: {"value": change.frame, "maximum": max(1, take["num_frames"] - 1),
                         "visible": take["num_frames"] > 1},
            self.what: {"choices": choices_of(words), "value": change.choice},
            self.listed: chips([label_of(region) for region in change.regions]) | {"visible": bool(change.regions)},
        }  # fmt: skip
        told |= self.keep.paint(view) | self.brush.paint(view)
        if view.window.changed != view.place:  # only then: later the field is newer than what is known of it here
            view.window.changed = view.place
            view.window.shown.pop(self.words._id, None)
            told[self.words] = {"value": change.text}
        return told

    def _picture(self, place: Place, change: Change, words: Known) -> str:
        """Its address, made anew if it is to show something else."""
        boxes, chosen = marks(change, words)
        shows = (change.take, change.frame, str(boxes), str(chosen))
        if change.picture[0] != shows:
            asked = {"take": change.take, "frame": change.frame, "boxes": boxes, "chosen": chosen}
            reply = self.desk.ask("still", place, scene=place.scene, **asked)
            change.picture, change.times = (shows, reply.get("picture", "")), reply.get("times", 1)
        return change.picture[1]

    # --- what it does

    def wire(self, page: Page) -> None:
        self.keep.wire(page)
        self.brush.wire(page)
        own = [*page.looking, page.here]

        def typed(here: str, window: Window, text: str) -> None:
            if change := window.changes.get(Place.read(here)):
                change.text = text

        def turn(place: Place, window: Window, drafts: Any, here: str, frame: float) -> Updates:
            if change := window.changes.get(Place.read(here)):
                change.frame = int(frame)
                update = {**window.shown.get(self.frame._id, {}), "value": change.frame}
                window.shown[self.frame._id] = update  # it stands there already
            return page.repaint(place, window, drafts)

        def drop(place: Place, window: Window, drafts: Any, here: str, index: int) -> Updates:
            change = window.changes.get(Place.read(here))
            if change and index < len(change.regions):
                del change.regions[index]
            return page.repaint(place, window, drafts)

        def stop(here: str) -> Any:
            place = Place.read(here)
            return gr.update(news=news(self.desk.ask("cancel", place, scenes=[place.scene])))

        gr.on([self.words.input, self.words.blur], typed, [page.here, page.window, self.words], None, **QUIET)
        gr.on([self.frame.input, self.frame.release], turn, [*own, self.frame], page.shown, **QUIET)
        self.listed.click(drop, [*own, self.listed], page.shown, **QUIET)
        self.stop.click(stop, page.here, page.board, **QUIET)
        fields = [*own, self.words, self.strength, self.upper]
        offering = (
            self.picture.select(self._point(page), [*own, self.words], page.shown, **SLOW),
            self.what.input(self._choose(page), [*own, self.words, self.what], page.shown, **SLOW),
            self.more.click(self._more(page), fields, page.shown, **QUIET),
        )
        for heard in offering:
            heard.then(None, [self.offer, self.words], [self.offer, self.words], js=OFFERED, **QUIET)
        gr.on([self.go.click, self.words.submit], self._go(page), fields, page.shown, js=SAVED_FIRST, **QUIET)

    def _point(self, page: Page) -> Any:
        def point_at(
            place: Place, window: Window, drafts: Any, here: str, text: str, event: gr.SelectData
        ) -> Iterator[Updates]:
            change, view = window.changes.get(Place.read(here)), self.desk.look(Place.read(here), window)
            if not (change and view and view.take and isinstance(event.index, list)):
                yield {page.here: gr.skip()}
                return
            words, _ = self._words(view)
            across = min(1.0, max(0.0, event.index[0] / (change.times * view.take["width"])))
            down = min(1.0, max(0.0, event.index[1] / (change.times * view.take["height"])))
            if change.choice != BOX:
                yield from self._look(view.place, window, change)
            if change.choice == BOX or change.figures:
                point(change, words, across, down)
                change.told = CORNER if len(change.box) == 2 else ""
            yield self._offered(page.repaint(place, window, drafts), change, text)

        return point_at

    def _choose(self, page: Page) -> Any:
        def choose(place: Place, window: Window, drafts: Any, here: str, text: str, choice: str) -> Iterator[Updates]:
            change, view = window.changes.get(Place.read(here)), self.desk.look(Place.read(here), window)
            if not change or not view:
                yield {page.here: gr.skip()}
                return
            change.choice, change.box, change.told = choice, [], HINTS.get(choice, "")
            if choice in [key_of(word) for word in self._words(view)[0]]:
                yield from self._look(view.place, window, change)
                change.told = ""
            yield self._offered(page.repaint(place, window, drafts), change, text)

        return choose

    def _look(self, place: Place, window: Window, change: Change) -> Iterator[Updates]:
        """Finds out who is where in a take, if that is not known."""
        if change.figures is None:
            window.shown[self.line._id] = {"value": LOOKING, "kind": ""}
            yield {self.line: gr.update(value=LOOKING, kind="")}
            reply = self.desk.ask("figures", place, scene=place.scene, take=change.take)
            change.figures = reply["figures"] if reply["ok"] else None
            change.told = reply.get("error", "") if not reply["ok"] else "" if change.figures else NOBODY

    def _offered(self, painted: Updates, change: Change, text: str) -> Updates:
        """With what is chosen for the field of what it should be, unless somebody has written there: text is what stood
        there when it was chosen."""
        change.text = change.text or text
        word = change.choice.partition(":")[2]
        if change.text.strip() and change.text != change.offered:
            return painted
        offer = {"from": [text, change.offered], "to": word}
        change.text = change.offered = word
        return painted | {self.offer: gr.update(value=json.dumps(offer))}

    def _more(self, page: Page) -> Any:
        def add(
            place: Place, window: Window, drafts: Any, here: str, text: str, strength: float, upper: float
        ) -> Updates:
            change = window.changes.get(Place.read(here))
            if not change:
                return {page.here: gr.skip()}
            change.text = text
            change.told = missing(change)
            if change.told:
                return page.repaint(place, window, drafts)
            change.regions.append(region_of(change, strength, upper / 100))
            change.choice, change.text, change.offered, change.box = "", "", "", []
            wipe(change)
            emptied = gr.update(value=json.dumps({"from": [text], "to": ""}))
            return page.repaint(place, window, drafts) | {self.offer: emptied}

        return add

    def _go(self, page: Page) -> Any:
        def go(
            place: Place, window: Window, drafts: Any, here: str, text: str, strength: float, upper: float
        ) -> Updates:
            own = Place.read(here)
            change = window.changes.get(own)
            if not change:
                return {page.here: gr.skip()}
            change.text = text
            wanting, untouched = missing(change), not text.strip() and bool(change.regions)
            change.told = "" if untouched else wanting
            if change.told:
                return page.repaint(place, window, drafts)
            regions = [*change.regions, *([] if untouched else [region_of(change, strength, upper / 100)])]
            reply = self.desk.ask("edit_take", own, scene=own.scene, take=change.take, regions=regions)
            change.told = reply.get("error", "")
            change.sent = text if reply["ok"] else None
            painted = page.repaint(place, window, drafts)
            return painted | ({page.board: gr.update(news=news(reply))} if reply["ok"] else {})

        return go


def _picture(says: str, looks: str = "") -> Still:
    return Still(
        show_label=False, container=False, interactive=False, buttons=[], alt_text=says, elem_classes=["wide", looks]
    )


def _sides(view: View) -> tuple[Side, Side] | None:
    """The chosen take beside the one that it was made of, if parts of that were changed."""
    take = view.take
    takes = view.scene["takes"] if view.scene else []
    before = next((one for one in takes if take and one["id"] == take["before"]), None)
    return (Side.of(before, "Before"), Side.of(take, f"After: {take['note']}")) if take and before else None
