"""Wrong passwords slow their sender down: a few cost nothing, then each costs twice the wait of the one before."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..interfaces.admission import sender
from .early import adding
from .security import may_see, path_of

MOST_COUNTED = 50_000  # names at addresses whose wrong logins are counted
UNKNOWN_NAMES = 256  # kinds of names that nobody has: those of a kind are counted together
FREE = 4  # wrong logins that cost nothing
LONGEST_WAIT = 300.0  # seconds
FORGOTTEN = 3600.0  # seconds after the last wait was over
MOST_BYTES = 64 << 10  # of a login
SCRIPT = b'<script type="module" src="./throughline/login.js"></script>'


class Attempts:
    """Logins that have not succeeded, by whom. For one event loop. Does not cover: one who has many addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_COUNTED) -> None:
        self._clock, self._most = clock, most
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the next may come

    def __len__(self) -> int:
        return len(self._failed)

    def begin(self, who: str) -> float:
        """Seconds that someone has to wait still. With 0 they may try, which counts as wrong until `succeed`: many
        tries that come at once are no way around."""
        now = self._clock()
        count, free_at = self._failed.pop(who, (0, now))
        left = max(free_at - now, 0.0)
        if not left:
            count = 1 if now - free_at > FORGOTTEN else count + 1
            free_at = now + _wait_after(count)
        self._failed[who] = (count, free_at)
        if len(self._failed) > self._most:
            self._failed.popitem(last=False)
        return left

    def succeed(self, who: str) -> None:
        self._failed.pop(who, None)


def _wait_after(count: int) -> float:
    """Seconds: 1 after the first wrong login that is not free."""
    return min(2.0 ** min(count - FREE - 1, 30), LONGEST_WAIT) if count > FREE else 0.0


class Logins:
    """ASGI middleware: refuses logins that come too soon (429, with Retry-After), which Gradio's login page then says.
    Nothing waits.

    Logins are counted by name and address: behind a proxy, where all share one, who guesses makes none wait but those
    whose names are tried.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.attempts, self._salt = app, Attempts(), secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or getattr(scope.get("app"), "auth", None) is None:
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/login"):
            await self._log_in(scope, receive, send)
        elif scope["method"] == "GET" and path_of(scope) == "/" and not may_see(Request(scope)):
            await self.app(scope, receive, adding({b"</head>": SCRIPT}, send))
        else:
            await self.app(scope, receive, send)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            await PlainTextResponse("too large", 413)(scope, receive, send)
            return
        who = self._who(scope, await _name(scope, body))
        left = math.ceil(self.attempts.begin(who))
        if left:
            told = {"detail": f"Too many wrong logins: try again in {left} s"}
            await JSONResponse(told, 429, {"Retry-After": str(left)})(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self.attempts.succeed(who)
            await send(message)

        await self.app(scope, _replayed(body, receive), watched)

    def _who(self, scope: Scope, name: str) -> str:
        """Names that nobody has are of few kinds, so that they fill no memory."""
        auth = scope["app"].auth
        if not (isinstance(auth, Mapping) and name in auth):
            digest = hashlib.blake2b(name.encode(errors="replace"), key=self._salt, digest_size=4).digest()
            name = f"\0{int.from_bytes(digest, 'big') % UNKNOWN_NAMES}"
        return f"{sender(scope)} {name}"


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too long, or the sender is gone."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if message["type"] != "http.request" or len(body) > MOST_BYTES:
            return None
    return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


async def _name(scope: Scope, body: bytes) -> str:
    """The name in a login's form; "" if there is none."""
    try:
        async with Request(scope, _replayed(body, _gone)).form(max_files=0, max_fields=20) as form:
            found: Any = form.get("username", "")
    except (HTTPException, MultiPartException, ValueError, LookupError):
        return ""  # the application tells what is wrong with such a form
    return found.strip() if isinstance(found, str) else ""


async def _gone() -> Message:
    return {"type": "http.disconnect"}
