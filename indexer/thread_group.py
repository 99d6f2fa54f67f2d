"""Threads that end together: the first failure stops all of them and is raised by `ThreadGroup.join`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from indexer.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


@dataclass(slots=True)
class ThreadGroup:
    """Loops that run in parallel until `stop` is set, by anybody or because one of them failed.

    Threads are daemons: a request that hangs cannot keep the process from ending.
    """

    stop: threading.Event
    _threads: list[threading.Thread] = field(default_factory=list)
    _failure: BaseException | None = None

    def start(self, loop: Callable[[], None]) -> None:
        """Run a loop in a thread of its own."""
        thread = threading.Thread(target=self.keep, args=(loop,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def keep(self, loop: Callable[[], None]) -> None:
        """Run a loop in this thread; its failure is raised by `join`."""
        with self:
            loop()

    @property
    def is_alive(self) -> bool:
        """Whether a thread still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def wait(self, seconds: float) -> None:
        """Wait that long, or until no thread runs any more."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def join(self, within_s: float) -> None:
        """Stop, wait that long for the threads, and raise the first failure."""
        self.stop.set()
        self.wait(within_s)
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self.stop.set()
        if error is not None and not isinstance(error, Interrupted):
            self._failure = self._failure or error
        return True
