"""The HTTP API: every verb for programs as an endpoint for gradio_client, and as a tool over MCP where that is served.
Everything else is private.

Endpoints are coroutines: a call holds a thread of its pool while it works, and one that follows a render, none."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import gradio as gr
import gradio.events

from pipeline.errors import ThroughlineError

from ..operations.arguments import OWNER
from ..operations.registry import Operation, verbs_in_order
from ..studio import Studio
from . import verbs  # noqa: F401  defines them
from .admission import Throttle, calling_from, sender
from .pools import Pools, kind_of

log = logging.getLogger(__name__)

MOST_FOLLOWERS = 1000
MOST_OF_AN_ADDRESS = 600  # followers; so others always find a place
MOST_UNREAD = 16  # parts that wait for a follower who reads slowly, or not at all: then the last news is told alone
CALLS_AT_ONCE = MOST_FOLLOWERS + 200  # of all endpoints
LOOK_SECONDS = 0.1  # of one follower
LOOKS_PER_SECOND = 100.0  # of all followers


class Followers:
    """Those who follow a render just now. The more they are, the less often each is told. For one event loop."""

    def __init__(self, most: int = MOST_FOLLOWERS, of_an_address: int = MOST_OF_AN_ADDRESS) -> None:
        self.count, self.most, self.of_an_address = 0, most, of_an_address
        self._at = Counter[str]()  # by address

    @contextmanager
    def joined(self, address: str) -> Iterator[None]:
        """address: "" where the host gives none."""
        if self.count >= self.most:
            raise ThroughlineError(f"{self.count} renders are being followed: try again later, or ask for the plan")
        if address and self._at[address] >= self.of_an_address:
            raise ThroughlineError(f"{self._at[address]} renders are being followed from your network: try again later")
        self.count += 1
        self._at[address] += 1
        try:
            yield
        finally:
            self.count -= 1
            self._at[address] -= 1
            if not self._at[address]:
                del self._at[address]

    def pause(self) -> float:
        """Seconds until one is to look again; never the same for two, or all would look at once."""
        return max(LOOK_SECONDS, self.count / LOOKS_PER_SECOND) * random.uniform(0.5, 1.0)


def offer(studio: Studio, throttle: Throttle) -> None:
    """Adds the endpoints to the Blocks that is being built."""
    pools, followers = Pools(), Followers()
    for verb in verbs_in_order():
        endpoint = _endpoint(studio, verb, pools, followers, throttle)
        gradio.events.api(endpoint, api_name=verb.name, api_description=verb.description, concurrency_limit=None)


def _endpoint(
    studio: Studio, verb: Operation, pools: Pools, followers: Followers, throttle: Throttle
) -> Callable[..., Any]:
    """`verb` over this studio, with `owner` first and the request last. Errors reach the client as they are."""
    if verb.streams:
        return _described(_stream(studio, verb, pools, followers, throttle), verb)
    return _described(_call(studio, verb, pools, throttle), verb)


def _call(studio: Studio, verb: Operation, pools: Pools, throttle: Throttle) -> Callable[..., Any]:
    kind = kind_of(verb.name, verb.slow)

    async def call(*arguments: Any) -> Any:
        given, address = _asked(arguments)
        with _told(), calling_from(address):
            throttle(given[0], address)
            return await pools.run(kind, verb, studio, *given)

    return call


def _stream(
    studio: Studio, verb: Operation, pools: Pools, followers: Followers, throttle: Throttle
) -> Callable[..., Any]:
    """For a verb that tells how it goes."""

    async def stream(*arguments: Any) -> AsyncIterator[Any]:
        given, address = _asked(arguments)
        news: Any = None

        async def next_part(kind: str, parts: Iterator[Any]) -> Any:
            with calling_from(address):
                return await pools.run(kind, next, parts, None)

        with _told():
            throttle(given[0], address)
            with followers.joined(address), closing(verb.steps(studio, *given)) as parts:
                part = await next_part("plans", parts)
                while part is not None:
                    news = part or news
                    if news and _unread(arguments[-1]) < MOST_UNREAD:
                        yield news
                        news = None
                    else:
                        await asyncio.sleep(followers.pause())
                    part = await next_part("news", parts)
                if news:
                    yield news

    return stream


def _unread(request: object) -> int:
    """Parts of an answer that its caller has not read yet, of which Gradio would keep any number."""
    scope = getattr(getattr(request, "request", None), "scope", None)
    app = scope.get("app") if isinstance(scope, Mapping) else None
    if app is None:  # asked from within
        return 0
    waiting = app.get_blocks()._queue.pending_messages_per_session
    session = getattr(request, "session_hash", None)
    return waiting[session].qsize() if session in waiting else 0


def _asked(arguments: Sequence[Any]) -> tuple[Sequence[Any], str]:
    """The arguments of a verb, and the address of who calls it: Gradio gives the request last."""
    *given, last = arguments
    if not isinstance(last, gr.Request):
        return arguments, ""
    client = last.client
    return given, sender({"client": (client.host,)} if client else {})


def _described(endpoint: Any, verb: Operation) -> Callable[..., Any]:
    """With what Gradio reads: the signature, and a docstring."""
    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    owner = inspect.Parameter("owner", place, annotation=str)
    request = inspect.Parameter("request", place, default=None, annotation=gr.Request)
    signature = inspect.Signature([owner, *verb.parameters, request], return_annotation=dict)
    endpoint.__signature__ = signature
    endpoint.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()} | {"return": dict}
    endpoint.__name__ = verb.name
    described = {"owner": OWNER} | {name: field.description for name, field in verb.fields.items()}
    described["request"] = "Nothing that callers give"
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
