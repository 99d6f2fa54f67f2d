"""Collect the studies of one Bundle."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.plan import MappedStudy
from indexer.sync.drain.queues import POLL_S

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from indexer.model import Settlement
    from indexer.sync.drain.send import BundleSender

MOST_ITEMS = 500
"""Most studies that are settled together; reached when nearly all of them are unchanged."""

ENTRY_BYTES = 160
"""Bytes that an entry takes in a Bundle besides its resource."""

LINGER_S = 1.0
"""A mapped study waits this long for others that are still being read."""


@dataclass(slots=True, kw_only=True)
class Collector:
    """Collects what goes into one Bundle: of `ready`, as much as suits `sender`, as long as `are_more_coming`."""

    ready: queue.Queue[MappedStudy | Settlement]
    sender: BundleSender
    are_more_coming: Callable[[], bool]
    stop: threading.Event
    _kept: MappedStudy | Settlement | None = field(default=None, init=False)

    def collect(self) -> list[MappedStudy | Settlement]:
        """The items of the next Bundle: it is full, no more are coming, or the first item has waited long enough."""
        items: list[MappedStudy | Settlement] = []
        size = entries = 0
        deadline = float("inf")
        while not self.stop.is_set() and len(items) < MOST_ITEMS and time.monotonic() < deadline:
            try:
                item = self._kept or self.ready.get(timeout=0.05 if items else POLL_S)
            except queue.Empty:
                if not items or not self.are_more_coming():
                    return items
                continue
            count, more = _weight(item)
            aim, most = self.sender.sizer.aim_bytes, self.sender.max_entries
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


def _weight(item: MappedStudy | Settlement) -> tuple[int, int]:
    """Entries and bytes that an item adds to a Bundle, at most."""
    if not isinstance(item, MappedStudy):
        return 0, 0
    bodies = [item.body, item.patient_body] if item.patient is not None else [item.body]
    return len(bodies), sum(len(body) + ENTRY_BYTES for body in bodies)
