"""What Orthanc's ``/changes`` says, and how far we have read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Level(StrEnum):
    """Orthanc's ResourceType."""

    PATIENT = "Patient"
    STUDY = "Study"
    SERIES = "Series"
    INSTANCE = "Instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the feed.

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
    location_id: str
    date: str


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
class FeedPosition:
    """How far one source's feed is certain.

    Attributes
    ----------
    low
        Every Seq up to this one was seen or is known never to come.
    above
        Seqs above `low` that were seen beyond a hole, each with the time of first sight (epoch seconds).
    anchors
        Some rows that were seen (Seq → ``ChangeType ID Date``), by which a replaced database is recognised.
    epoch
        Raised when the database behind the source was replaced.
    """

    low: int = 0
    above: Mapping[int, float] = field(default_factory=dict)
    anchors: Mapping[int, str] = field(default_factory=dict)
    epoch: int = 1
