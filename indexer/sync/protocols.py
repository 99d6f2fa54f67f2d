"""What the flow needs of the world. Edges implement these; tests prove each by a second implementation.

Every method may raise the `PeerError` family (servers) or the `LedgerError` family (ledger). Nothing here is a base
class: an implementation only has to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from indexer.model import (
        Attributes,
        BackfillRun,
        EndpointState,
        EntryResult,
        FeedPage,
        FeedPosition,
        Fetched,
        Lane,
        Lookup,
        Mark,
        Patient,
        Published,
        ResourceKey,
        Series,
        Settlement,
        Study,
        StudyLocation,
        TargetInfo,
        Task,
        Written,
    )
    from indexer.model.ledger import BackfillProgress, HealthState, QuarantineRow, StudyRow, Summary


class ChangeFeed(Protocol):
    """What a source tells of its changes; not every source has one."""

    def end(self, *, has_overlap: bool = False) -> FeedPosition:
        """Position after the newest change.

        Parameters
        ----------
        has_overlap
            So far before it that no change is missed that becomes visible late.
        """
        ...

    def pages(self, position: FeedPosition, holds_known: Callable[[], bool]) -> Iterator[FeedPage]:
        """What changed after a position, to the end of the feed; each page is asked for when the one before is noted.

        If another database stands behind the source now, the pages begin at its first change, in a new epoch.

        Parameters
        ----------
        holds_known
            Whether the source holds any of the studies that were seen in it last; asked where the feed does not tell
            whether it is still the same.
        """
        ...


class StudySource(Protocol):
    """The studies of one source, read from its database, never from pixel files."""

    @property
    def name(self) -> str:
        """Stable name of the source, part of the state."""
        ...

    def ping(self) -> str:
        """Version of the server; raises `Unavailable` when it is down."""
        ...

    def list_locations(self, after: str = "") -> Iterator[StudyLocation]:
        """All studies in the order of their location ids, those after an id alone if one is given."""
        ...

    def find(self, study_instance_uid: str) -> tuple[StudyLocation, ...]:
        """Where a study stands here; more than once if two patients have it."""
        ...

    def holds(self, location_id: str) -> bool:
        """Whether the study exists; only a clear 404 says no."""
        ...

    def study_attributes(self, location_ids: Sequence[str]) -> Mapping[str, Attributes]:
        """Study-level attributes by location id; what is gone is left out."""
        ...

    def modalities(self, location_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Modality values of each study's series, by location id of the study."""
        ...

    def read(self, location: StudyLocation) -> Study:
        """The whole study as it stands, `sampled` left empty.

        Raises
        ------
        StudyVanished
            If it does not exist.
        StudyChanging
            If it changed while it was read.
        """
        ...

    def read_batch(self, locations: Sequence[StudyLocation]) -> Mapping[StudyLocation, Study]:
        """Those of these studies that are quicker read at one go; the others are for `read`, whatever is the reason."""
        ...


class AttributeSource(Protocol):
    """Datasets of single instances, for attributes that no database holds."""

    def sample(self, study: Study) -> tuple[Series, ...]:
        """The study's series with `sampled` filled.

        Raises
        ------
        StudyNotReady
            If the datasets cannot be read now.
        """
        ...

    def sample_batch(self, studies: Sequence[Study]) -> Sequence[tuple[Series, ...] | None]:
        """The same for several studies at one go, in order; None for each that is for `sample`, whatever the reason."""
        ...


class FhirTarget(Protocol):
    """A FHIR server."""

    @property
    def base_url(self) -> str:
        """Address without a trailing slash; names the target in the ledger."""
        ...

    def info(self) -> TargetInfo:
        """Read ``/metadata``; a statement that nobody may read is no error, another server at the address is."""
        ...

    def send(self, bundle: bytes, count: int) -> tuple[EntryResult, ...]:
        """POST one Bundle of `count` entries; one result per entry, in order.

        Raises
        ------
        AnswerLost, Unavailable, AccessDenied, Conflict, TooLarge, Refused, ProtocolViolation
            For the Bundle as a whole.
        """
        ...

    def fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        """Read ``Type/id`` references in one request; None for each that does not exist or is deleted."""
        ...

    def find_studies(self, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Fetched, ...]]:
        """Every ImagingStudy that bears one of these UIDs as its ``urn:dicom:uid`` identifier, by UID."""
        ...

    def look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[str, ...]]:
        """References of the resources that bear each identifier, one request for many; none is left out.

        A Patient that names another one in whose place it stood counts as that one.
        """
        ...

    def studies_at(self, endpoint_id: str) -> Iterable[str]:
        """Ids of every ImagingStudy that refers to this Endpoint."""
        ...


class Ledger(Protocol):
    """The durable state. Every writing method is one transaction. Times are epoch seconds."""

    def site_key(self) -> bytes:
        """Secret behind all keyed hashes, 32 bytes, made at first use."""
        ...

    def patient_system(self, source: str) -> tuple[str, bool]:
        """``urn:uuid:`` system for this source's numbers without an issuer, and whether it was made just now."""
        ...

    def open_target(self, base_url: str) -> None:
        """Make `base_url` the target that `published`, `patients` and `endpoint` speak of."""
        ...

    def reset_target(self, base_url: str) -> None:
        """The same address, but another or an emptied server: nothing counts as sent any more."""
        ...

    def drained_target(self) -> str | None:
        """Address of the target that was drained to last, None before the first time."""
        ...

    def put_drained_target(self, base_url: str) -> None:
        """Record that this target is drained to from now on."""
        ...

    def drain_lock(self) -> AbstractContextManager[None]:
        """Hold the right to drain; ends the leases of a dead owner. Raises `LedgerBusy` if its owner lives."""
        ...

    def drainer_alive(self) -> bool:
        """Whether some process holds the drain lock."""
        ...

    def position(self, source: str) -> FeedPosition | None:
        """Feed position, None before the first poll."""
        ...

    def note(self, source: str, marks: Sequence[Mark], position: FeedPosition, now: float) -> None:
        """Mark studies dirty and move the position, together."""
        ...

    def mark(self, marks: Sequence[Mark], now: float) -> None:
        """Mark studies dirty; the generation of each rises."""
        ...

    def locations(self, source: str, limit: int = 0) -> tuple[StudyLocation, ...]:
        """Known locations in a source, newest first; all of them without a limit."""
        ...

    def take(
        self,
        now: float,
        limit: int,
        lease_s: float,
        *,
        source: str,
        sources: Sequence[str],
        lane: Lane | None = None,
    ) -> tuple[Task, ...]:
        """Lease due studies that one source's pipeline reads: live before backfill, oldest due first.

        Parameters
        ----------
        sources
            The configured ones in their order; the first of them that has a study reads it.
        lane
            Studies of this lane only.
        """
        ...

    def next_due(self, now: float, *, source: str) -> float | None:
        """Seconds until something of a source is due that is not leased; None if nothing else of it is dirty."""
        ...

    def defer_unconfigured(self, sources: Sequence[str]) -> None:
        """Dirty studies that stand in none of these sources say so; no pipeline takes them."""
        ...

    def settle(self, settlements: Sequence[Settlement], now: float) -> None:
        """End tasks; a study that was marked meanwhile stays dirty."""
        ...

    def published(self, study_instance_uids: Sequence[str]) -> Mapping[str, Published]:
        """What the present target confirmed, by StudyInstanceUID."""
        ...

    def published_uids(self) -> frozenset[str]:
        """Every study that the present target confirmed."""
        ...

    def patients(self, patient_keys: Sequence[str]) -> Mapping[str, Patient]:
        """What the present target confirmed of Patients, by key."""
        ...

    def endpoint(self, source: str) -> EndpointState | None:
        """The source's Endpoint as the present target holds it."""
        ...

    def endpoint_id(self, source: str) -> str | None:
        """Id that the source's Endpoint bears at any target, once one was published."""
        ...

    def put_endpoint(self, state: EndpointState) -> None:
        """Record a source's Endpoint as the present target holds it."""
        ...

    def record_pending(self, bodies: Mapping[ResourceKey, bytes]) -> Mapping[ResourceKey, Written]:
        """Record what is about to be sent to the present target, packed; what was written before."""
        ...

    def forget_patients(self, patient_keys: Sequence[str]) -> None:
        """The present target holds these Patients no longer."""
        ...

    def backfill_begin(self, digest: str, now: float, rate: float | None) -> BackfillRun:
        """The unfinished run of the same options, or a new one."""
        ...

    def backfill_mark(self, run: BackfillRun, marks: Sequence[Mark], cursor: str, now: float) -> BackfillRun:
        """Mark a chunk for a run and move its cursor, together."""
        ...

    def backfill_marked(self, run: BackfillRun) -> BackfillRun:
        """All marks of the run are made."""
        ...

    def backfill_progress(self, run: BackfillRun) -> BackfillProgress:
        """How far the run is."""
        ...

    def backfill_finish(self, run: BackfillRun, now: float) -> None:
        """Nothing of the run is dirty any more."""
        ...

    def backfill_rate(self) -> float | None:
        """Lowest rate that an unfinished run asks for, in studies per second."""
        ...

    def put_health(self, states: Sequence[HealthState]) -> None:
        """Record how servers do; the drain lock's next owner forgets it."""
        ...

    def health(self) -> tuple[HealthState, ...]:
        """How each server did when it was recorded last, by name."""
        ...

    def summary(self, source: str, now: float) -> Summary:
        """Counts and times for `status`."""
        ...

    def study(self, study_instance_uid: str) -> StudyRow | None:
        """All that is known of one study."""
        ...

    def quarantine(self) -> tuple[QuarantineRow, ...]:
        """Studies in quarantine, oldest first."""
        ...

    def replay(self, study_instance_uids: Sequence[str], now: float, *, sources: Sequence[str]) -> int:
        """Mark studies of the quarantine dirty again (all without a UID), where these sources read them; how many."""
        ...

    def record_poll(self, source: str, now: float) -> None:
        """A poll of this source went well."""
        ...

    def backup(self, path: Path) -> None:
        """Write a consistent copy of the ledger to a new file."""
        ...
