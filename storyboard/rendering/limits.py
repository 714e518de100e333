"""What a queue may hold, and how long a job may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ThroughlineError

from .turns import FEW


@dataclass(frozen=True)
class QueueLimits:
    """Owners are free to invent, so there is room for those who have few jobs in line when there is none for others,
    and more of it than those of one address may take. Many may share an address, so that alone refuses nobody early.
    """

    waiting: int = 2000  # jobs of all owners in line; every cell of a sheet is one
    own_waiting: int = 600  # jobs of one owner in line; a story has up to 500 scenes
    address_waiting: int = 1000  # jobs in line of those at one address who have more than `few`
    few: int = FEW  # jobs of one owner
    reserved: int = 500  # of `waiting`: places for owners who have few, half of them for those of one address
    job_seconds: float = 4 * 3600.0  # from its first step to its last
    step_seconds: float = 1200.0  # without a step after which a job is stuck; loading a model counts as one
    left_behind: int = 3  # threads of stuck jobs: with more the process needs a restart

    def check_room(self, waiting: Mapping[tuple[str, str], int], owner: str, address: str, asked: int) -> None:
        """Raises ThroughlineError if the line would be too long with so many more jobs. waiting: those that are in
        line, by owner and address."""
        owners = Counter[str]()
        for (other, _), count in waiting.items():
            owners[other] += count
        own, most = owners[owner], self.waiting - self.reserved
        modest = own + asked <= self.few
        if owners.total() + asked > (self.waiting if modest else most):
            hint = "" if modest else f", or ask for at most {self.few} scenes"
            raise ThroughlineError(f"{owners.total()} scenes are waiting to be rendered already: try again later{hint}")
        if own + asked > self.own_waiting:
            raise ThroughlineError(
                f"{own} of your scenes are waiting to be rendered already: at most {self.own_waiting} at once, try "
                "again later"
            )
        if address and not (modest and owners.total() + asked <= most):
            like = {other for other, count in owners.items() if (count <= self.few) is modest}
            near = sum(count for (other, place), count in waiting.items() if place == address and other in like)
            if near + asked > (self.reserved // 2 if modest else self.address_waiting):
                raise ThroughlineError(f"{near} scenes from your network are waiting already: try again later")


LIMITS = QueueLimits()
