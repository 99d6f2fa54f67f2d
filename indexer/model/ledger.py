"""What the ledger tells for `status`, `show`, `quarantine` and the progress of a backfill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.model.study import StudyLocation
    from indexer.model.work import Lane, Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts and times of one source; times in epoch seconds, None for never.

    Attributes
    ----------
    waiting
        Dirty studies by the cause of their last deferral.
    patient_mismatch
        Published studies whose Patient seems to be another person.
    """

    source: str
    feed_position: int | None
    feed_epoch: int | None
    dirty: int
    dirty_live: int
    waiting: dict[str, int]
    oldest_dirty_at: float | None
    published: int
    patient_mismatch: int
    quarantined: int
    last_poll_at: float | None
    last_write_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """One study that could not be published.

    Attributes
    ----------
    text, hint
        What is wrong and what to do, without patient data.
    since
        Epoch seconds.
    """

    study_instance_uid: str
    cause: str
    text: str
    hint: str
    since: float
    locations: tuple[StudyLocation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyRow:
    """A study that waits for its turn."""

    generation: int
    lane: Lane
    reason: str
    first_event_at: float
    last_event_at: float
    due_at: float
    attempts: int
    last_cause: str | None
    is_leased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """All that the ledger knows of one study."""

    study_instance_uid: str
    locations: tuple[StudyLocation, ...]
    dirty: DirtyRow | None
    published: Published | None
    quarantine: QuarantineRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillProgress:
    """How far a backfill is, in studies; `instances` counts those of the published ones."""

    marked: int
    remaining: int
    quarantined: int
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """How one server is doing, as the process that drains last saw it.

    Attributes
    ----------
    server
        Unique name, such as ``orthanc main``.
    peer
        ``orthanc``, ``dicomweb`` or ``fhir``.
    since, next_try_at
        When the outage began, and when the server is asked again, in epoch seconds; None where it is well.
    cause
        Name of the error, empty where it is well.
    status
        HTTP status code, if an answer came.
    """

    server: str
    peer: str
    is_well: bool
    since: float | None = None
    next_try_at: float | None = None
    cause: str = ""
    status: int | None = None
