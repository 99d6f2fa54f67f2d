"""Drain the dirty studies: take, read, map, pack, send, settle, with reading and sending overlapping.

One thread takes, a few read and map, one looks, one sends. Between them stand bounded queues, so that memory stays
bounded when the FHIR server is slow, and full Bundles form by themselves when reading is faster than writing.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from indexer.errors import IndexerError, Interrupted, PeerError, TargetReplaced
from indexer.log import Event, study_key
from indexer.model import Deferred, Dropped, Lane, Quarantined, Settled
from indexer.sync.drain.prepared import Prepared
from indexer.thread_group import ThreadGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from indexer.model import Settlement, Study, StudyLocation, Task
    from indexer.sync.drain.publish import Publisher
    from indexer.sync.drain.read import Reader
    from indexer.sync.drain.resolve import Resolved
    from indexer.sync.protocols import Ledger

_log = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item", "Task", "Prepared")

LEASE_S = 900.0
IDLE_S = 0.5
"""Longest sleep of an idle loop; a new mark of another process is seen after this long at the latest."""

POLL_S = 0.1
"""A thread that has nothing to do sees a stop after this long at the latest."""

TASKS_AT_ONCE = 32
"""Studies that a reader takes at a time: what reading together costs an archive is shared by all of them."""

ABANDON_S = 7.0
"""After a stop, requests under way may end for this long; then they are abandoned and their studies stay dirty."""

MOST_ITEMS = 500
"""Studies that are settled together at the most, where nearly all of them are unchanged."""

LINGER_S = 1.0
"""A prepared study waits this long for company as long as others are being read."""


@dataclass(slots=True)
class Stats:
    """What a drain did so far."""

    published: int = 0
    unchanged: int = 0
    deferred: int = 0
    quarantined: int = 0
    instances: int = 0

    def count(self, settlement: Settlement) -> None:
        """Add one settlement."""
        match settlement:
            case Settled(published=None):
                self.unchanged += 1
            case Settled(published=published) if published is not None:
                self.published += 1
                self.instances += published.number_of_instances
            case Deferred():
                self.deferred += 1
            case Quarantined():
                self.quarantined += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A Bundle's worth of studies that were looked up, and others that end without being sent.

    Attributes
    ----------
    epoch
        How often the FHIR server had been replaced when they were looked up.
    """

    settled: tuple[Settlement, ...]
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
        Called when the FHIR server turns out to be another one; makes it ready and marks what has to be sent anew.
    clock
        Epoch seconds.
    """

    ledger: Ledger
    reader: Reader
    publisher: Publisher
    stop: threading.Event
    on_replaced: Callable[[], None]
    clock: Callable[[], float] = time.time
    readers: int = 2
    site_key: bytes = field(repr=False)
    stats: Stats = field(default_factory=Stats)
    _tasks: queue.Queue[Task] = field(init=False)
    _ready: queue.Queue[Prepared | Settlement] = field(init=False)
    _loads: queue.Queue[Batch] = field(init=False)
    _kept: Prepared | Settlement | None = field(default=None, init=False)
    _epoch: int = field(default=0, init=False)
    _under_way: set[str] = field(default_factory=set, init=False)
    _news: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._tasks = queue.Queue(maxsize=TASKS_AT_ONCE)
        self._loads = queue.Queue(maxsize=1)
        # Small, so that reading keeps pace with sending and leaves the FHIR server its processors at the beginning.
        self._ready = queue.Queue(maxsize=TASKS_AT_ONCE)

    def run(self, is_done: Callable[[], bool] | None = None) -> None:
        """Drain until a stop is asked for or, with nothing under way, `is_done` says so.

        Raises
        ------
        IndexerError
            Whatever ended a thread; the other threads are ended too.
        """
        sender = self.publisher.sender
        began, busy_s = time.monotonic(), sender.busy_s
        self.ledger.defer_unconfigured(tuple(self.reader.pipelines))
        threads = ThreadGroup(self.stop)
        for loop in (self._write_loop, self._look_loop, *[self._read_loop] * self.readers):
            threads.start(loop)
        threads.keep(lambda: self._take_loop(is_done))
        self._tell_end(time.monotonic() - began, sender.busy_s - busy_s)
        threads.join(ABANDON_S)

    def _tell_end(self, duration_s: float, busy_s: float) -> None:
        facts = {
            "event": Event.DRAIN_ENDED,
            "duration_ms": round(1000 * duration_s),
            "busy_ms": round(1000 * busy_s),
            "published": self.stats.published,
            "quarantined": self.stats.quarantined,
        }
        _log.info("the drain ended", extra=facts)

    # --- take -----------------------------------------------------------------------------------------------------

    def _take_loop(self, is_done: Callable[[], bool] | None) -> None:
        pace = RateLimiter(self.clock)
        while not self.stop.is_set():
            self._news.clear()
            tasks = self._take(pace)
            for task in tasks:
                self._put(self._tasks, task)
            if tasks:
                continue
            if is_done is not None and not self._under_way and is_done():
                return
            self._news.wait(self._idle_s())

    def _take(self, pace: RateLimiter) -> list[Task]:
        if not self._has_room():
            return []
        allowed = pace.allowed(self.ledger.backfill_rate())
        room = self._tasks.maxsize - self._tasks.qsize()
        limit, lane = (room, Lane.LIVE) if allowed < 1 else (int(min(room, allowed)), None)
        sources = tuple(self.reader.pipelines)
        tasks: list[Task] = []
        for source in sources:
            left = limit - len(tasks)
            tasks += self.ledger.take(self.clock(), left, LEASE_S, source=source, sources=sources, lane=lane)
        with self._lock:
            new = [task for task in tasks if task.study_instance_uid not in self._under_way]
            self._under_way.update(task.study_instance_uid for task in new)
        pace.took(sum(1 for task in new if task.lane is Lane.BACKFILL))
        return new

    def _has_room(self) -> bool:
        return 2 * self._tasks.qsize() <= self._tasks.maxsize

    def _idle_s(self) -> float:
        if not self._has_room():
            return IDLE_S
        dues = [self.ledger.next_due(self.clock(), source=source) for source in self.reader.pipelines]
        return min([IDLE_S, *(max(0.02, due_s) for due_s in dues if due_s is not None)])

    # --- read and map ---------------------------------------------------------------------------------------------

    def _read_loop(self) -> None:
        while not self.stop.is_set():
            with suppress(queue.Empty):
                for one in self._guarded(self._read, self._next_tasks()):
                    self._put(self._ready, one)

    def _next_tasks(self) -> list[Task]:
        tasks = [self._tasks.get(timeout=POLL_S)]
        with suppress(queue.Empty):
            while len(tasks) < TASKS_AT_ONCE:
                tasks.append(self._tasks.get_nowait())
        self._news.set()
        return tasks

    def _read(self, tasks: Sequence[Task]) -> list[Prepared | Settlement]:
        ahead = self.reader.read_ahead(tasks)
        return [self._prepared(task, ahead) for task in tasks]

    def _prepared(self, task: Task, ahead: Mapping[StudyLocation, Study]) -> Prepared | Settlement:
        if self.stop.is_set():
            raise Interrupted("a stop was asked for")
        try:
            return self.reader.prepare(task, ahead)
        except PeerError:
            names = {location.source for location in task.locations} & self.reader.pipelines.keys()
            self.stop.wait(max(self.reader.pipelines[name].wait_s for name in names))
            return Deferred(task=task, due_in_s=0.0, cause="source_unavailable")

    def _guarded(self, work: Callable[[Sequence[Item]], list[T]], items: Sequence[Item]) -> list[T | Quarantined]:
        """One bad study never stops another: what breaks the program is parted until the guilty one stands alone."""
        try:
            return [*work(items)]
        except IndexerError:
            raise  # a server, the ledger or the configuration: no fault of a study
        except Exception as error:  # noqa: BLE001 - the per-item guard
            middle: int = len(items) // 2
            if not middle:
                return [self._bug(_task_of(items[0]), error)]
            return [*self._guarded(work, items[:middle]), *self._guarded(work, items[middle:])]

    def _bug(self, task: Task, error: Exception) -> Quarantined:
        facts = {"event": Event.STUDY_FAILED, "study_key": study_key(self.site_key, task.study_instance_uid)}
        _log.error("a study broke the program", extra=facts, exc_info=error)
        return Quarantined(
            task=task,
            cause="internal_error",
            text=f"the program failed on this study: {type(error).__name__}",
            hint="Please report this with the log; the study can be replayed after an upgrade.",
        )

    # --- look -----------------------------------------------------------------------------------------------------

    def _look_loop(self) -> None:
        while not self.stop.is_set():
            items = self._collect()
            settled = tuple(item for item in items if not isinstance(item, Prepared))
            if settled:
                self._put(self._loads, Batch(settled=settled))
            prepared = [item for item in items if isinstance(item, Prepared)]
            for load in self._guarded(self._looked, prepared) if prepared else ():
                self._put(self._loads, load if isinstance(load, Batch) else Batch(settled=(load,)))

    def _looked(self, prepared: Sequence[Prepared]) -> list[Batch]:
        epoch = self._epoch
        resolved = self.publisher.resolver.resolve(prepared, self.clock())
        return [Batch(settled=tuple(resolved.settled), resolved=resolved, epoch=epoch)]

    def _collect(self) -> list[Prepared | Settlement]:
        """The next Bundle's worth: full, or nobody else is coming, or the first has waited long enough."""
        sender = self.publisher.sender
        items: list[Prepared | Settlement] = []
        size = entries = 0
        deadline = float("inf")
        while not self.stop.is_set() and len(items) < MOST_ITEMS and time.monotonic() < deadline:
            try:
                item = self._kept or self._ready.get(timeout=0.05 if items else POLL_S)
            except queue.Empty:
                if not items or len(items) >= len(self._under_way):
                    return items
                continue
            count, more = _weight(item)
            aim, most = sender.sizer.aim_bytes, sender.max_entries
            self._kept = item if entries and (size + more > aim or entries + count > most) else None
            if self._kept is not None:
                return items
            deadline = min(deadline, time.monotonic() + LINGER_S)
            items.append(item)
            size += more
            entries += count
            if size >= aim or entries > most - 2:
                return items
        return items

    # --- send and settle ------------------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while not self.stop.is_set():
            with suppress(queue.Empty):
                load = self._loads.get(timeout=POLL_S)
                self._settle([*load.settled, *(self._written(load) if load.resolved else ())])

    def _written(self, load: Batch) -> list[Settlement]:
        resolved = load.resolved
        if resolved is None or load.epoch != self._epoch:
            return [_put_off(one) for one in resolved.ready] if resolved else []
        try:
            return self._guarded(lambda some: self._write(replace(resolved, ready=[*some])), resolved.ready)
        except TargetReplaced:
            self._epoch += 1
            self.on_replaced()
            return [_put_off(one) for one in resolved.ready]

    def _write(self, resolved: Resolved) -> list[Settlement]:
        chance = random.random()  # noqa: S311 - jitter, not a secret
        return self.publisher.write(resolved, self.clock(), chance)

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        self.ledger.settle(settlements, self.clock())
        with self._lock:
            self._under_way.difference_update(one.task.study_instance_uid for one in settlements)
        self._news.set()
        for one in settlements:
            self.stats.count(one)
            self._tell(one)

    def _tell(self, one: Settlement) -> None:
        key = study_key(self.site_key, one.task.study_instance_uid)
        match one:
            case Settled(published=published) if published is not None:
                facts = {"event": Event.STUDY_PUBLISHED, "study_key": key, "count": published.number_of_instances}
                _log.debug("study published", extra=facts)
            case Quarantined(cause=cause):
                _log.warning(
                    "study quarantined", extra={"event": Event.STUDY_QUARANTINED, "study_key": key, "cause": cause}
                )
            case Deferred(cause=cause) if one.due_in_s > 0:
                _log.info("study waits", extra={"event": Event.STUDY_WAITS, "study_key": key, "cause": cause})
            case Deferred(cause=cause):
                _log.debug("study waits", extra={"event": Event.STUDY_WAITS, "study_key": key, "cause": cause})
            case Dropped():
                _log.info("study vanished", extra={"event": Event.STUDY_VANISHED, "study_key": key})
            case _:
                _log.debug("study unchanged", extra={"event": Event.STUDY_UNCHANGED, "study_key": key})

    def _put(self, where: queue.Queue[T], item: T) -> None:
        while not self.stop.is_set():
            with suppress(queue.Full):
                where.put(item, timeout=POLL_S)
                return


def _task_of(item: Task | Prepared) -> Task:
    return item.task if isinstance(item, Prepared) else item


def _put_off(one: Prepared) -> Deferred:
    return Deferred(task=one.task, due_in_s=0.0, cause="target_replaced")


def _weight(item: Prepared | Settlement) -> tuple[int, int]:
    """Entries and bytes that an item adds to a Bundle, at most."""
    if not isinstance(item, Prepared):
        return 0, 0
    entries = [item.entry] * item.is_changed
    if item.patient is not None and item.is_patient_due:
        entries.append(item.patient.entry)
    return len(entries), sum(entry.size for entry in entries)


@dataclass(slots=True)
class RateLimiter:
    """Holds backfill marks back to a rate; live changes are never held back."""

    clock: Callable[[], float]
    _tokens: float = 1.0
    _at: float | None = None

    def allowed(self, rate: float | None) -> float:
        """How many studies may be taken now, for a rate in studies per second; without a rate any number."""
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
