"""Connections on which no whole request comes: uvicorn waits for them without an end."""

from __future__ import annotations

import asyncio
from typing import Any

HEAD_SECONDS = 20.0  # from when a connection is made, or a request begun, to the end of its headers


class Impatient:
    """In front of a protocol of uvicorn for HTTP (of h11 or httptools): closes a connection on which the headers of a
    request are not there in time, however many bytes of them come. Bodies have a limit of their own (`bodies`)."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any  # the present or the last request and its answer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._waiting: asyncio.TimerHandle | None = None
        super().__init__(*arguments, **options)

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)  # type: ignore[misc]
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_more()
        else:
            self._wait()

    def connection_lost(self, error: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(error)  # type: ignore[misc]

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        answering = self.cycle is not None and not self.cycle.response_complete
        own: Any = self.transport.get_protocol()  # another one since an upgrade
        if not answering and own is self:
            self.transport.abort()


def be_impatient(server: Any) -> None:
    """For all connections that a server of uvicorn gets from now on."""
    kind = server.config.http_protocol_class
    if not issubclass(kind, Impatient):
        server.config.http_protocol_class = type(f"Impatient{kind.__name__}", (Impatient, kind), {})
