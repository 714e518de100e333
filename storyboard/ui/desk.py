"""What the page's parts work with: the studio, where a browser window is, what it shows, and how it asks and edits."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from gradio.context import LocalContext

from pipeline.errors import ThroughlineError

from ..interfaces.admission import Throttle, calling_from, sender
from ..interfaces.served import served
from ..logs import event
from ..operations.registry import PAGE
from ..studio import Studio
from .plan_words import plan_words

log = logging.getLogger(__name__)

VERBS = PAGE.keys()  # what the page may call
ONE_STEP = 5.0  # seconds: changes of one control closer together than this are one step of undo

# How listeners are wired. They hear what people do (`release`, `input`, `blur`, `pick`), never `change`, so that what
# the server shows does not come back as an edit. Unqueued and without a sign of progress: they take milliseconds.
QUIET: dict[str, Any] = {
    "queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private",
}  # fmt: skip
# For verbs that write files or load models.
SLOW: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
# Runs in the browser before a listener: what is typed on the board is saved first.
SAVED_FIRST = "async (...values) => { await window.throughline.drained(); return values; }"


def answer(studio: Studio, message: Any, throttle: Callable[[object], None] = lambda owner: None) -> dict[str, Any]:
    """The reply to {"verb": one of VERBS, "owner": ..., and its arguments}. Errors are one line for the user."""
    verb = message.get("verb") if isinstance(message, dict) else None
    known, began = isinstance(verb, str) and verb in VERBS, time.perf_counter()
    reply = _reply(studio, message, throttle) if known else _refused("the page asked for something unknown: reload it")
    if known and not (reply["ok"] and PAGE[str(verb)].often):  # those are told to the log only if they fail
        took = round((time.perf_counter() - began) * 1000, 1)
        event("call", verb=verb, story=_id_of(message), ok=reply["ok"], milliseconds=took, error=reply.get("error"))
    return reply


def _reply(studio: Studio, message: dict[str, Any], throttle: Callable[[object], None]) -> dict[str, Any]:
    try:
        throttle(message.get("owner"))
        arguments = {name: value for name, value in message.items() if name != "verb"}
        return {"ok": True, **getattr(studio, message["verb"])(**arguments)}
    except ThroughlineError as error:
        return _refused(" ".join(str(error).split()))
    except Exception as error:  # the boundary to the browser, which is told no more than it needs
        log.exception("a request failed")
        return _refused(f"Something went wrong ({type(error).__name__}): try again")


def _refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _id_of(message: dict[str, Any]) -> str | None:
    story = message.get("story")
    return story[:64] if isinstance(story, str) else None


@dataclass(frozen=True)
class Place:
    """Where a browser window is: an owner's story, and the scene that is chosen in it; "" for none."""

    owner: str = ""
    story: str = ""
    scene: str = ""

    @classmethod
    def read(cls, told: object) -> Place:
        """From what a browser says, as JSON text or as the object itself. What is no text counts as nothing."""
        if isinstance(told, str):
            try:
                told = json.loads(told or "{}")
            except ValueError:
                told = {}
        known = told if isinstance(told, dict) else {}
        parts = {name: known.get(name) for name in ("owner", "story", "scene")}
        return cls(**{name: value if isinstance(value, str) else "" for name, value in parts.items()})

    def written(self) -> str:
        return json.dumps({"owner": self.owner, "story": self.story, "scene": self.scene})


@dataclass
class Change:
    """What is being put together to change parts of a take, for one scene.

    choice: what is pointed at, as `storyboard.ui.panels.change.pointing` writes it. text: what it should be, as it is
    in its field. box: that is drawn, or its first corner. regions: those that are ready. figures: who is where in the
    take, None until somebody pointed. picture: what is shown, with its address.
    """

    take: str = ""
    frame: int = 0
    choice: str = ""
    text: str = ""
    offered: str = ""  # what was put into its field to begin with
    box: list[float] = field(default_factory=list)
    brush: list[list[float]] = field(default_factory=list)  # points: across, down, radius
    radius: float = 0.07  # of the brush, a share of the picture's height
    painting: int = 0  # the number of what is being painted: another one begins empty
    at: tuple[float, float] | None = None  # in the figure that is chosen, shares of the picture
    regions: list[dict[str, Any]] = field(default_factory=list)
    figures: list[Mapping[str, Any]] | None = None
    told: str = ""
    sent: str | None = None  # the text of what is being made
    picture: tuple[Any, str] = ((), "")
    times: int = 1  # how much larger the picture is than the take


NO_SKETCH: tuple[Place | None, str, str, str] = (None, "", "", "")


@dataclass
class Window:
    """What one browser window shows, so that only what changed is sent. Kept by the server for a visit."""

    tab: str = "scene"  # of the panel: the others need not be painted
    open: str = ""  # the part of the page that lies over the board, "" for none
    listed: tuple[str, ...] = ()  # ids of the stories on the shelf, as it was painted last
    picked: str = ""  # the trial that is looked at
    compared: str = ""  # the take beside the chosen one
    seam: str = ""  # the scene whose seam is looked at
    shot: str = ""  # the scene whose shot is looked at
    measuring: bool = False  # whether the meter, as it was painted last, is not at its end
    field_of: Place | None = None  # the scene whose words the fields had when they were painted last
    found: Mapping[str, Any] | None = None  # the reply to the last search
    found_in: str = ""  # the story that was searched
    changes: dict[Place, Change] = field(default_factory=dict)  # by scene
    changed: Place | None = None  # the scene of which the fields of a change are shown
    entry: str = ""  # of the cast, that is looked at
    picture: str = ""  # of that entry
    drawn: str = ""  # name of somebody whom the model cast, that is looked at
    look_in: str = ""  # the scene of which its look is asked, "" for the whole story
    added: bool = False  # whether the last one that was to be new in the cast was taken
    refused: dict[str, Any] = field(default_factory=dict)  # fields of the cast: drafts, None for what is saved since
    finishing: str = ""  # the story whose finished film is to be written once its clips are finished
    paced: tuple[str, int, float] = ("", 0, 0.0)  # of a teaching: the entry, a step, and when it was seen
    sketched: tuple[Place | None, str, str, str] = NO_SKETCH  # where, beside which take; the live sketch, its words
    shown: dict[int, Any] = field(default_factory=dict)  # by component: the last update
    writes: Counter[int] = field(default_factory=Counter)  # by component: edits of it under way
    _groups: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def painting(self) -> AbstractContextManager[object]:
        """Held from the look at a story to what is shown of it, so that nothing older is painted over it. No field:
        Gradio copies these."""
        return vars(self).setdefault("_painting", threading.RLock())  # type: ignore[no-any-return]

    @contextmanager
    def writing(self, component: int) -> Iterator[None]:
        """While somebody's change of a component is saved, and until `shown` has it, it is not painted."""
        self.writes[component] += 1
        try:
            yield
        finally:
            self.writes[component] -= 1

    def news_of(self, component: int, update: Any) -> bool:
        """Whether an update of a component has to be sent. It counts as sent from now on."""
        if self.writes[component] or _same(self.shown.get(component), update):
            return False
        self.shown[component] = update
        return True

    def group(self, name: str) -> str:
        """The step of undo that a change of `name` belongs to."""
        now = time.monotonic()
        group, last = self._groups.get(name, ("", -ONE_STEP))
        if now - last > ONE_STEP:
            group = f"{name}:{secrets.token_hex(4)}"
        self._groups[name] = (group, now)
        return group


def _same(one: Any, other: Any) -> bool:
    """Whether two updates are the same, those with a table of a plot in them too."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return bool(one.equals(other)) if hasattr(one, "equals") else bool(type(one) is type(other) and one == other)


@dataclass(frozen=True)
class View:
    """A story as panels paint it: views of `storyboard.operations.views`."""

    place: Place
    story: Mapping[str, Any]
    standing: Mapping[str, Any] | None  # None until it is known
    jobs: Mapping[str, Any]
    model: Mapping[str, Any] | None  # None where nobody may choose
    drafts: Mapping[str, Any] = field(default_factory=dict)  # what was refused, by written place: {"text", "reason"}
    window: Window = field(default_factory=Window)
    asked: dict[str, Any] = field(default_factory=dict, compare=False)  # replies that several panels read

    @cached_property
    def number(self) -> int:
        """Of the chosen scene, from 1; 0 for none."""
        ids = [scene["id"] for scene in self.story["scenes"]]
        return ids.index(self.place.scene) + 1 if self.place.scene in ids else 0

    @property
    def scene(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.story["scenes"][self.number - 1] if self.number else None
        return found

    @property
    def stands(self) -> Mapping[str, Any]:
        """How the chosen scene stands; {} while that is not known."""
        return dict(self.standing["scenes"].get(self.place.scene, {})) if self.standing else {}

    @property
    def job(self) -> Mapping[str, Any]:
        return dict(self.jobs.get(self.place.scene, {}))

    @property
    def take(self) -> Mapping[str, Any] | None:
        """The chosen one."""
        scene = self.scene
        return next((take for take in scene["takes"] if take["id"] == scene["chosen"]), None) if scene else None


class Desk:
    """One studio, as all parts of its page use it."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.throttle, self.served = studio, Throttle(), served(PAGE)

    def answer(self, message: Any, address: str | None = None) -> dict[str, Any]:
        """address: who asks; None for whoever a listener of Gradio's is working for."""
        address = _listening_to() if address is None else address
        with calling_from(address):
            reply = answer(self.studio, message, partial(self.throttle, address=address))
        if standing := reply.get("standing"):
            standing |= {"line": plan_words(standing), "brief": plan_words(standing, brief=True)}
        return reply

    def ask(self, verb: str, place: Place, **arguments: Any) -> dict[str, Any]:
        """The reply to a verb about the place's story: {"ok": False, "error": ...} if it was refused."""
        return self.answer({"verb": verb, "owner": place.owner, "story": place.story, **arguments})

    def edit_scene(self, place: Place, changes: Mapping[str, Any], group: str = "") -> dict[str, Any]:
        op = {"do": "edit_scene", "scene": place.scene, "changes": dict(changes)}
        return self.ask("edit", place, op=op, group=group)

    def look(self, place: Place, window: Window | None = None, drafts: Any = None) -> View | None:
        """How a place looks now; None if there is no such story."""
        found = self.ask("poll", place)
        if not found["ok"]:
            return None
        known, model = drafts if isinstance(drafts, dict) else {}, found.get("model")
        return View(place, found["story"], found.get("standing"), found["jobs"], model, known, window or Window())


def _listening_to() -> str:
    """The address of the browser whose event is being handled; "" outside of events."""
    request = LocalContext.request.get(None)
    asked = getattr(request, "request", None)  # what Gradio wraps: through it a scope is no scope any more
    return sender(asked.scope) if asked is not None else ""


def news(reply: Mapping[str, Any]) -> dict[str, Any]:
    """What the board is told of a reply.

    story: as it is after an edit. note, error: what to say. undo: whether to offer it with the note; restore: the id of
    a deleted story, to offer that instead. select: a scene to choose. save: a file, {"url", "name"}. open: a story to
    show from now on, "" for the last one that was changed. insert: a word for the prompt that was written in last.
    again: an event to send, "look" or "over".
    """
    told = {
        name: reply[name]
        for name in ("story", "note", "error", "undo", "open", "restore", "select", "save", "insert", "again")
        if reply.get(name) not in (None, False)
    }
    return {**told, "id": secrets.token_hex(4)}  # never the same twice: what does not change is not heard
