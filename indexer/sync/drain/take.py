"""Take due studies under a lease, for all sources of a drain together."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.model import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.ledger import Ledger
    from indexer.model import Settlement, Task

LEASE_S = 900.0


@dataclass(slots=True)
class RateLimiter:
    """Limits how fast backfill marks are taken; live changes are not limited."""

    clock: Callable[[], float]
    _tokens: float = 1.0
    _at: float | None = None

    def allowed(self, rate: float | None) -> float:
        """How many studies may be taken now at a rate in studies per second; any number without a rate."""
        now = self.clock()
        passed = now - self._at if self._at is not None else 0.0
        self._at = now
        if rate is None:
            return float("inf")
        self._tokens = min(max(1.0, rate), self._tokens + max(0.0, passed) * rate)
        return self._tokens

    def took(self, count: int) -> None:
        """Studies were taken."""
        self._tokens -= count


@dataclass(slots=True, kw_only=True)
class Leases:
    """What a drain has taken from all its sources and not yet settled.

    Attributes
    ----------
    sources
        Names in configured order: the first that has a study reads it.
    """

    ledger: Ledger
    sources: Sequence[str]
    clock: Callable[[], float]
    _limiter: RateLimiter = field(init=False)
    _under_way: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._limiter = RateLimiter(self.clock)

    def take(self, source: str, room: int) -> list[Task]:
        """Lease due studies of a source, as many as there is room for and the rate allows."""
        with self._lock:
            allowed = self._limiter.allowed(self.ledger.backfill_rate())
            limit, lane = (room, Lane.LIVE) if allowed < 1 else (int(min(room, allowed)), None)
            tasks = self.ledger.take(self.clock(), limit, LEASE_S, source=source, sources=self.sources, lane=lane)
            new = [task for task in tasks if task.study_instance_uid not in self._under_way]
            self._under_way.update(task.study_instance_uid for task in new)
            self._limiter.took(sum(1 for task in new if task.lane is Lane.BACKFILL))
        return new

    def due_s(self, source: str) -> float | None:
        """Seconds until a study of a source can be taken; None if there is no such study."""
        return self.ledger.next_due(self.clock(), source=source)

    def replay(self) -> None:
        """Mark the studies of the quarantine that are tried again now."""
        uids = self.ledger.retries_due(self.clock())
        if uids:
            self.ledger.replay(uids, self.clock(), sources=self.sources)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record how studies ended. Nothing is taken meanwhile: a study that is marked again must count as new."""
        with self._lock:
            self.ledger.settle(settlements, self.clock())
            self._under_way.difference_update(settlement.task.study_instance_uid for settlement in settlements)

    def is_over(self, is_done: Callable[[], bool]) -> bool:
        """Whether nothing is under way and all is done."""
        with self._lock:
            return not self._under_way and is_done()
