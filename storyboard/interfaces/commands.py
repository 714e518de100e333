"""The verbs for programs as commands: `python -m storyboard get-story STORY`. They print JSON; `meter` prints a table.

Interrupting `render-story` cancels what it has put in line: scenes that are done stay, and nothing goes on with the
rest later. A command renders nothing that it was not asked for, such as what a page had in line when it crashed.

Loads pydantic, which the operations are made with, but neither torch nor gradio.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..operations.registry import GROUPS, Operation, verbs_in_order
from ..rendering.model_choice import Choice, add_options
from . import verbs  # noqa: F401  defines them

if TYPE_CHECKING:
    from ..studio import Studio


def offered() -> dict[str, Operation]:
    """The verbs that a shell has, by the names of their commands."""
    return {verb.command: verb for verb in verbs_in_order() if verb.command}


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """One command a verb; those of a group under its name."""
    groups = dict[str, Any]()
    for name, verb in offered().items():
        group, _, own = name.rpartition(" ")
        if group and group not in groups:
            parser = commands.add_parser(group, help=GROUPS[group], description=f"{GROUPS[group]}.".capitalize())
            groups[group] = parser.add_subparsers(dest=group, required=True, metavar="COMMAND")
        _add_command(groups.get(group, commands), own, verb)


def _add_command(commands: argparse._SubParsersAction[Any], name: str, verb: Operation) -> None:
    told = verb.shell.summary.replace("%", "%%")
    command = commands.add_parser(name, help=told, description=f"{told[:1].upper()}{told[1:]}.", allow_abbrev=False)
    command.add_argument("--owner", help="whose stories (default: THROUGHLINE_OWNER, or this user's own)")
    add_options(command)
    for parameter in verb.shell.parameters:
        _add_argument(command, parameter, verb.shell.fields[parameter.name].description or "")
    if verb.table:
        command.add_argument("--json", action="store_true", help="all figures as JSON, instead of a table")
    command.set_defaults(run=partial(run, verb), interrupted="what was done before is kept")


def _add_argument(command: argparse.ArgumentParser, parameter: Parameter, description: str) -> None:
    """What has a default is an option; a list takes all the words that are left."""
    told, kind = description.replace("%", "%%"), parameter.annotation
    settings: dict[str, Any] = {"type": kind if kind in (int, float) else str}
    if kind is bool:
        settings = {"action": argparse.BooleanOptionalAction}
    if parameter.default is Parameter.empty:
        command.add_argument(parameter.name, nargs="*" if kind == list[str] else None, help=told, **settings)
    else:
        option, told = f"--{parameter.name.replace('_', '-')}", f"{told} (default: %(default)s)"
        command.add_argument(option, default=parameter.default, help=told, **settings)


def run(verb: Operation, options: argparse.Namespace) -> None:
    """Does a verb and prints its answers, one line of JSON each. Raises ThroughlineError."""
    arguments = {parameter.name: getattr(options, parameter.name) for parameter in verb.shell.parameters}
    with closing(_studio(Choice.of(options))) as studio:
        owner = options.owner or own_secret(studio.folder)
        try:
            answer = verb.shell(studio, owner, **arguments)
            if verb.table and not options.json:
                print(verb.table(answer), flush=True)
            else:
                _print_all(studio, answer)
        except (KeyboardInterrupt, SystemExit, OSError):  # OSError: nobody reads what is printed any more
            if "story" in arguments:
                studio.renderer.queue.cancel(owner, arguments["story"], kind=None)
            raise


def _print_all(studio: Studio, answer: Any) -> None:
    for part in answer if isinstance(answer, Iterator) else [answer]:
        json.dump(_with_paths(studio, part), sys.stdout, ensure_ascii=False)
        print(flush=True)


def _with_paths(studio: Studio, part: Any) -> Any:
    """An answer with where files lie instead of where they would be served."""
    if isinstance(part, list):
        return [_with_paths(studio, one) for one in part]
    if not isinstance(part, dict):
        return part
    told = {name: _with_paths(studio, value) for name, value in part.items() if name != "url"}
    if "url" in part:
        digest, _, suffix = part["url"].removeprefix("media/").partition("?")[0].partition(".")
        told["path"] = str(studio.media.path(digest, suffix))
    return told


def _studio(choice: Choice) -> Studio:
    from pipeline.language import vocabulary

    from ..studio import Studio, home

    finisher = choice.finisher()
    studio = Studio(
        choice.load,
        home(),
        choice.digest(),
        vocabulary=vocabulary.read(choice.find()),
        resume=False,
        encoder=choice.encoder(),
        period=choice.period,
        continues=choice.continues,
        continuation=choice.continuation(),
    )
    studio.renderer.finisher = finisher
    return studio


def own_secret(folder: Path) -> str:
    """The owner of stories made from a shell, kept in a file that only this user reads."""
    given = os.environ.get("THROUGHLINE_OWNER")
    if given:
        return given
    path = folder / "owner"
    with suppress(FileExistsError), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(16))
    return path.read_text(encoding="utf-8").strip()
