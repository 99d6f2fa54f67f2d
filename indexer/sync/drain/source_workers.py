"""The threads that take, read and map the studies of one source, so that no source waits for another."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.errors import Interrupted, PeerError
from indexer.model import Deferred
from indexer.sync.drain.pack import LINGER_S
from indexer.sync.drain.queues import POLL_S, put
from indexer.sync.drain.read import AGAIN_S
from indexer.sync.drain.study_reader import STUDIES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from indexer.model import Settlement, Study, StudyLocation, Task
    from indexer.plan import MappedStudy
    from indexer.sync.drain.guard import Guard
    from indexer.sync.drain.read import Reader
    from indexer.sync.drain.study_reader import ConfiguredSource
    from indexer.sync.drain.take import Leases

IDLE_S = 0.5
"""Longest sleep of an idle loop: a mark by another process is seen this late at most."""


@dataclass(slots=True, kw_only=True)
class SourceWorkers:
    """Takes, reads and maps the studies of one source.

    A source that failed is not asked again until its health allows it, and then for one study only, to see whether it
    is back. Studies that were taken meanwhile are given back.

    Attributes
    ----------
    ready
        Mapped studies of all sources, and those that end without being sent.
    """

    name: str
    reader: Reader
    leases: Leases
    guard: Guard
    ready: queue.Queue[MappedStudy | Settlement]
    stop: threading.Event
    _tasks: queue.Queue[Task] = field(init=False)
    _being_read: int = field(default=0, init=False)
    _moved_at: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _news: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._tasks = queue.Queue(maxsize=STUDIES_AT_ONCE)

    @property
    def loops(self) -> list[Callable[[], None]]:
        """One thread takes, the others read."""
        return [self._take_loop, *[self._read_loop] * self._source.readers]

    @property
    def is_flowing(self) -> bool:
        """Whether studies are being read, and one got ahead a moment ago: nobody waits for a source that hangs."""
        return self._being_read > 0 and time.monotonic() < self._moved_at + LINGER_S

    def wake(self) -> None:
        """Take again: something may be due, or there is room."""
        self._news.set()

    @property
    def _source(self) -> ConfiguredSource:
        return self.reader.studies.sources[self.name]

    # --- take -----------------------------------------------------------------------------------------------------

    def _take_loop(self) -> None:
        while not self.stop.is_set():
            self._news.clear()
            room = self._room()
            tasks = self.leases.take(self.name, room) if room else []
            self._move(len(tasks))
            for task in tasks:
                put(self._tasks, task, self.stop)
            if not tasks:
                self._news.wait(self._idle_s())

    def _room(self) -> int:
        if self._source.is_failing:
            return int(self._source.wait_s == 0 and not self._being_read)
        used = self._tasks.qsize()
        return self._tasks.maxsize - used if 2 * used <= self._tasks.maxsize else 0

    def _idle_s(self) -> float:
        if not self._room():
            return min(IDLE_S, self._source.wait_s or IDLE_S)
        due_s = self.leases.due_s(self.name)
        return IDLE_S if due_s is None else min(IDLE_S, max(0.02, due_s))

    def _move(self, count: int) -> None:
        with self._lock:
            self._being_read += count
            self._moved_at = time.monotonic()

    # --- read and map ---------------------------------------------------------------------------------------------

    def _read_loop(self) -> None:
        while not self.stop.is_set():
            with suppress(queue.Empty):
                self._read(self._next_tasks())

    def _next_tasks(self) -> list[Task]:
        tasks = [self._tasks.get(timeout=POLL_S)]
        with suppress(queue.Empty):
            while len(tasks) < STUDIES_AT_ONCE:
                tasks.append(self._tasks.get_nowait())
        self.wake()
        return tasks

    def _read(self, tasks: Sequence[Task]) -> None:
        ahead: dict[StudyLocation, Study] = {}
        for studies in self.guard.each(self._read_ahead, tasks):
            if isinstance(studies, dict):
                ahead |= studies
        for task in tasks:
            for item in self.guard.each(lambda tasks: [self._mapped(tasks[0], ahead)], [task]):
                put(self.ready, item, self.stop)
                self._move(-1)
        self.wake()

    def _read_ahead(self, tasks: Sequence[Task]) -> list[dict[StudyLocation, Study]]:
        return [self.reader.studies.read_ahead([task.locations for task in tasks])]

    def _mapped(self, task: Task, ahead: Mapping[StudyLocation, Study]) -> MappedStudy | Settlement:
        if self.stop.is_set():
            raise Interrupted("a stop was asked for")
        if self._source.wait_s > 0:
            return Deferred(task=task, due_in_s=0.0, cause="source_unavailable")
        try:
            return self.reader.read(task, ahead)
        except PeerError as error:
            # If it is another source of the study that is down, this one goes on with its other studies.
            due_in_s = AGAIN_S if self._is_elsewhere(error) else 0.0
            return Deferred(task=task, due_in_s=due_in_s, cause="source_unavailable")

    def _is_elsewhere(self, error: PeerError) -> bool:
        others = (source for name, source in self.reader.studies.sources.items() if name != self.name)
        return any(error.peer in source.servers for source in others)
