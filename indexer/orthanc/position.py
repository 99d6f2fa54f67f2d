"""How far an Orthanc's list of changes is certain, and which of its rows tell something.

Pure: no I/O, no clock, no logging. How the list behaves is written up in ``docs/feed.md``.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANCHORS = 16
"""Rows that are remembered to recognise a replaced database by."""

COMMIT_S = 60.0
"""Rows that are committed at the same time bear dates that are less apart than this."""

_STAMP = re.compile(r"\d{8}T\d{6}(\.\d+)?", re.ASCII)
"""Form of Orthanc's time stamps, fractions of a second allowed; `datetime.strptime` takes shorter ones, too."""

_FORMAT = "%Y%m%dT%H%M%S"
_YEARS = range(1970, 9999)
"""Years in which a clock may be, with room to reckon on both sides."""

NOISE = frozenset({"UpdatedAttachment", "UpdatedMetadata", "Deleted", "NewChildInstance"})
"""Changes that say nothing about a study's content. The DICOMweb plugin writes an attachment for each series that
it serves metadata of, so that heeding UpdatedAttachment would make our own reading look like a change."""


class Level(StrEnum):
    """Orthanc's ResourceType."""

    PATIENT = "Patient"
    STUDY = "Study"
    SERIES = "Series"
    INSTANCE = "Instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of ``/changes``.

    Attributes
    ----------
    level
        None for a resource type that this program does not know.
    date
        Orthanc's own clock, ``YYYYMMDDTHHMMSS`` in UTC, taken before the row was committed.
    """

    seq: int
    change_type: str
    level: Level | None
    orthanc_id: str
    date: str

    @property
    def anchor(self) -> str:
        """The row's identity: a Seq is never used twice in one database."""
        return f"{self.change_type} {self.orthanc_id} {self.date}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """One answer of ``/changes``, rows in ascending Seq.

    Attributes
    ----------
    last
        As the server says it. On an empty page it comes from another counter and must never move the position.
    """

    changes: tuple[Change, ...]
    done: bool
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeqPosition:
    """How far the list is certain.

    Attributes
    ----------
    low
        Every Seq up to this one was seen or is known never to come.
    above
        Seqs above `low` that were seen beyond a hole, each with the time of first sight (epoch seconds).
    anchors
        Some rows that were seen (Seq → ``ChangeType ID Date``), by which a replaced database is recognised.
    """

    low: int = 0
    above: Mapping[int, float] = field(default_factory=dict)
    anchors: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, cursor: str) -> SeqPosition:
        """Read what `cursor` wrote; the start from an empty text."""
        values = orjson.loads(cursor) if cursor else {}
        return cls(low=values.get("low", 0), above=_by_seq(values.get("above")), anchors=_by_seq(values.get("anchors")))

    @property
    def cursor(self) -> str:
        """The position as JSON; the same text for the same position."""
        return orjson.dumps(asdict(self), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS).decode()


def _by_seq(values: Mapping[str, Any] | None) -> dict[int, Any]:
    return {int(seq): value for seq, value in (values or {}).items()}


def is_younger(row: Change, anchors: Mapping[int, str]) -> bool:
    """Whether a row was logged clearly after every anchor, `COMMIT_S` aside."""
    dates = [anchor.rsplit(" ", maxsplit=1)[1] for anchor in anchors.values()]
    return bool(dates) and earlier(row.date, COMMIT_S) > max(dates)


def moment(stamp: str) -> datetime:
    """Point in time that a stamp of Orthanc's names; ValueError if it names none, or a year that no archive has."""
    if not _STAMP.fullmatch(stamp):
        raise ValueError("no stamp")
    point = datetime.strptime(stamp[:15], _FORMAT).replace(tzinfo=UTC)
    if point.year not in _YEARS:
        raise ValueError("a year out of range")
    return point


def earlier(stamp: str, seconds: float) -> str:
    """Orthanc's time stamp that lies `seconds` before another."""
    return (moment(stamp) - timedelta(seconds=seconds)).strftime(_FORMAT)


def fresh(position: SeqPosition, page: ChangePage) -> tuple[Change, ...]:
    """Rows of a page that were not seen before."""
    return tuple(row for row in page.changes if row.seq > position.low and row.seq not in position.above)


def advance(position: SeqPosition, changes: Sequence[Change], now: float, *, grace_s: float, old: str) -> SeqPosition:
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
    above = {seq: min(seen_at, now) for seq, seen_at in position.above.items()}
    above.update({row.seq: 0.0 if row.date < old else now for row in changes})
    low = position.low
    for seq in sorted(above):
        if seq != low + 1 and above[seq] > now - grace_s:
            break
        low = seq
        del above[seq]
    return replace(position, low=low, above=above, anchors=_anchors(position.anchors, changes))


def _anchors(known: Mapping[int, str], changes: Sequence[Change]) -> dict[int, str]:
    merged = {**known, **{row.seq: row.anchor for row in changes[-2:]}}
    return {seq: merged[seq] for seq in sorted(merged)[-ANCHORS:]}


def telling(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Changes that can mean new content of a study."""
    return tuple(row for row in changes if row.level not in (None, Level.PATIENT) and row.change_type not in NOISE)
