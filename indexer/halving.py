"""Find what spoils the whole by halving."""

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
    """What is answered for these items; where all of them fail, each half of them is tried.

    Parameters
    ----------
    error
        Failures that one of the items may be to blame for.
    alone
        The answer for an item that fails by itself; may raise.
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
