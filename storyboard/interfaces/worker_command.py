"""`python -m storyboard worker --join HOST:PORT`: lends this machine to an app on another one."""

from __future__ import annotations

import argparse
from typing import Any

from ..rendering.workers.access import FILE, VARIABLE
from .numbers import whole_number

MOST_PLACES = 64


def add(commands: argparse._SubParsersAction[Any]) -> None:
    told = "lend this machine to an app on another one, which was started with --worker-listen"
    token = f"The token of the app is read from {VARIABLE}, or from {FILE} in THROUGHLINE_HOME, of mode 600."
    command = commands.add_parser("worker", help=told, description=f"{told.capitalize()}. {token}", allow_abbrev=False)
    command.add_argument("--join", required=True, metavar="HOST:PORT", help="where the app listens")
    command.add_argument("--places", type=whole_number(1, MOST_PLACES), default=1, metavar="N",
                         help="scenes at once, each by a process with the model (default: %(default)s)")  # fmt: skip
    command.add_argument("--listen", metavar="ADDRESS", help="address of this machine that the app sees (default: "
                                                             "found by the way to it)")  # fmt: skip
    command.set_defaults(run=run, interrupted="this machine is lent no longer")


def run(options: argparse.Namespace) -> None:
    """Until it is interrupted. Raises ThroughlineError as `starting.join` does."""
    from ..rendering.workers.starting import join
    from ..studio import home

    join(options.join, options.places, options.listen, home())
