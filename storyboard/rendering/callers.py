"""Where a call comes from, for those who share out places: set where calls come in, read where they are put in line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_address: ContextVar[str] = ContextVar("address", default="")


def caller_address() -> str:
    """The address, or the network of one household; "" for calls from this process."""
    return _address.get()


@contextmanager
def calling_from(address: str) -> Iterator[None]:
    """For what is called inside, also in threads that it is handed to. Nothing may be yielded meanwhile."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)
