"""The HTTP API: every verb of `interfaces.operations` as an endpoint for gradio_client, and as a tool over MCP where
that is served. Everything else is private."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import gradio.events

from pipeline.errors import ThroughlineError

from ..studio import Studio
from . import operations

ARGUMENTS = {  # what they are, for the callers of tools, who see no source
    "owner": "A secret of your own, 16 to 64 letters and digits: always the same one, for it opens your stories",
    "title": "Name of the story",
    "prompts": "One prompt a scene, in order",
    "story": "Id of a story",
    "scene": "Id of a scene",
    "scenes": "Ids of scenes; an empty list for all that are stale",
    "prompt": "What the scene shows, in a sentence",
    "index": "A place among the scenes, from 0",
    "changes": "JSON object of the settings to change",
    "past": "Id of an earlier scene",
    "word": "A word or several, as written in the earlier scene's prompt",
    "take": "Id of a take of the scene",
    "format": "mp4, gif, sheet.png, sheet.pdf, clips.zip or story.zip",
    "archive": "Content of a story archive (zip), in base64",
}


log = logging.getLogger(__name__)


def offer(studio: Studio) -> None:
    """Adds the endpoints to the Blocks that is being built."""
    for name, verb in operations.VERBS.items():
        gradio.events.api(
            _endpoint(studio, verb), api_name=name, api_description=inspect.getdoc(verb), concurrency_limit=None
        )


def _endpoint(studio: Studio, verb: Callable[..., Any]) -> Callable[..., Any]:
    """`verb` over this studio, with `owner` first. Errors reach the client as they are."""
    streams = inspect.isgeneratorfunction(inspect.unwrap(verb))

    def once(*arguments: Any) -> Any:
        with _told():
            return verb(studio, *arguments)

    def stream(*arguments: Any) -> Iterator[Any]:
        with _told():
            yield from verb(studio, *arguments)

    endpoint: Any = stream if streams else once
    owner = inspect.Parameter("owner", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)
    signature = inspect.Signature([owner, *operations.parameters(verb)], return_annotation=dict)
    endpoint.__signature__ = signature
    endpoint.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()} | {"return": dict}
    endpoint.__name__ = verb.__name__
    told = "".join(f"    {name}: {ARGUMENTS[name]}\n" for name in signature.parameters)
    endpoint.__doc__ = f"{inspect.getdoc(verb)}\n\nArgs:\n{told}"  # where Gradio looks for them
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
