"""What the flow needs from sources and the FHIR server. Edges implement these; tests have a second implementation each.

Every method may raise the `PeerError` family. These are not base classes: an implementation only has to match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

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
    """The changes that a source reports; not every source has a feed."""

    def end(self, *, has_overlap: bool = False) -> FeedPosition:
        """Position after the newest change; with an overlap, one that still waits for changes that come late.

        Whoever lists the studies after taking a position with an overlap, and follows the feed from it, misses no
        change, and is not told again of what could be seen before the list.
        """
        ...

    def pages(self, position: FeedPosition, holds_known: Callable[[], bool]) -> Iterator[FeedPage]:
        """What changed after a position, to the end of the feed; a page is requested when the one before is noted.

        If the source's database was replaced, the pages start at the first change of the new one, in a new epoch.

        Parameters
        ----------
        holds_known
            Whether the source still has any of its most recent studies; asked if the feed does not tell whether it is
            still the same.
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
        """All studies in the order of their location ids, or those after an id."""
        ...

    def find(self, study_instance_uid: str) -> tuple[StudyLocation, ...]:
        """The locations of a study; more than one if two patients have it."""
        ...

    def holds(self, location_id: str) -> bool:
        """Whether the study exists; only a clear 404 means that it does not."""
        ...

    def study_attributes(self, location_ids: Sequence[str]) -> Mapping[str, Attributes]:
        """Study-level attributes by location id; studies that no longer exist are left out."""
        ...

    def modalities(self, location_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Modalities of each study's series, by location id."""
        ...

    def read(self, location: StudyLocation) -> Study:
        """The whole study, without samples.

        Raises
        ------
        StudyVanished
            If it does not exist.
        StudyChanging
            If it changed while it was read.
        """
        ...

    def read_batch(self, locations: Sequence[StudyLocation]) -> Mapping[StudyLocation, Study]:
        """Those of these studies that are quicker to read in one request; the others are for `read`, for any reason."""
        ...


class AttributeSource(Protocol):
    """Datasets of single instances, for attributes that no database holds."""

    def sample(self, study: Study) -> tuple[Series, ...]:
        """The study's series with samples; raises `StudyNotReady` if the datasets cannot be read now."""
        ...

    def sample_batch(self, studies: Sequence[Study]) -> Sequence[tuple[Series, ...] | None]:
        """The same for several studies in one request, in order; None for each that is for `sample`, for any reason."""
        ...


class FhirTarget(Protocol):
    """A FHIR server."""

    @property
    def base_url(self) -> str:
        """Address without a trailing slash; identifies the server in the ledger."""
        ...

    def info(self) -> TargetInfo:
        """Read ``/metadata``; it is no error if that is forbidden, but it is if this is not a FHIR server."""
        ...

    def send(self, bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        """POST one Bundle of `count` entries; one result per entry, in order.

        Raises `AnswerLost` if it may have been carried out, also after a success whose answer is not complete.
        """
        ...

    def fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        """Read ``Type/id`` references, many in one request; None for each that does not exist or is deleted."""
        ...

    def find_studies(self, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Fetched, ...]]:
        """Every ImagingStudy with one of these UIDs as its ``urn:dicom:uid`` identifier, by UID."""
        ...

    def look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[dict[str, Any], ...]]:
        """The resources with each identifier, many in one request; raises `Refused` if it cannot search.

        Each has at least its type, id and identifiers, and a Patient its links, names, gender and birth date.
        """
        ...

    def studies_at(self, endpoint_id: str) -> Iterable[str]:
        """Ids of every ImagingStudy that refers to this Endpoint; raises `Refused` if it cannot be searched for."""
        ...
