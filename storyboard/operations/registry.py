"""What an operation is, and the lists of all of them.

`edit`, `for_programs` and `for_page` put a function into a list. Its first parameters (OURS) are given by us; the
others, each with a type that pydantic knows and a description, are the fields of its model.
"""

from __future__ import annotations

import functools
import inspect
import json
import reprlib
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from pipeline.errors import ThroughlineError

from ..document.story import Board, Story, Value, parse
from ..document.values import expected
from .arguments import PAGE_ONLY, AsText, Owner, StoryId

OURS = ("self", "studio", "board")
GROUPS = {"cast": "people, things and places that stay as they are"}  # of commands, and what their help says

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Callable[..., Story])
Table = Callable[[dict[str, Any]], str]
Written = Callable[[Any], set[tuple[str, str]]]


class Arguments(BaseModel):
    """The arguments of a verb. Nothing is converted, but for whole numbers where a float is expected."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, defer_build=True)


class EditArguments(Value):
    """The arguments of an edit, as `Studio.edit` gets them."""

    model_config = ConfigDict(strict=True, defer_build=True)

    do: str


class Operation:
    """A function and the pydantic model of its arguments. Calling it checks them: it raises ThroughlineError for
    arguments that it does not have or that are not what their types say.

    slow: takes seconds, so that others are not to wait for it. often: pages call it all the time.
    command: its name in a shell, None if it is not offered there. shell: what a shell does instead, with arguments of
    its own. table: the answer as a table for people; a shell prints that. steps: of a verb that streams, the same for
    callers that must not hold a thread: it never waits, and gives {} where they may.
    """

    base: type[BaseModel] = Arguments

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        slow: bool = False,
        often: bool = False,
        command: str | None = None,
        shell: Callable[..., Any] | None = None,
        table: Table | None = None,
        steps: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.name = function, function.__name__
        self.slow, self.often, self.command, self.table = slow, often, command, table
        self.shell = Operation(shell) if shell else self
        self.steps = Operation(steps) if steps else self
        self.signature = inspect.signature(function)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ThroughlineError(f"{self.name}: {error}") from None
        given = {name: value for name, value in bound.arguments.items() if name not in OURS}
        bound.arguments.update(_checked(self.arguments, given))
        return self.function(*bound.args, **bound.kwargs)

    @functools.cached_property
    def types(self) -> dict[str, Any]:
        """Of the arguments, with their descriptions. Ours are left alone: their types need not be loaded."""
        named = {name: p.annotation for name, p in self.signature.parameters.items() if name not in OURS}
        space = inspect.unwrap(self.function).__globals__
        return get_type_hints(SimpleNamespace(__annotations__=named), globalns=space, include_extras=True)

    @functools.cached_property
    def arguments(self) -> type[BaseModel]:
        """The model."""
        fields: dict[str, Any] = {}
        for name, kind in self.types.items():
            default = self.signature.parameters[name].default
            fields[name] = (kind, ... if default is inspect.Parameter.empty else default)
        camel = "".join(part.capitalize() for part in self.name.split("_"))
        return create_model(camel, __base__=self.base, __doc__=self.__doc__, **fields)

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The arguments but for the owner."""
        return {name: field for name, field in self.arguments.model_fields.items() if name not in ("owner", "do")}

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The same as parameters of a function, with plain types."""
        kinds = {name: _plain(kind) for name, kind in self.types.items() if name != "owner"}
        return [self.signature.parameters[name].replace(annotation=kind) for name, kind in kinds.items()]

    @property
    def streams(self) -> bool:
        return inspect.isgeneratorfunction(self.function)

    @property
    def description(self) -> str:
        return inspect.getdoc(self) or ""

    @property
    def summary(self) -> str:
        """The first sentence, as lists of commands have it."""
        first = " ".join(self.description.split()).partition(". ")[0].rstrip(".")
        return first[:1].lower() + first[1:]


class Edit(Operation):
    """A pure function of the board and its arguments, which gives the story after it.

    label: what undo calls it, or a function of the arguments that says so. writes: what an edit writes over, by its
    arguments, in the words of `Library.edited`. programs: whether programs have it in this very form.
    """

    base = EditArguments

    def __init__(
        self, function: Callable[..., Story], label: str | Callable[[Any], str], writes: Written, programs: bool
    ) -> None:
        super().__init__(function)
        self.named, self.writes, self.programs = label, writes, programs

    def label(self, given: BaseModel) -> str:
        return self.named if isinstance(self.named, str) else self.named(given)

    def apply(self, board: Board, given: BaseModel) -> Story:
        """The story after it. Raises ThroughlineError for what can't be done."""
        return self.function(board, **{name: getattr(given, name) for name in given.model_fields_set - {"do"}})  # type: ignore[no-any-return]


EDITS: dict[str, Edit] = {}  # what `Studio.edit` does
PAGE: dict[str, Operation] = {}  # what the page may call: methods of `Studio`
VERBS: dict[str, Operation] = {}  # what programs may call


def edit(
    label: str | Callable[[Any], str], writes: Written = lambda given: set(), programs: bool = True
) -> Callable[[E], E]:
    """Makes a function of a board an edit, and, for `programs`, an endpoint, a tool and a command of the same name."""

    def register(function: E) -> E:
        made = EDITS[function.__name__] = Edit(function, label, writes, programs)
        if programs:
            VERBS[made.name] = Operation(_verb(made), command=command_name(made.name))
        return function

    return register


def for_programs(
    command: str | None = "",
    shell: Callable[..., Any] | None = None,
    table: Table | None = None,
    steps: Callable[..., Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a function of the studio and an owner an endpoint, a tool and a command; `command` None: no command."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        name = command_name(function.__name__) if command == "" else command
        VERBS[function.__name__] = made = Operation(function, command=name, shell=shell, table=table, steps=steps)
        return _calling(made, function)

    return register


def command_name(name: str) -> str:
    """What a shell calls an operation; those of a group are commands of one: `cast rename`."""
    group, _, rest = name.partition("_")
    return f"{group} {rest.replace('_', '-')}" if group in GROUPS else name.replace("_", "-")


def for_page(slow: bool = False, often: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a method of the studio one that the page may call."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        PAGE[function.__name__] = made = Operation(function, slow=slow, often=often)
        return _calling(made, function)

    return register


def read_edit(op: Mapping[str, Any]) -> tuple[Edit, BaseModel]:
    """An edit and its arguments from JSON: {"do": one of EDITS, and its arguments}. Raises ThroughlineError."""
    name = op.get("do")
    if not isinstance(name, str) or name not in EDITS:
        raise ThroughlineError(f"edit {reprlib.repr(name)} does not exist: expected one of {', '.join(EDITS)}")
    arguments: Any = EDITS[name].arguments
    return EDITS[name], parse(arguments, dict(op))


def verbs_in_order() -> list[Operation]:
    """VERBS as they are listed: edits last, in the order of theirs. That of the others is the shell's."""
    edits = [VERBS[edit.name] for edit in edits_in_order() if edit.name in VERBS]
    return [verb for verb in VERBS.values() if verb.name not in EDITS] + edits


def edits_in_order() -> list[Edit]:
    """EDITS as they are listed, whichever module was imported first."""
    return sorted(EDITS.values(), key=lambda edit: edit.function.__module__)


def _calling(operation: Operation, function: Callable[P, R]) -> Callable[P, R]:
    """A plain function, which can also be a method."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return operation(*args, **kwargs)  # type: ignore[no-any-return]

    return call


def _checked(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])[:100]
        raise ThroughlineError(f"{place} is {reprlib.repr(problem['input'])}: {expected(problem)}") from None
    return {name: getattr(found, name) for name in values}


# --- edits for programs ----------------------------------------------------------------------------------------------


def _verb(made: Edit) -> Callable[..., Any]:
    """An edit as a function of the studio, an owner and a story. What is a JSON object may come as text."""
    kinds = {name: kind for name, kind in made.types.items() if PAGE_ONLY not in getattr(kind, "__metadata__", ())}
    objects = [name for name, kind in kinds.items() if get_origin(_plain(kind)) is dict]

    def verb(studio: Any, owner: str, story: str, *values: Any, **named: Any) -> dict[str, Any]:
        arguments = dict(zip(kinds, values, strict=False)) | named
        read = {name: _object(name, arguments[name]) for name in objects if name in arguments}
        return studio.edit(owner, story, {"do": made.name, **arguments, **read})  # type: ignore[no-any-return]

    kinds |= {name: Annotated[str, *kinds[name].__metadata__, AsText] for name in objects}
    given = {"studio": Any, "owner": Owner, "story": StoryId, **kinds}
    own = {name: parameter for name, parameter in made.signature.parameters.items() if name not in objects}
    result: Any = verb
    result.__signature__ = inspect.Signature([_parameter(name, kind, own.get(name)) for name, kind in given.items()])
    result.__name__, result.__doc__ = made.name, made.__doc__
    return verb


def _parameter(name: str, kind: Any, own: inspect.Parameter | None) -> inspect.Parameter:
    default = own.default if own else inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)


def _object(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ThroughlineError(f"{name} are {reprlib.repr(text)}: expected JSON ({error})") from None


def _plain(kind: Any) -> Any:
    """A type without its description."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
