"""Whose turn it is: newcomers, addresses and owners, and that nobody waits for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import pytest

from pipeline.errors import ThroughlineError
from storyboard.rendering import turns
from storyboard.rendering.callers import caller_address, calling_from
from storyboard.rendering.limits import LIMITS, QueueLimits
from storyboard.rendering.turns import Turns


@dataclass(frozen=True)
class One:
    owner: str
    number: int
    address: str = ""


class Line:
    """A queue without threads: `ask` puts in line, `serve` takes out."""

    def __init__(self) -> None:
        self.turns, self.waiting, self.numbers = Turns(), list[One](), count(1)

    def ask(self, owner: str, scenes: int = 1, address: str = "") -> None:
        self.waiting += [One(owner, next(self.numbers), address) for _ in range(scenes)]

    def serve(self, times: int = 1) -> list[str]:
        served = list[str]()
        for _ in range(min(times, len(self.waiting))):
            one = self.turns.take(self.waiting, next(self.numbers))
            assert one is not None
            self.waiting.remove(one)
            served.append(one.owner)
        return served

    def order(self) -> list[str]:
        return [one.owner for one in self.turns.order(self.waiting, next(self.numbers))]


def full(owners: int = 5, scenes: int = 40, address: str = "") -> Line:
    line = Line()
    for number in range(owners):
        line.ask(f"invented {number}", scenes, address)
    return line


@pytest.mark.parametrize("served", range(14))
@pytest.mark.parametrize("address", ["", "here"])
def test_a_newcomer_is_served_next_however_many_of_five_were_served(served: int, address: str) -> None:
    line = full(address=address)
    line.serve(served)
    line.ask("newcomer", 4, address)
    assert line.serve() == ["newcomer"]
    line.ask("another", 20, address)
    assert "another" in line.serve(2)


@pytest.mark.parametrize("served", [0, 1, 2, 3, 50])
def test_at_an_address_of_its_own_a_newcomer_passes_any_number_of_invented_owners(served: int) -> None:
    line = full(owners=100, scenes=1, address="here")
    line.serve(served)
    line.ask("newcomer", 12, "there")
    assert "newcomer" in line.serve(2)
    for number in range(100, 200):  # they keep coming
        line.ask(f"invented {number}", 1, "here")
    assert line.serve(44).count("newcomer") in (10, 11), "a quarter of all places"


def test_nobody_waits_for_ever_behind_those_who_come_anew() -> None:
    line = Line()
    line.ask("me", 100)
    line.serve(3)
    served = []
    for number in range(40):
        line.ask(f"new {number}")
        served += line.serve(2)
    assert served.count("me") == 40, "who came before gets every second place"


def test_those_who_share_an_address_get_half_of_all_places_or_more() -> None:
    line = full(owners=30, scenes=30, address="a school")
    for number in range(3):
        line.ask(f"alone {number}", 100, f"home {number}")
    line.serve(70)
    assert set(line.turns.owners) == {one.owner for one in line.waiting}, "there are no newcomers any more"
    served = line.serve(120)
    assert sum(owner.startswith("invented") for owner in served) >= 57, served
    assert {served.count(f"alone {number}") for number in range(3)} <= {20, 21}


def test_who_asks_for_less_is_welcomed_first_and_of_equals_who_came_first() -> None:
    line = Line()
    for owner, scenes in (("a film", 60), ("twelve", 12), ("ten", 10), ("one", 1), ("two", 2)):
        line.ask(owner, scenes)
    assert line.serve(1) == ["one"]
    order = line.order()
    assert order[:2] == ["a film", "two"], "the place of the longest wait, and the one of newcomers"
    assert order.index("twelve") < order.index("ten")


def test_the_order_that_is_told_is_the_order_that_comes() -> None:
    line = full(owners=7, scenes=5)
    line.ask("there", 9, "there")
    line.serve(3)
    told = line.order()
    assert told == line.order() == line.serve(len(told)) and len(told) == 41


def test_a_line_of_a_thousand_owners_is_ordered_in_little_time() -> None:
    looked = 0

    class Counting(One):
        def __getattribute__(self, name: str) -> object:
            nonlocal looked
            looked += name == "number"
            return super().__getattribute__(name)

    waiting: Sequence[One] = [Counting(str(n % 1000), n, str(n % 7)) for n in range(2000)]
    assert len(list(Turns().order(waiting, 2001))) == 2000
    assert looked < 200_000, "far fewer than owners times places"


def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_REMEMBERED", 3)
    line = full(owners=20, scenes=2)
    assert len(line.serve(40)) == 40
    assert len(line.turns.owners) == 3 and len(line.turns.addresses) == 1


# --- room ------------------------------------------------------------------------------------------------------------

SMALL = QueueLimits(waiting=100, own_waiting=60, address_waiting=50, few=5, reserved=20)


def refusal(waiting: dict[tuple[str, str], int], owner: str, address: str, asked: int) -> str:
    try:
        SMALL.check_room(waiting, owner, address, asked)
    except ThroughlineError as error:
        return str(error)
    return ""


def test_when_the_line_is_full_there_is_room_for_a_few() -> None:
    line = {("one", ""): 60, ("two", ""): 20}
    assert "80 scenes are waiting" in refusal(line, "three", "", 6) and "at most 5" in refusal(line, "three", "", 6)
    assert not refusal(line, "three", "", 5) and refusal(line, "two", "", 1)
    for number in range(4):
        line["few", str(number)] = 5
        assert bool(refusal(line, "three", "", 5)) is (number == 3)


def test_one_address_takes_half_of_the_line_and_half_of_the_room_for_a_few() -> None:
    line = {("one", "here"): 30, ("two", "here"): 18}
    assert "48 scenes from your network" in refusal(line, "three", "here", 6)
    assert not refusal(line, "three", "there", 6) and not refusal(line, "three", "", 6)
    assert not refusal(line, "three", "here", 5), "a few are always welcome while the line is not full"
    line |= {("far", "there"): 30, ("few", "here"): 4, ("more", "here"): 5}
    assert not refusal(line, "three", "here", 1)
    assert "9 scenes from your network" in refusal(line, "three", "here", 2)
    assert not refusal(line, "three", "elsewhere", 5)


def test_the_limits_that_ship_leave_room() -> None:
    assert LIMITS.address_waiting < LIMITS.waiting - LIMITS.reserved and LIMITS.few < LIMITS.reserved // 10


def test_where_a_call_comes_from_is_known_inside_alone() -> None:
    with calling_from("here"):
        assert caller_address() == "here"
    assert caller_address() == ""
