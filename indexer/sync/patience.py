"""Waiting for a server that is out of reach: one word in the log when it goes, one when it is back."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from indexer import schedule
from indexer.errors import AccessDenied, Conflict, Interrupted, ProtocolViolation, Unavailable
from indexer.log import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event as ThreadEvent

    from indexer.errors import PeerError

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Patience:
    """Counts failures in a row of one peer and waits longer each time.

    Attributes
    ----------
    stop
        Ends every wait at once.
    first_s, most_s
        First and longest wait, in seconds.
    tries
        Failures in a row after which the error is raised; None waits as long as it takes.
    clock
        Monotonic seconds.
    """

    peer: str
    stop: ThreadEvent
    clock: Callable[[], float]
    first_s: float = 1.0
    most_s: float = 60.0
    tries: int | None = None
    failures: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)

    def wait(self, error: PeerError) -> None:
        """Wait after a failure, as long as the server asks or as our own doubling says.

        Raises
        ------
        Interrupted
            If a stop was asked for.
        PeerError
            That failure, if it was the last try.
        """
        if self.tries is not None and self.failures + 1 >= self.tries:
            raise error
        self.stopped(self.delay_s(error))

    def persist(self, ask: Callable[[], T]) -> T:
        """Ask until the server is there.

        Raises
        ------
        Interrupted
            If a stop was asked for.
        """
        while True:
            try:
                answer = ask()
            except (Unavailable, AccessDenied, ProtocolViolation, Conflict) as error:
                self.wait(error)
            else:
                self.well()
                return answer

    def delay_s(self, error: PeerError) -> float:
        """Count a failure; seconds to wait."""
        if self.failures == 0:
            self._since = self.clock()
            facts = {"event": Event.PEER_LOST, "peer": self.peer, "status": error.status, "cause": type(error).__name__}
            _log.warning("a server does not do what it is asked; trying again", extra=facts)
        delay_s = schedule.backoff_s(self.failures, first_s=self.first_s, most_s=self.most_s, chance=random.random())  # noqa: S311
        self.failures += 1
        if isinstance(error, AccessDenied):
            return max(delay_s, self.most_s / 5)  # so that no account is locked out
        if isinstance(error, Unavailable) and error.retry_after_s is not None:
            return error.retry_after_s
        return delay_s

    def stopped(self, seconds: float) -> None:
        """Wait that long.

        Raises
        ------
        Interrupted
            If a stop was asked for.
        """
        if self.stop.wait(seconds):
            raise Interrupted("a stop was asked for")

    def well(self) -> None:
        """The server answered as it should."""
        if self.failures:
            facts = {
                "event": Event.PEER_BACK,
                "peer": self.peer,
                "duration_ms": round(1000 * (self.clock() - self._since)),
            }
            _log.warning("the server answers again", extra=facts)
        self.failures = 0
