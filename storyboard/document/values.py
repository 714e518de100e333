"""What documents are made of: immutable values that JSON holds, checked field by field.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, Strict, ValidationError

from pipeline.errors import ThroughlineError

MOST_CHARACTERS = 2000  # of a prompt
MOST_SEEDS = 2**53  # what JavaScript's numbers hold

CASTING = "casting"  # with which the ids of castings begin: nothing in a story has such an id
PATTERNS = {"id": r"^[a-z0-9]{1,32}$", "digest": r"^[0-9a-f]{64}$", "name": r"^\S(.*\S)?$",
            "colour": r"^(#[0-9a-f]{6})?$"}  # fmt: skip
IN_WORDS = {  # what is expected where a string is none of these
    PATTERNS["id"]: "expected 1 to 32 small letters and digits",
    PATTERNS["digest"]: "expected 64 hexadecimal digits",
    PATTERNS["name"]: "expected one line without spaces at its ends",
    PATTERNS["colour"]: "expected a colour such as '#e29614', or ''",
}
Id = Annotated[str, Field(pattern=PATTERNS["id"])]
Digest = Annotated[str, Field(pattern=PATTERNS["digest"])]  # SHA-256 of a file
T = TypeVar("T")
Many = Annotated[tuple[T, ...], FailFast()]  # one error is enough: of a million each would take time and memory
Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]
Whole = Annotated[int, Strict()]  # neither true nor "12"
Number = Annotated[float, Strict()]  # a whole one is welcome too
Flag = Annotated[bool, Strict()]
Seed = Annotated[Whole, Field(ge=0, lt=MOST_SEEDS)]


class Value(BaseModel):
    """An immutable value that JSON holds. Unknown fields and numbers out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    told_as: ClassVar[str] = ""  # what errors call it, if not by its class


V = TypeVar("V", bound=Value)


def canonical(content: Any) -> bytes:
    """JSON that equal values share, byte for byte."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def left_out(content: dict[str, Any], name: str, usual: bool) -> dict[str, Any]:
    """Without a field that is as it would be if nothing were said about it."""
    if usual:
        content.pop(name, None)
    return content


def new_id() -> str:
    return secrets.token_hex(8)


def parse(kind: type[V], content: Any) -> V:
    """A value from what JSON or a form gave. Raises ThroughlineError, one line that names the first wrong field."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or kind.told_as or kind.__name__.lower()
        raise ThroughlineError(f"{place} is {_shortened(problem['input'])}: {expected(problem)}") from None


def expected(problem: Mapping[str, Any]) -> str:
    """What was expected instead, in plain words. problem: an error as pydantic tells it."""
    pattern = problem.get("ctx", {}).get("pattern", "")
    return IN_WORDS.get(pattern) or problem["msg"][0].lower() + problem["msg"][1:]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
