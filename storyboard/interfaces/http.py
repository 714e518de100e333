"""The HTTP API: every verb for programs as an endpoint for gradio_client, and as a tool over MCP where that is served.
Everything else is private."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import gradio.events

from pipeline.errors import ThroughlineError

from ..operations.arguments import OWNER
from ..operations.registry import Operation, verbs_in_order
from ..studio import Studio
from . import verbs  # noqa: F401  defines them

log = logging.getLogger(__name__)


def offer(studio: Studio) -> None:
    """Adds the endpoints to the Blocks that is being built."""
    for verb in verbs_in_order():
        gradio.events.api(
            _endpoint(studio, verb), api_name=verb.name, api_description=verb.description, concurrency_limit=None
        )


def _endpoint(studio: Studio, verb: Operation) -> Callable[..., Any]:
    """`verb` over this studio, with `owner` first. Errors reach the client as they are."""

    def once(*arguments: Any) -> Any:
        with _told():
            return verb(studio, *arguments)

    def stream(*arguments: Any) -> Iterator[Any]:
        with _told():
            yield from verb(studio, *arguments)

    endpoint: Any = stream if verb.streams else once
    owner = inspect.Parameter("owner", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)
    signature = inspect.Signature([owner, *verb.parameters], return_annotation=dict)
    endpoint.__signature__ = signature
    endpoint.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()} | {"return": dict}
    endpoint.__name__ = verb.name
    described = {"owner": OWNER} | {name: field.description for name, field in verb.fields.items()}
    told = "".join(f"    {name}: {text}\n" for name, text in described.items())
    endpoint.__doc__ = f"{verb.description}\n\nArgs:\n{told}"  # where Gradio looks for them
    return endpoint  # type: ignore[no-any-return]


class _told:
    """Turns our errors into Gradio's, which are shown to the caller."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ThroughlineError):
            raise gr.Error(str(error), print_exception=False) from None
        if isinstance(error, Exception):  # the boundary to programs, which are told no more than they need
            log.exception("a request failed")
            raise gr.Error(f"Something went wrong ({kind.__name__}): try again", print_exception=False) from None
