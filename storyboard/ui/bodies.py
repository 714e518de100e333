"""The bodies of requests: how long, how slow and how intricate they may be. All of it is told as they come in, so that
none has to be kept first."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

MOST_BODY_BYTES = 32 << 20  # an upload of 20 MB in base64, and what is around it
MOST_VALUES = 30_000  # of JSON, by its commas and opening brackets: an upload is one, a story has some thousands
BODY_SECONDS = 20.0  # of patience with a body; what comes gives patience back
SLOWEST = 4096  # bytes that give back a second
CLOSE = {"Connection": "close"}  # for what is answered before it was read to its end


def refusal_of_body(scope: Scope) -> Response | None:
    """The answer to a body that needs not be read; None for all else.

    Nothing here reads multipart bodies, which Gradio writes into files, but for logins.
    """
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
        return PlainTextResponse("too large", 413, CLOSE)
    kind = headers.get("content-type", "").lower()
    if kind.lstrip().startswith("multipart/") and not scope["path"].rstrip("/").endswith("/login"):
        return PlainTextResponse("multipart bodies are not read: expected JSON", 415, CLOSE)
    return None


class _Refused(Exception): ...


class Body:
    """A request's body as the application reads it, until something is wrong with it. Whatever the application answers
    then, the sender is told what it was."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._left, self._values, self._patience, self._more = MOST_BODY_BYTES, MOST_VALUES, BODY_SECONDS, True
        self._answered = False
        self.refusal: Response | None = None  # to be sent once the application is done

    async def receive(self) -> Message:
        if not self._more:
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            raise self._refused("the request did not come in time", 408) from None
        body = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._patience = min(BODY_SECONDS, self._patience - (time.monotonic() - began) + len(body) / SLOWEST)
        self._left -= len(body)
        self._values -= body.count(b",") + body.count(b"[") + body.count(b"{")
        if self._left < 0:
            raise self._refused("too large", 413)
        if self._values < 0:
            raise self._refused(f"too many values: expected at most {MOST_VALUES}", 413)
        return message

    def _refused(self, why: str, status: int) -> _Refused:
        self.refusal = None if self._answered else PlainTextResponse(why, status, CLOSE)
        return _Refused(why)

    async def send(self, message: Message) -> None:
        if self.refusal is None:
            self._answered = True
            await self._send(message)

    async def __aenter__(self) -> Body:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        """Nothing more is to be told of a body that was refused."""
        return isinstance(error, _Refused) or (self.refusal is not None and isinstance(error, Exception))
