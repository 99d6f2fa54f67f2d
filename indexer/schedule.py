"""What follows from what was seen: how far the feed is certain, which studies are dirty, when to try again.

Pure: no I/O, no clock, no logging. How Orthanc's feed behaves is written up in ``docs/feed.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from indexer.model import Change, ChangePage, FeedPosition, Lane, Level, Mark, StudyLocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANCHORS = 16
"""Rows that are remembered to recognise a replaced database by."""

COMMIT_S = 60.0
"""Rows that are committed at the same time bear dates that are less apart than this."""

NOISE = frozenset({"UpdatedAttachment", "UpdatedMetadata", "Deleted", "NewChildInstance"})
"""Changes that say nothing about a study's content. The DICOMweb plugin writes an attachment for each series that
it serves metadata of, so that heeding UpdatedAttachment would make our own reading look like a change."""

ATTEMPTS = 5
"""Failures of a study's own before it goes to quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlingRule:
    """When a changed study is taken.

    Attributes
    ----------
    quiet_s
        After this long without a change; Orthanc's StableStudy comes earlier, but not when Orthanc was restarted.
    max_wait_s
        At the latest this long after the first change.
    """

    quiet_s: float = 70.0
    max_wait_s: float = 900.0


def anchor(change: Change) -> str:
    """A row's identity: a Seq is never used twice in one database."""
    return f"{change.change_type} {change.location_id} {change.date}"


def is_younger(row: Change, anchors: Mapping[int, str]) -> bool:
    """Whether a row was logged clearly after every anchor, `COMMIT_S` aside."""
    dates = [one.rsplit(" ", maxsplit=1)[1] for one in anchors.values()]
    return bool(dates) and earlier(row.date, COMMIT_S) > max(dates)


def earlier(server_time: str, seconds: float) -> str:
    """Orthanc's time stamp that lies `seconds` before `server_time`."""
    then = datetime.strptime(server_time[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) - timedelta(seconds=seconds)
    return then.strftime("%Y%m%dT%H%M%S")


def fresh(position: FeedPosition, page: ChangePage) -> tuple[Change, ...]:
    """Rows of a page that were not seen before."""
    return tuple(one for one in page.changes if one.seq > position.low and one.seq not in position.above)


def advance(position: FeedPosition, changes: Sequence[Change], now: float, *, grace_s: float, old: str) -> FeedPosition:
    """Position after rows were seen.

    A hole in Seq may still be filled, for PostgreSQL commits out of order: it is waited for. It is given up when the
    row above it was seen `grace_s` ago, or is itself older than `old`.

    Parameters
    ----------
    changes
        Rows that were not seen before; may be empty, then only time has passed.
    now
        Epoch seconds.
    old
        Orthanc time stamp: whatever was logged before has no late neighbours any more.
    """
    above = {seq: min(seen, now) for seq, seen in position.above.items()}
    above.update({one.seq: 0.0 if one.date < old else now for one in changes})
    low = position.low
    for seq in sorted(above):
        if seq != low + 1 and above[seq] > now - grace_s:
            break
        low = seq
        del above[seq]
    return replace(position, low=low, above=above, anchors=_anchors(position.anchors, changes))


def _anchors(known: Mapping[int, str], changes: Sequence[Change]) -> dict[int, str]:
    newest = {one.seq: anchor(one) for one in changes[-2:]}
    merged = {**known, **newest}
    return {seq: merged[seq] for seq in sorted(merged)[-ANCHORS:]}


def telling(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Changes that can mean new content of a study."""
    return tuple(one for one in changes if one.level not in (None, Level.PATIENT) and one.change_type not in NOISE)


def marks(
    changes: Sequence[Change], locations: Iterable[StudyLocation], rule: SettlingRule, *, is_history: bool
) -> tuple[Mark, ...]:
    """One mark per study that the changes speak of.

    A StableStudy makes it due at once, whatever follows in the same page: an early read costs an interim version at
    most, and what follows marks the study again.

    Parameters
    ----------
    locations
        The studies that the changes belong to.
    is_history
        The rows are so old that their studies are quiet by now; they do not go before live ones.
    """
    stable = {one.location_id for one in changes if one.change_type == "StableStudy"}
    lane = Lane.BACKFILL if is_history else Lane.LIVE
    return tuple(
        Mark(
            location=location,
            reason="StableStudy" if location.location_id in stable else "changes",
            lane=lane,
            quiet_s=0.0 if is_history or location.location_id in stable else rule.quiet_s,
            max_wait_s=rule.max_wait_s,
        )
        for location in sorted(locations)
    )


def backoff_s(attempt: int, *, first_s: float, most_s: float, chance: float) -> float:
    """Seconds to wait before try number `attempt` + 1: doubling, with jitter so that many do not come back at once.

    Parameters
    ----------
    chance
        A random number from 0 to 1.
    """
    return float(min(most_s, first_s * 2 ** min(attempt, 30))) * (0.5 + chance / 2)


def patience_s(waited_s: float, *, first_s: float, most_s: float) -> float:
    """Seconds to wait for what somebody else has to do: a quarter of the wait so far, so that the asking grows rare."""
    return min(most_s, max(first_s, waited_s / 4))


def epoch_text(at: float) -> str:
    """Time for a person, ISO 8601 in UTC to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
