"""What `docs/operations.md` says, from the registry. Run as a program, prints it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping

from .. import studio  # noqa: F401  whose methods are what the page may call
from ..operations.registry import EDITS, PAGE, VERBS, Operation, edits_in_order, verbs_in_order
from . import verbs  # noqa: F401  defines what programs can do

HEAD = """\
# Operations

Everything that can be done with stories. This page is made from the definitions in `storyboard/operations/`,
`storyboard/interfaces/verbs.py` and `storyboard/studio.py`; a test keeps it true. To write it again:

    python -m storyboard.interfaces.documentation > docs/operations.md

Every operation belongs to an owner, a secret of 16 to 64 letters, digits, - and _. What has a default may be left out.
"""
PROGRAMS = """\
## For programs

Endpoints of the HTTP API, tools over MCP, and commands: `python -m storyboard COMMAND`. In a shell what has a default
is an option. Answers are JSON.
"""
EDITING = """\
## Edits

What `edit` does: `{"do": NAME, ...}` with these arguments. Each is a step of undo, under the name given here.
"""
PAGE_CALLS = """\
## What the page calls

Methods of `Studio`, by the names of their arguments. The slow ones take seconds; others do not wait for them.
"""


def page() -> str:
    """The whole page, in Markdown."""
    commands = {name: f"`{verb.command}`" if verb.command else "" for name, verb in VERBS.items()}
    labels = {name: "prompt, scene settings" if callable(edit.named) else edit.named for name, edit in EDITS.items()}
    slow = {name: "yes" if verb.slow else "" for name, verb in PAGE.items()}
    parts = [
        (PROGRAMS, _table("command", commands, verbs_in_order())),
        (EDITING, _table("undo says", labels, edits_in_order())),
        (PAGE_CALLS, _table("slow", slow, PAGE.values())),
    ]
    return "\n".join([HEAD, *(f"{head}\n{table}\n" for head, table in parts)]).rstrip() + "\n"


def _table(column: str, cells: Mapping[str, str], operations: Iterable[Operation]) -> str:
    rows = [["name", "what it does", "arguments", column], ["---"] * 4]
    for operation in operations:
        does = " ".join(operation.description.split())
        rows.append([f"`{operation.name}`", does, _arguments(operation), cells[operation.name]])
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _arguments(operation: Operation) -> str:
    told = []
    for name, field in operation.fields.items():
        default = "" if field.is_required() else f" = `{json.dumps(field.default)}`"
        told.append(f"`{name}`{default}: {field.description}")
    return "<br>".join(told)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m storyboard.interfaces.documentation", description=__doc__).parse_args()
    print(page(), end="")
