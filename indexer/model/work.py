"""The dirty studies: marks, taken tasks and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from indexer.model.study import StudyLocation
    from indexer.model.target import ResourceKey


class Lane(IntEnum):
    """Live changes go before backfill marks."""

    LIVE = 0
    BACKFILL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Word that a study may have changed.

    Attributes
    ----------
    reason
        Short word: the ChangeType, or ``backfill``, ``replay``, ``epoch``, ``target``.
    quiet_s
        Take the study when nothing was heard of it for this long; 0 takes it at once.
    max_wait_s
        Take it at the latest this long after the first mark, however restless it is.
    force
        Send even if what would be sent is what was last confirmed.
    """

    location: StudyLocation
    reason: str
    lane: Lane = Lane.LIVE
    quiet_s: float = 0.0
    max_wait_s: float = 0.0
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the FHIR server confirmed last of one study.

    Attributes
    ----------
    fingerprint
        SHA-256 of the resource as it is sent if nobody else wrote into it.
    mapping_generation
        Generation of the mapping that made it; a raised one makes everything anew.
    patient_key
        Keyed hash of the patient's identifier, None where the study refers to no Patient resource.
    is_shared
        Whether that version holds what others wrote, so that an update has to be merged into it.
    references
        Digest of the literal references that were bound into it.
    patient_mismatch
        Whether its Patient seems to be another person.
    """

    study_instance_uid: str
    fhir_id: str
    version_id: str | None
    fingerprint: str
    mapping_generation: int
    last_update: str | None
    number_of_series: int
    number_of_instances: int
    patient_key: str | None
    published_at: float = 0.0
    is_shared: bool = False
    references: str = ""
    patient_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What the FHIR server confirmed last of one Patient.

    Attributes
    ----------
    patient_key
        Keyed hash of system and value of the identifier.
    fingerprint
        SHA-256 of what our study says of the patient; empty if nothing of it was written yet.
    basis
        ``StudyDate StudyTime StudyInstanceUID`` of the study whose demographics were sent; a study with a smaller
        basis does not change them.
    names
        Short hashes of the different names that were met under this number, at most `MAX_NAMES`.
    is_ours
        Whether we made it; a Patient that was there before is only referred to.
    version_id, is_shared
        As with `Published`.
    decided_for
        Digest of the name, gender and birth date of the study for which somebody decided that the patient is this one
        (``quarantine resolve``); empty if nobody did.
    """

    patient_key: str
    fhir_id: str
    fingerprint: str
    basis: str
    names: tuple[str, ...] = ()
    is_ours: bool = True
    version_id: str | None = None
    is_shared: bool = False
    decided_for: str = ""

    MAX_NAMES: ClassVar[int] = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What the FHIR server confirmed last of one source's Endpoint.

    Attributes
    ----------
    fingerprint, version_id, is_shared
        As with `Published`.
    """

    source: str
    fhir_id: str
    fingerprint: str
    version_id: str | None = None
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What we wrote into one resource, packed.

    Attributes
    ----------
    confirmed
        What the server confirmed last, None before the first time.
    pending
        What was to be sent after that; whether it arrived was never recorded. None if nothing was.
    """

    confirmed: bytes | None = None
    pending: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A dirty study, taken under a lease.

    Attributes
    ----------
    is_abandoned
        A process died while it had the study: the target may hold what was never settled.
    """

    study_instance_uid: str
    generation: int
    locations: tuple[StudyLocation, ...]
    lane: Lane
    reason: str
    attempts: int
    first_event_at: float
    force: bool
    is_abandoned: bool = False
    published: Published | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Published, or found unchanged: the dirty row goes if its generation is still the one that was taken.

    Attributes
    ----------
    published
        What the server confirmed; None if the study was unchanged and nothing was sent.
    written
        What the server confirmed, for the memory of the next merge.
    """

    task: Task
    published: Published | None
    patient: Patient | None = None
    written: tuple[ResourceKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The source does not hold the study any more: nothing to publish, nothing is removed from the target."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Tried in vain: stays dirty.

    Attributes
    ----------
    due_in_s
        Seconds until it is taken again.
    cause
        Short word for `status`.
    counts
        Whether this was the study's own failure, which counts towards quarantine, or only an outage.
    patient, written
        What the server confirmed of its Patient all the same.
    """

    task: Task
    due_in_s: float
    cause: str
    counts: bool = False
    patient: Patient | None = None
    written: tuple[ResourceKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Cannot be published; kept aside with its cause until it changes or is replayed.

    Attributes
    ----------
    cause
        Short word from a closed set.
    text
        What is wrong, for the operator, without patient data.
    hint
        What to do.
    is_retried
        Whether it is tried again by itself: the FHIR server refused it, and may take it another time.
    patient, written
        What the server confirmed of its Patient all the same.
    """

    task: Task
    cause: str
    text: str
    hint: str
    is_retried: bool = False
    patient: Patient | None = None
    written: tuple[ResourceKey, ...] = ()


Settlement = Settled | Dropped | Deferred | Quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRun:
    """A backfill that marks, then waits until its marks are settled.

    Attributes
    ----------
    cursor
        Name of a source and last location id there that was marked, in sorted order; empty at the start.
    feed_position
        Where that source's feed was before it was listed, as `FeedPosition.text`; empty if nothing is to follow it.
    marked
        Studies that were marked so far.
    rate
        Studies per second at most, None without a limit.
    """

    run_id: int
    cursor: str
    feed_position: str
    marked: int
    is_marked: bool
    started_at: float
    rate: float | None = None
