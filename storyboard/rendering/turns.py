"""Whose turn it is in the queue.

A newcomer, an owner who was not served yet, is next if it asks for few scenes and the last one was no such newcomer; if
it asks for more, if the last one was no newcomer at all. Of several, those at the address whose newcomers waited
longest go first, then who asked for least. All other places go by turns to the next address and to the next owner. So
owners who are invented gain little, and nobody waits for ever behind those who come anew.

Many people may share an address, behind a proxy or in a school. They have their turns as owners too, so that those who
are alone at theirs get no more than half of all places before them.

Does not cover: one who has many addresses.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

FEW = 20  # scenes in line
LARGE, MODEST = 1, 2  # newcomers
MOST_REMEMBERED = 10_000  # owners, and addresses, who were served; whoever is forgotten is a newcomer again


class Waits(Protocol):
    """What waits. `number` grows with every one that comes."""

    @property
    def owner(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def number(self) -> int: ...


T = TypeVar("T", bound=Waits)
Key = tuple[int, ...]


@dataclass
class Turns:
    """When each was last served, in numbers like those of what waits."""

    owners: OrderedDict[str, int] = field(default_factory=OrderedDict)
    addresses: OrderedDict[str, int] = field(default_factory=OrderedDict)
    welcomed: OrderedDict[str, int] = field(default_factory=OrderedDict)  # by address: its last newcomer
    welcome: int = 0  # LARGE or MODEST if the last place went to a newcomer as such
    by_address: bool = True  # whether the next place that goes by turns is an address's
    last: Waits | None = None  # it is being served, or was until now

    def take(
        self,
        waiting: Iterable[T],
        now: int,
        ready: Callable[[T], bool] = lambda one: True,
        serving: Iterable[Waits] = (),
    ) -> T | None:
        """Whose turn it is, which is noted: `now` is later than any number so far. ready: whether one may be served
        already; who has none that may leaves the turn to others. serving: others that are being served."""
        for one in serving:
            self.note(one, now)
        return _Line(self, waiting, now, ready).take()

    def order(self, waiting: Iterable[T], now: int) -> Iterator[T]:
        """All that wait, in the order in which they will be served if nobody else comes."""
        copy = Turns(self.owners.copy(), self.addresses.copy(), self.welcomed.copy())
        copy.welcome, copy.by_address, copy.last = self.welcome, self.by_address, self.last
        line = _Line(copy, waiting, now)
        while (found := line.take()) is not None:
            yield found

    def note(self, one: Waits, now: int) -> None:
        if one.owner not in self.owners:
            _remember(self.welcomed, one.address, now)
        _remember(self.owners, one.owner, now)
        _remember(self.addresses, one.address, now)
        self.last = one


def _remember(served: OrderedDict[str, int], who: str, now: int) -> None:
    served[who] = now
    served.move_to_end(who)
    if len(served) > MOST_REMEMBERED:
        served.popitem(last=False)


class _Heap:
    """Names by keys that may grow: the least is found in logarithmic time; what is out of date is put in its place.

    key: of a name at present; None once nothing of its own waits any more.
    """

    def __init__(self, names: Iterable[str], key: Callable[[str], Key | None]) -> None:
        self._key = key
        self._entries = [(found, name) for name in names if (found := key(name)) is not None]
        heapq.heapify(self._entries)

    def least(self) -> str | None:
        while self._entries:
            found, name = self._entries[0]
            now = self._key(name)
            if now == found:
                return name
            heapq.heappop(self._entries)
            if now is not None:
                heapq.heappush(self._entries, (now, name))
        return None


class _Line(Generic[T]):
    """What waits, to be taken one after the other."""

    def __init__(
        self, turns: Turns, waiting: Iterable[T], now: int, ready: Callable[[T], bool] = lambda one: True
    ) -> None:
        self._turns, self._now, self._ready = turns, now, ready
        if turns.last is not None:
            turns.note(turns.last, now)
        self._waiting: defaultdict[str, deque[T]] = defaultdict(deque)  # by owner, the oldest first
        for one in waiting:
            self._waiting[one.owner].append(one)
        homes: defaultdict[str, list[str]] = defaultdict(list)  # owners by address
        able = {owner: own for owner, own in self._waiting.items() if any(map(ready, own))}
        for owner, own in able.items():
            homes[own[0].address].append(owner)
        self._newcomers = {address: _Heap(owners, self._modesty) for address, owners in homes.items()}
        self._at = {address: _Heap(owners, self._turn_of_owner) for address, owners in homes.items()}
        self._doors = _Heap(homes, self._turn_of_newcomers)
        self._addresses = _Heap(homes, self._turn_of_address)
        self._owners = _Heap(able, self._turn_of_owner)

    def take(self) -> T | None:
        owner = self._newcomer()
        if owner is None:
            owner = self._by_turns()
        if owner is None:
            return None
        one = next(filter(self._ready, self._waiting[owner]))
        self._waiting[owner].remove(one)
        self._now += 1
        self._turns.note(one, self._now)
        return one

    def _newcomer(self) -> str | None:
        """Who is next as a newcomer."""
        address = self._doors.least()
        owner = None if address is None else self._newcomers[address].least()
        kind = 0 if owner is None else MODEST if len(self._waiting[owner]) <= FEW else LARGE
        last, self._turns.welcome = self._turns.welcome, 0
        if kind <= last:
            return None
        self._turns.welcome = kind
        return owner

    def _by_turns(self) -> str | None:
        by_address, self._turns.by_address = self._turns.by_address, not self._turns.by_address
        if not by_address:
            return self._owners.least()
        address = self._addresses.least()
        return None if address is None else self._at[address].least()

    def _turn_of_owner(self, owner: str) -> Key | None:
        """When it was last served, or came."""
        own = self._waiting[owner]
        return (self._turns.owners.get(owner, own[0].number),) if own else None

    def _modesty(self, owner: str) -> Key | None:
        """Of a newcomer: for how much it asked, in powers of two, and when."""
        own = self._waiting[owner]
        return (_size(own), own[0].number) if own and owner not in self._turns.owners else None

    def _turn_of_address(self, address: str) -> Key | None:
        owner = self._at[address].least()
        return None if owner is None else (self._turns.addresses.get(address, self._waiting[owner][0].number),)

    def _turn_of_newcomers(self, address: str) -> Key | None:
        owner = self._newcomers[address].least()
        if owner is None:
            return None
        own = self._waiting[owner]
        return (len(own) > FEW, self._turns.welcomed.get(address, 0), _size(own), own[0].number)


def _size(own: Sized) -> int:
    """The same for 1 and 2, for 3 to 6, for 7 to 14, and so on: between those who asked for about as much, who came
    first goes first."""
    return (len(own) + 1).bit_length()
