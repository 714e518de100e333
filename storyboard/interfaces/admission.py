"""Who may ask how often: one throttle for the page, programs and tools."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ThroughlineError

from ..rendering.callers import calling_from

__all__ = ["Throttle", "calling_from", "sender"]

MOST_COUNTED = 10_000  # owners, and addresses, whose requests are counted
OF_AN_ADDRESS = 8  # times what one owner may: many people may share one


class _Buckets:
    """So many requests a second of each, and so many at once."""

    def __init__(self, per_second: float, at_once: float) -> None:
        self.per_second, self.at_once = per_second, at_once
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # by name: requests, and when

    def take(self, name: str, now: float) -> bool:
        left, then = self._left.pop(name, (self.at_once, now))
        left = min(self.at_once, left + (now - then) * self.per_second)
        self._left[name] = (max(left - 1, 0.0), now)
        if len(self._left) > MOST_COUNTED:
            self._left.popitem(last=False)
        return left >= 1


class Throttle:
    """So many requests a second of one owner, and so many at once; of all owners at one address, `OF_AN_ADDRESS` times
    as many, since owners are free to invent. Safe for threads."""

    def __init__(self, per_second: float = 50.0, at_once: int = 250) -> None:
        self._owners = _Buckets(per_second, at_once)
        self._addresses = _Buckets(per_second * OF_AN_ADDRESS, at_once * OF_AN_ADDRESS)
        self._lock = threading.Lock()

    def __call__(self, owner: object, address: str = "") -> None:
        """Raises ThroughlineError for too many. address: "" where the host gives none."""
        if not isinstance(owner, str):
            return  # refused later, as no owner
        now = time.monotonic()
        with self._lock:
            if not self._owners.take(owner[:64], now):
                raise ThroughlineError(f"too many requests: expected at most {self._owners.per_second:g} a second")
            if address and not self._addresses.take(address, now):
                most = f"{self._addresses.per_second:g} a second"
                raise ThroughlineError(f"too many requests from your network: expected at most {most}")


def sender(scope: Mapping[str, Any]) -> str:
    """The address of who asks, as the server sees it: forwarded ones only where it trusts the proxy. One household has
    a whole /64 of IPv6."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))
