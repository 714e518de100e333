"""The verbs of `interfaces.operations` as commands: `python -m storyboard get-story STORY`. They print JSON; `meter`
prints a table.

Interrupting `render-story` cancels what it has put in line: scenes that are done stay, and nothing goes on with the
rest later. A command renders nothing that it was not asked for, such as what a page had in line when it crashed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..continuity.table import continuity_table
from ..rendering.model_choice import Choice, add_options

if TYPE_CHECKING:
    from ..studio import Studio

COMMANDS = {  # positional arguments and a summary: --help need not load what the verbs need
    "new-story": ("title prompts*", "a story with a scene for every prompt"),
    "list-stories": ("", "your stories, the last changed first"),
    "get-story": ("story", "a story with its scenes and takes"),
    "add-scene": ("story prompt", "a new scene"),
    "edit-scene": ("story scene changes", "change settings of a scene; CHANGES is JSON"),
    "move-scene": ("story scene index", "put a scene at another place, from 0"),
    "duplicate-scene": ("story scene", "copy a scene"),
    "remove-scene": ("story scene", "delete a scene"),
    "pin-word": ("story scene past word", "keep a word of the earlier scene PAST"),
    "mute-word": ("story scene past word", "drop a word of the earlier scene PAST"),
    "undo": ("story", "take the last edit back"),
    "redo": ("story", "do it again"),
    "plan": ("story", "what is stale, why, and what a render would do"),
    "meter": ("story", "whether what recurs looks as it did, scene by scene, as a table"),
    "render-story": ("story scenes*", "render the scenes named, or all that are stale"),
    "choose-take": ("story scene take", "the take of a scene that is shown"),
    "film": ("story", "export: mp4, gif, sheet.png, sheet.pdf, clips.zip or story.zip"),
    "export-story": ("story", "a story as one zip file"),
    "import-story": ("archive", "a story from such a file"),
}
OPTIONS: dict[str, dict[str, Any]] = {"add-scene": {"index": -1}, "film": {"format": "mp4"}}
RENAMED = {"render-story": "render"}  # `render` makes a film from prompts
TABLES = {"meter": continuity_table}  # commands that print a table of the verb's answer


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """One command a verb; its arguments are read from the verb's signature when it is called."""
    for name, (positional, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".", allow_abbrev=False)
        command.add_argument("--owner", help="whose stories (default: THROUGHLINE_OWNER, or this user's own)")
        add_options(command)
        for argument in positional.split():
            many = argument.endswith("*")
            kind = int if argument == "index" else str
            command.add_argument(argument.rstrip("*"), type=kind, nargs="*" if many else None)
        if name in TABLES:
            command.add_argument("--json", action="store_true", help="all figures as JSON, instead of a table")
        for option, default in OPTIONS.get(name, {}).items():
            command.add_argument(f"--{option}", type=type(default), default=default, help="(default: %(default)s)")
        command.set_defaults(run=run, interrupted="what was done before is kept")


def run(options: argparse.Namespace) -> None:
    """Does a verb and prints its answers, one line of JSON each. Raises ThroughlineError."""
    from . import operations

    name = RENAMED.get(options.command, options.command).replace("-", "_")
    arguments = {p.name: getattr(options, p.name) for p in operations.parameters(operations.VERBS[name])}
    verb: Callable[..., Any] = _import if name == "import_story" else operations.VERBS[name]
    with closing(_studio(Choice.of(options))) as studio:
        owner = options.owner or own_secret(studio.folder)
        try:
            answer = verb(studio, owner, **arguments)
            if name in TABLES and not options.json:
                print(TABLES[name](answer), flush=True)
            else:
                _print_all(studio, answer)
        except (KeyboardInterrupt, SystemExit, OSError):  # OSError: nobody reads what is printed any more
            if name == "render":
                studio.cancel(owner, arguments["story"])
            raise


def _print_all(studio: Studio, answer: Any) -> None:
    for part in answer if isinstance(answer, Iterator) else [answer]:
        if "url" in part:
            digest, _, suffix = part.pop("url").removeprefix("media/").partition("?")[0].partition(".")
            part["path"] = str(studio.media.path(digest, suffix))
        json.dump(part, sys.stdout, ensure_ascii=False)
        print(flush=True)


def _import(studio: Studio, owner: str, archive: str) -> dict[str, Any]:
    """A file of any size that an archive may have, where the other callers send its content."""
    return studio.import_file(owner, Path(archive))


def _studio(choice: Choice) -> Studio:
    from ..studio import Studio, home

    return Studio(choice.load, home(), choice.digest(), resume=False)


def own_secret(folder: Path) -> str:
    """The owner of stories made from a shell, kept in a file that only this user reads."""
    given = os.environ.get("THROUGHLINE_OWNER")
    if given:
        return given
    path = folder / "owner"
    with suppress(FileExistsError), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(16))
    return path.read_text(encoding="utf-8").strip()
