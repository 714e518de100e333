"""Wrong passwords slow their sender down: a few cost nothing, then each costs twice the wait of the one before."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..interfaces.admission import sender

MOST_ADDRESSES = 10_000  # whose wrong logins are counted
FREE = 4  # wrong logins that cost nothing
LONGEST_WAIT = 300.0  # seconds
FORGOTTEN = 3600.0  # seconds after the last wait was over


class Attempts:
    """Logins by address that have not succeeded. For one event loop. Does not cover: one who has many addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_ADDRESSES) -> None:
        self._clock, self._most = clock, most
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the next may come

    def __len__(self) -> int:
        return len(self._failed)

    def begin(self, address: str) -> float:
        """Seconds that an address has to wait still. With 0 it may try, which counts as wrong until `succeed`: many
        that come at once are no way around."""
        now = self._clock()
        count, free_at = self._failed.pop(address, (0, now))
        left = max(free_at - now, 0.0)
        if not left:
            count = 1 if now - free_at > FORGOTTEN else count + 1
            free_at = now + _wait_after(count)
        self._failed[address] = (count, free_at)
        if len(self._failed) > self._most:
            self._failed.popitem(last=False)
        return left

    def succeed(self, address: str) -> None:
        self._failed.pop(address, None)


def _wait_after(count: int) -> float:
    """Seconds: 1 after the first wrong login that is not free."""
    return min(2.0 ** min(count - FREE - 1, 30), LONGEST_WAIT) if count > FREE else 0.0


class Logins:
    """ASGI middleware: refuses logins that come too soon (429, with Retry-After). Nothing waits."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.attempts = app, Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_login(scope):
            await self.app(scope, receive, send)
            return
        address = sender(scope)
        left = math.ceil(self.attempts.begin(address))
        if left:
            told = {"detail": f"Too many wrong logins: try again in {left} s"}
            await JSONResponse(told, 429, {"Retry-After": str(left)})(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self.attempts.succeed(address)
            await send(message)

        await self.app(scope, receive, watched)


def _is_login(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].rstrip("/").endswith("/login"):
        return False
    return getattr(scope.get("app"), "auth", None) is not None
