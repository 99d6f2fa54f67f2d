"""Kills its own process, as ``kill -9`` does, at a named point.

The points are put around the program's own functions from outside: the product knows nothing of them.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from indexer.fhir import FhirServer
from indexer.ledger import Ledger
from indexer.model import Settled

Function = Any


def _carries_studies(_self: object, bundle: bytes, _count: int) -> bool:
    return b'"ImagingStudy/' in bundle


def _has_marks(_self: object, _source: str, marks: list[Any], *_: object) -> bool:
    return bool(marks)


def _publishes(_self: object, settlements: list[Any], *_: object) -> bool:
    return any(isinstance(one, Settled) and one.published for one in settlements)


def _always(*_: object) -> bool:
    return True


POINTS: dict[str, tuple[type, str, str, Callable[..., bool]]] = {
    "after-poll-commit": (Ledger, "note", "after", _has_marks),
    "before-send": (FhirServer, "send", "before", _carries_studies),
    "after-send": (FhirServer, "send", "after", _carries_studies),
    "before-settle": (Ledger, "settle", "before", _publishes),
    "after-settle": (Ledger, "settle", "after", _publishes),
    "in-backfill": (Ledger, "backfill_mark", "after", _always),
}


def arm(point: str, count: int) -> None:
    """Make the `count`-th pass of the point this process's last."""
    owner, name, when, is_meant = POINTS[point]
    inner: Function = getattr(owner, name)
    passes = 0

    def die() -> None:
        nonlocal passes
        passes += 1
        if passes >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    def outer(*arguments: Any, **options: Any) -> Any:
        meant = is_meant(*arguments)
        if meant and when == "before":
            die()
        result = inner(*arguments, **options)
        if meant and when == "after":
            die()
        return result

    setattr(owner, name, outer)
