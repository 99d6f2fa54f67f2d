"""Bounded queues between threads that can be stopped."""

from __future__ import annotations

import queue
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import threading

T = TypeVar("T")

POLL_S = 0.1
"""A thread that has nothing to do sees a stop after this long at the latest."""


def put(where: queue.Queue[T], item: T, stop: threading.Event) -> None:
    """Wait for room, unless a stop was asked for."""
    while not stop.is_set():
        with suppress(queue.Full):
            where.put(item, timeout=POLL_S)
            return
