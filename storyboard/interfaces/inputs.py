"""What comes in from pages, shells and programs, checked and turned into values. Raises ThroughlineError."""

from __future__ import annotations

import base64
import binascii
import functools
import inspect
import re
import reprlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.errors import ThroughlineError

from ..document import edits
from ..document.conditioning import word_ref
from ..document.story import Board, Story, Take, Value, WordRef, parse
from ..store.files import file_name

OWNER = re.compile(r"[0-9A-Za-z_-]{16,64}")
MOST_BYTES = 20 * 2**20  # of an upload
STRICT = ConfigDict(strict=True, allow_inf_nan=False)

Key = Annotated[str, Field(max_length=64)]  # an id
Line = Annotated[str, Field(max_length=400)]
Weight = Annotated[float, Field(ge=0, le=30)]
Share = Annotated[float, Field(ge=0, le=1)]
Pause = Annotated[float, Field(ge=0, le=60)]  # seconds
P = ParamSpec("P")
R = TypeVar("R")


def checked(verb: Callable[P, R]) -> Callable[P, R]:
    """`verb`, refusing arguments that it does not have or whose types are not those of its annotations.

    `self` and `studio` are let through. Parameters have annotations that pydantic knows; nothing is converted, but for
    whole numbers where a float is expected.
    """
    signature = inspect.signature(verb)

    @functools.cache
    def kinds() -> dict[str, TypeAdapter[Any]]:  # when first called: names of annotations may not be there before
        hints = get_type_hints(verb, include_extras=True)
        names = [name for name in signature.parameters if name not in ("self", "studio")]
        return {name: TypeAdapter(hints[name], config=STRICT) for name in names}

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ThroughlineError(f"{verb.__name__}: {error}") from None
        for name, kind in kinds().items():
            if name in bound.arguments:
                bound.arguments[name] = _value(name, kind, bound.arguments[name])
        return verb(*bound.args, **bound.kwargs)

    return call


def _value(name: str, kind: TypeAdapter[Any], value: Any) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join([name, *(str(part) for part in problem["loc"])])[:100]
        expected = problem["msg"][0].lower() + problem["msg"][1:]
        raise ThroughlineError(f"{place} is {reprlib.repr(problem['input'])}: {expected}") from None


def checked_owner(owner: str) -> str:
    if not isinstance(owner, str) or not OWNER.fullmatch(owner):
        raise ThroughlineError("owner is no secret of 16 to 64 letters and digits")
    return owner


# --- edits -----------------------------------------------------------------------------------------------------------

Changes = dict[str, Any]


class Op(Value):
    """An edit of `OPS` as it comes in: its name, and what the function of `edits` needs."""

    model_config = ConfigDict(strict=True)

    do: str

    def arguments(self, board: Board) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in self.model_fields_set - {"do", "scene"}}
        return given | ({"scene_id": self.scene} if hasattr(self, "scene") else {})


class EditStory(Op):
    changes: Changes = {}

    def arguments(self, board: Board) -> dict[str, Any]:
        return _only(self.changes, edits.STORY_FIELDS, "story")


class AddScene(Op):
    index: int | None = None
    fields: Changes = {}

    def arguments(self, board: Board) -> dict[str, Any]:
        return {"index": self.index, **_only(self.fields, edits.SCENE_FIELDS | {"id"}, "scene")}


class OfScene(Op):
    scene: Key


class DuplicateScene(OfScene):
    copy_id: Key | None = None


class MoveScene(OfScene):
    index: int


class EditScene(OfScene):
    changes: Changes = {}

    def arguments(self, board: Board) -> dict[str, Any]:
        return {"scene_id": self.scene, **_only(self.changes, edits.SCENE_FIELDS, "scene")}


class OfWord(OfScene):
    word: WordRef


class MuteScene(OfScene):
    muted: Key
    on: bool = True


class ChooseTake(OfScene):
    take: Key

    def arguments(self, board: Board) -> dict[str, Any]:
        return {"scene_id": self.scene, "take_id": take_of(board, self.scene, self.take).id}


class RemoveTake(ChooseTake):
    def arguments(self, board: Board) -> dict[str, Any]:
        found = super().arguments(board)
        rest = [take.id for take in board.takes_of(self.scene) if take.id != self.take]
        return found | {"instead": rest[-1] if rest else None}


SHAPES: dict[str, type[Op]] = {
    "edit_story": EditStory, "add_scene": AddScene, "duplicate_scene": DuplicateScene, "remove_scene": OfScene,
    "move_scene": MoveScene, "edit_scene": EditScene, "pin_word": OfWord, "mute_word": OfWord, "release_word": OfWord,
    "mute_scene": MuteScene, "choose_take": ChooseTake, "remove_take": RemoveTake,
}  # fmt: skip


OPS: dict[str, tuple[Callable[..., Story], str]] = {  # what `edit` can do, and what undo calls it
    "edit_story": (edits.edit_story, "story settings"),
    "add_scene": (edits.add_scene, "new scene"),
    "duplicate_scene": (edits.duplicate_scene, "duplicate"),
    "remove_scene": (edits.remove_scene, "delete"),
    "move_scene": (edits.move_scene, "move"),
    "edit_scene": (edits.edit_scene, "scene settings"),
    "pin_word": (edits.pin_word, "pin"),
    "mute_word": (edits.mute_word, "mute"),
    "release_word": (edits.release_word, "leave to the filter"),
    "mute_scene": (edits.mute_scene, "mute scene"),
    "choose_take": (edits.choose_take, "choose take"),
    "remove_take": (edits.remove_take, "delete take"),
}


def read_op(op: Mapping[str, Any]) -> Op:
    """An edit from JSON: {"do": one of SHAPES, and its fields}."""
    name = op.get("do")
    if not isinstance(name, str) or name not in SHAPES:
        raise ThroughlineError(f"edit {reprlib.repr(name)} does not exist: expected one of {', '.join(SHAPES)}")
    return parse(SHAPES[name], dict(op))


def touched(op: Op) -> set[tuple[str, str]]:
    """What an edit writes over, in the words of `Library.edited`."""
    scene = str(getattr(op, "scene", ""))
    if isinstance(op, EditStory | EditScene):
        return {(scene, name) for name in op.changes}
    if op.do in ("move_scene", "remove_scene"):
        return {("", "scenes")}
    return {(scene, name) for name in ("pins", "mutes")} if isinstance(op, OfWord) else set()


def _only(changes: Changes, names: frozenset[str], what: str) -> Changes:
    for name in sorted(changes.keys() - names):
        expected = f"expected one of {', '.join(sorted(names))}"
        raise ThroughlineError(f"{reprlib.repr(name)} of a {what} can't be edited: {expected}")
    return changes


def take_of(board: Board, scene: str, take: str) -> Take:
    found = board.takes.get(take)
    if found is None or found.scene != scene:
        raise ThroughlineError(f"take {take!r} does not exist in scene {scene!r}")
    return found


# --- trials and uploads ----------------------------------------------------------------------------------------------


class PromptSpan(Value):
    """Characters of a scene's prompt."""

    model_config = ConfigDict(strict=True)

    scene: Key
    start: int = Field(ge=0)
    end: int = Field(ge=1)


class Without(Value):
    """What a trial leaves out: all of the history, or one word of an earlier scene."""

    model_config = ConfigDict(strict=True)

    history: bool = False
    word: PromptSpan | None = None

    def ref(self, board: Board) -> WordRef | None:
        """The word; None for all of the history."""
        if self.word is None:
            return None
        past, start, end = board.story.scene(self.word.scene), self.word.start, self.word.end
        if not past.prompt[start:end].strip() or end > len(past.prompt):
            place = f"characters {start} to {end} of scene {past.id!r}"
            raise ThroughlineError(f"{place} are no word: its prompt has {len(past.prompt)}")
        return word_ref(past, start, end)


@contextmanager
def uploaded(data: str, name: str) -> Iterator[Path]:
    """An upload, base64, as a temporary file with the name's ending."""
    shown = reprlib.repr(name)
    if len(data) > MOST_BYTES * 4 / 3 + 4:
        raise ThroughlineError(f"{shown} is too large: expected at most {MOST_BYTES // 2**20} MB")
    try:
        content = base64.b64decode("".join(data.split()), validate=True)  # programs break it into lines
    except (binascii.Error, ValueError):
        raise ThroughlineError(f"{shown} did not arrive whole: try again") from None
    with tempfile.TemporaryDirectory(prefix="throughline-") as folder:
        path = Path(folder) / file_name(Path(name).name, "upload")
        path.write_bytes(content)
        yield path
