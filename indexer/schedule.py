"""When something is due: a study that changed, what failed, what somebody else has to do first.

Pure: no I/O, no clock, no logging.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from indexer.model import Lane, Mark

if TYPE_CHECKING:
    from indexer.model import FeedPage

ATTEMPTS = 5
"""Failures of a study's own before it goes to quarantine."""

FIRST_S, LONGEST_S = 30.0, 6 * 3600.0
"""First and longest delay before a study is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlingRule:
    """When a changed study is taken.

    Attributes
    ----------
    quiet_s
        After this long without a change; the source may say earlier that it is quiet.
    max_wait_s
        At the latest this long after the first change.
    """

    quiet_s: float = 70.0
    max_wait_s: float = 900.0


def marks(page: FeedPage, rule: SettlingRule) -> tuple[Mark, ...]:
    """One mark per study that changed.

    A study that the source says to be quiet is due at once, whatever follows in the same page: an early read costs an
    interim version at most, and what follows marks the study again. In a page that is older than the longest wait all
    are quiet by now; they do not go before live ones.
    """
    is_history = page.age_s > rule.max_wait_s
    return tuple(
        Mark(
            location=location,
            reason="quiet" if location.location_id in page.quiet else "changes",
            lane=Lane.BACKFILL if is_history else Lane.LIVE,
            quiet_s=0.0 if is_history or location.location_id in page.quiet else rule.quiet_s,
            max_wait_s=rule.max_wait_s,
        )
        for location in page.locations
    )


def backoff_s(attempt: int, chance: float) -> float:
    """Seconds to wait before try number `attempt` + 1: doubling, with jitter so that many do not come back at once.

    Parameters
    ----------
    chance
        A random number from 0 to 1.
    """
    return min(LONGEST_S, FIRST_S * 2.0 ** min(attempt, 30)) * (0.5 + chance / 2)


def recheck_s(waited_s: float, *, first_s: float = FIRST_S) -> float:
    """Seconds to wait for what somebody else has to do: a quarter of the wait so far, so that checks grow rarer."""
    return min(LONGEST_S, max(first_s, waited_s / 4))


def epoch_text(at: float) -> str:
    """Time for a person, ISO 8601 in UTC to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
