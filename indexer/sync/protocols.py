"""What the flow needs of the world. Edges implement these; tests prove each by a second implementation.

Every method may raise the `PeerError` family. Nothing here is a base class: an implementation only has to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from indexer.model import (
        Attributes,
        EntryResult,
        FeedPage,
        FeedPosition,
        Fetched,
        Lookup,
        Series,
        Study,
        StudyLocation,
        TargetInfo,
    )


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

    def send(self, bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
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
