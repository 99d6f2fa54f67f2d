"""Write lines to a descriptor without making anybody wait for who reads it."""

from __future__ import annotations

import os
import queue
import select
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_LINES = 10_000
"""Lines that wait for a reader; a line has 1,000 bytes at most."""

_RETRY_S = 1.0


@dataclass
class LineWriter:
    """Lines on their way to a descriptor; for any number of threads.

    A pipe that nobody reads, a full disk or a closed descriptor costs lines, and nothing else.

    Attributes
    ----------
    on_dropped
        Makes the line that says how many lines were dropped because nobody had read those before them.
    """

    descriptor: int
    on_dropped: Callable[[int], str]
    most_lines: int = MOST_LINES
    _lines: queue.Queue[str] = field(init=False, repr=False)
    _dropped: int = field(default=0, init=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._lines = queue.Queue(self.most_lines)

    def put(self, line: str) -> None:
        """Take a line, or count it as dropped; returns at once."""
        with self._lock:
            if self._thread is None:
                # A daemon thread: a reader that never reads cannot keep the process from ending.
                self._thread = threading.Thread(target=self._write_all, daemon=True, name="log")
                self._thread.start()
            try:
                self._lines.put_nowait(line)
            except queue.Full:
                self._dropped += 1

    def flush(self, within_s: float) -> bool:
        """Wait that long until all lines are written; whether they are."""
        with self._lines.all_tasks_done:
            return self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, within_s)

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            self._write(line)
            with self._lock:
                dropped, self._dropped = self._dropped, 0
            if dropped:
                self._write(self.on_dropped(dropped))
            self._lines.task_done()

    def _write(self, line: str) -> None:
        content = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            while content:
                content = content[self._written(content) :]
        except (OSError, ValueError):
            return  # no space, no reader or a closed descriptor: there is nowhere left to report it

    def _written(self, content: bytes) -> int:
        """Write what the descriptor takes now; the number of bytes."""
        try:
            return os.write(self.descriptor, content)
        except BlockingIOError:  # somebody made it non-blocking
            select.select((), (self.descriptor,), (), _RETRY_S)
            return 0
