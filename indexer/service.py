"""The daemon: one polling loop per source and one draining loop, until a stop is asked for."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.errors import LedgerBusy, PeerError
from indexer.log import Event
from indexer.thread_group import ThreadGroup

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from indexer.health import ServerHealth
    from indexer.sync.changes.poll import Poller
    from indexer.sync.drain.drain import Drain

_log = logging.getLogger(__name__)

LOCK_AGAIN_S = 2.0

WATCH_S = 20.0
"""How often the ledger is confirmed, whatever else is done with it."""

STOP_S = 8.0
"""How long the loops may still run after a stop; unfinished work is abandoned and stays dirty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Polls one source; `interval_s` is the time from the end of one poll to the next."""

    poller: Poller
    health: ServerHealth
    interval_s: float

    def follow(self, stop: threading.Event) -> None:
        """Poll until a stop is asked for; during an outage, wait."""
        while not stop.is_set():
            try:
                self.poller.poll()
            except PeerError as error:
                self.health.wait("poll", error)
            else:
                self.health.succeeded("poll")
                stop.wait(self.interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Runs the loops, and ends all of them when one fails.

    Attributes
    ----------
    drain_lock
        The right to drain; another process may have it for a while, such as a backfill.
    drain
        Builds the drain once we have that right.
    confirm_ledger
        Raises `LedgerReplaced` if the ledger is not the one that was opened: while all servers are away, nothing else
        looks at it.
    """

    followers: Sequence[Follower]
    drain_lock: Callable[[], AbstractContextManager[None]]
    drain: Callable[[], Drain]
    confirm_ledger: Callable[[], None]
    stop: threading.Event

    def run(self) -> None:
        """Run until a stop is asked for; raises what ended a loop."""
        _log.info("started", extra={"event": Event.STARTED})
        threads = ThreadGroup(self.stop)
        threads.start(self._drain)
        threads.start(self._watch)
        for follower in self.followers:
            threads.start(functools.partial(follower.follow, self.stop))
        self.stop.wait()
        _log.info("stopping", extra={"event": Event.STOP_REQUESTED})
        threads.join(STOP_S)
        _log.info("stopped", extra={"event": Event.STOPPED})

    def _drain(self) -> None:
        while not self.stop.is_set():
            try:
                with self.drain_lock():
                    _log.info("draining", extra={"event": Event.DRAIN_STARTED})
                    self.drain().run()
            except LedgerBusy:
                self.stop.wait(LOCK_AGAIN_S)

    def _watch(self) -> None:
        while not self.stop.wait(WATCH_S):
            self.confirm_ledger()
