"""Drain the dirty studies: take, read, map, pack, send, settle, with reading and sending overlapping.

Each source has its own threads, one that takes and a few that read and map. One thread resolves for all sources, and
one sends. Bounded queues connect them, so memory stays bounded when the FHIR server is slow, and Bundles fill up when
reading is faster than writing.
"""

from __future__ import annotations

import functools
import logging
import queue
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from indexer.errors import TargetReplaced
from indexer.log import Event
from indexer.model import Deferred
from indexer.plan import MappedStudy
from indexer.sync.drain.guard import Guard
from indexer.sync.drain.pack import Collector
from indexer.sync.drain.queues import POLL_S, put
from indexer.sync.drain.report import Stats, log_settlement
from indexer.sync.drain.source_workers import IDLE_S, SourceWorkers
from indexer.sync.drain.study_reader import STUDIES_AT_ONCE
from indexer.sync.drain.take import Leases
from indexer.thread_group import ThreadGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.ledger import Ledger
    from indexer.model import Settlement
    from indexer.sync.drain.publish import Publisher
    from indexer.sync.drain.read import Reader
    from indexer.sync.drain.resolve import Resolved

_log = logging.getLogger(__name__)

ABANDON_S = 7.0
"""How long requests may still run after a stop; then they are abandoned, and their studies stay dirty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Studies for one Bundle that were resolved, and others that end without being sent.

    Attributes
    ----------
    epoch
        How often the FHIR server had been replaced by the time they were resolved.
    """

    settlements: Sequence[Settlement]
    resolved: Resolved | None = None
    epoch: int = 0


@dataclass(slots=True, kw_only=True)
class Drain:
    """One draining process; the caller holds the drain lock.

    Attributes
    ----------
    stop
        Ends the drain; what is under way is abandoned and stays dirty.
    on_replaced
        Called when the FHIR server turns out to be another one; makes it ready and marks what must be sent again.
    """

    ledger: Ledger
    reader: Reader
    publisher: Publisher
    stop: threading.Event
    on_replaced: Callable[[], None]
    clock: Callable[[], float] = time.time
    site_key: bytes = field(repr=False)
    stats: Stats = field(default_factory=Stats)
    _leases: Leases = field(init=False)
    _guard: Guard = field(init=False)
    _workers: list[SourceWorkers] = field(init=False)
    _collector: Collector = field(init=False)
    _batches: queue.Queue[Batch] = field(init=False)
    _epoch: int = field(default=0, init=False)
    _news: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        names = tuple(self.reader.studies.sources)
        self._leases = Leases(ledger=self.ledger, sources=names, clock=self.clock)
        self._guard = Guard(site_key=self.site_key)
        self._batches = queue.Queue(maxsize=1)
        # Small, so that reading does not run far ahead of sending and take the FHIR server's processors at the start.
        ready: queue.Queue[MappedStudy | Settlement] = queue.Queue(maxsize=STUDIES_AT_ONCE)
        self._workers = [
            SourceWorkers(
                name=name, reader=self.reader, leases=self._leases, guard=self._guard, ready=ready, stop=self.stop
            )
            for name in names
        ]
        self._collector = Collector(
            ready=ready,
            sender=self.publisher.sender,
            are_more_coming=lambda: any(workers.is_flowing for workers in self._workers),
            stop=self.stop,
        )

    def run(self, is_done: Callable[[], bool] | None = None) -> None:
        """Drain until a stop is asked for, or nothing is under way and `is_done`; raises what ended a thread."""
        sender = self.publisher.sender
        began, busy_s = time.monotonic(), sender.busy_s
        self.ledger.defer_unconfigured(tuple(self.reader.studies.sources))
        threads = ThreadGroup(self.stop)
        reading = [loop for workers in self._workers for loop in workers.loops]
        for loop in (self._write_loop, self._resolve_loop, *reading):
            threads.start(loop)
        threads.keep(lambda: self._wait_for_end(is_done))
        self._log_end(time.monotonic() - began, sender.busy_s - busy_s)
        threads.join(ABANDON_S)

    def _wait_for_end(self, is_done: Callable[[], bool] | None) -> None:
        while not self.stop.is_set():
            self._news.clear()
            self._leases.replay()
            if is_done is not None and self._leases.is_over(is_done):
                return
            self._news.wait(IDLE_S)

    def _log_end(self, duration_s: float, busy_s: float) -> None:
        facts = {
            "event": Event.DRAIN_ENDED,
            "duration_ms": round(1000 * duration_s),
            "busy_ms": round(1000 * busy_s),
            "published": self.stats.published,
            "quarantined": self.stats.quarantined,
        }
        _log.info("the drain ended", extra=facts)

    # --- resolve --------------------------------------------------------------------------------------------------

    def _resolve_loop(self) -> None:
        while not self.stop.is_set():
            items = self._collector.collect()
            settlements = [item for item in items if not isinstance(item, MappedStudy)]
            if settlements:
                put(self._batches, Batch(settlements=settlements), self.stop)
            studies = [item for item in items if isinstance(item, MappedStudy)]
            for batch in self._guard.each(self._resolved, studies) if studies else ():
                put(self._batches, batch if isinstance(batch, Batch) else Batch(settlements=[batch]), self.stop)

    def _resolved(self, studies: Sequence[MappedStudy]) -> list[Batch]:
        epoch = self._epoch
        resolved = self.publisher.resolver.resolve(studies, self.clock())
        return [Batch(settlements=resolved.settlements, resolved=resolved, epoch=epoch)]

    # --- send and settle ------------------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while not self.stop.is_set():
            with suppress(queue.Empty):
                batch = self._batches.get(timeout=POLL_S)
                self._settle([*batch.settlements, *self._written(batch)])

    def _written(self, batch: Batch) -> list[Settlement]:
        resolved = batch.resolved
        if resolved is None or not resolved.studies:
            return []
        try:
            if batch.epoch == self._epoch:
                return self._guard.each(functools.partial(self._write, resolved), resolved.studies)
        except TargetReplaced:
            self._epoch += 1
            self.on_replaced()
        return [Deferred(task=study.task, due_in_s=0.0, cause="target_replaced") for study in resolved.studies]

    def _write(self, resolved: Resolved, studies: Sequence[MappedStudy]) -> list[Settlement]:
        chance = random.random()  # noqa: S311 - jitter, not a secret
        return self.publisher.write(replace(resolved, studies=studies), self.clock(), chance)

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        self._leases.settle(settlements)
        for workers in self._workers:
            workers.wake()
        self._news.set()
        for settlement in settlements:
            self.stats.count(settlement)
            log_settlement(settlement, self.site_key)
