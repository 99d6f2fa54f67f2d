"""Find the item that makes a request fail by halving."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.errors import PeerError

T = TypeVar("T")
R = TypeVar("R")


def by_halves(
    ask: Callable[[Sequence[T]], Sequence[R]],
    items: Sequence[T],
    *,
    error: type[PeerError] | tuple[type[PeerError], ...],
    alone: Callable[[T, PeerError], R],
) -> list[R]:
    """The answers for these items; if they fail together, each half is tried.

    Parameters
    ----------
    error
        Failures that a single item may cause.
    alone
        The answer for an item that fails alone; may raise.
    """
    if not items:
        return []
    try:
        return [*ask(items)]
    except error as failure:
        middle = len(items) // 2
        if not middle:
            return [alone(items[0], failure)]
    return [
        *by_halves(ask, items[:middle], error=error, alone=alone),
        *by_halves(ask, items[middle:], error=error, alone=alone),
    ]
