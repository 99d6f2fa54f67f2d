"""Second implementations of the flow's Protocols in memory, with faults by script.

`MemorySource` is a `ChangeFeed`, a `StudySource` and an `AttributeSource` over plain `Study` values; `MemoryTarget` is
a `FhirTarget` over dicts. Both are for any number of threads. `tests.fakes.listing` has an archive without a feed.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from indexer.errors import Conflict, Refused, TooLarge
from indexer.model import EntryResult, FeedPage, FeedPosition, Fetched, Lookup, Study, StudyLocation, TargetInfo
from tests.fakes.fhir_store import Habits, HttpError, Json, Store
from tests.fakes.listing import ListedArchive, study
from tests.fakes.script import Clock, Script

__all__ = ["Clock", "MemorySource", "MemoryTarget", "study"]


@dataclass(frozen=True, slots=True)
class Row:
    """One change of a `MemorySource`."""

    seq: int
    location: StudyLocation
    is_quiet: bool
    at: float


class MemorySource(ListedArchive):
    """An archive with ids of its own and a feed of its changes: one row for each time that a study was stored.

    Attributes
    ----------
    database
        Another one stands behind the source when it changes.
    is_doubtful
        The feed does not tell whether it is the same, and asks whether a known study is still there.
    page_size
        Rows of a page.
    """

    def __init__(self, clock: Clock, name: str = "main") -> None:
        super().__init__(clock, name)
        self.rows: list[Row] = []
        self.seq = 0
        self.database = 1
        self.is_doubtful = False
        self.page_size = 1000

    def put(self, one: Study, *, location_id: str | None = None, stable: bool = True) -> StudyLocation:
        """Store a study or its new state; the feed says so, and whether it is quiet by now."""
        with self._lock:
            location = super().put(one, location_id=location_id)
            self.seq += 1
            self.rows.append(Row(self.seq, location, stable, self._clock()))
        return location

    def location_id(self, study_instance_uid: str) -> str:
        return f"orthanc-{study_instance_uid}"

    def remove(self, location_id: str) -> None:
        """Delete a study: its rows go with it, and none is added."""
        with self._lock:
            super().remove(location_id)
            self.rows = [row for row in self.rows if row.location.location_id != location_id]

    def replace_database(self) -> None:
        """Begin anew with an empty database."""
        with self._lock:
            self.studies, self.rows, self.seq, self.database = {}, [], 0, self.database + 1

    # -- ChangeFeed ------------------------------------------------------------------------------------------------

    def end(self, *, has_overlap: bool = False) -> FeedPosition:
        self.script.play("end")
        return self._position(self.seq, epoch=1)

    def pages(self, position: FeedPosition, holds_known: Callable[[], bool]) -> Iterator[FeedPage]:
        epoch, (database, seq) = position.epoch, (position.cursor or f"{self.database}/0").split("/")
        is_replaced = database != str(self.database) or (self.is_doubtful and not holds_known())
        reached, is_done = int(seq), False
        if is_replaced:
            reached, epoch = 0, epoch + 1
        while not is_done:
            self.script.play("changes")
            with self._lock:
                rows = [row for row in self.rows if row.seq > reached]
                shown = rows[: self.page_size]
                is_done = len(shown) == len(rows)
                reached = shown[-1].seq if shown else reached
                page = self._page(shown, self._position(reached, epoch) if shown or is_replaced else position)
            yield page

    def _page(self, shown: Sequence[Row], position: FeedPosition) -> FeedPage:
        return FeedPage(
            position=position,
            locations=tuple(sorted({row.location for row in shown})),
            quiet=frozenset(row.location.location_id for row in shown if row.is_quiet),
            age_s=self._clock() - shown[-1].at if shown else 0.0,
            count=len(shown),
        )

    def _position(self, reached: int, epoch: int) -> FeedPosition:
        return FeedPosition(cursor=f"{self.database}/{reached}", reached=reached, epoch=epoch)


class MemoryTarget(Store):
    """A FHIR server.

    Attributes
    ----------
    sent
        Type and references of each Bundle that arrived, refused ones too.
    """

    def __init__(self, base_url: str = "http://fhir.example/fhir") -> None:
        super().__init__(Habits(keeps_version=False, stale_status=409))
        self.base_url = base_url
        self.script = Script()
        self.sent: list[tuple[str, tuple[str, ...]]] = []

    def imaging_study(self, uid: str) -> Json:
        """The only ImagingStudy that bears a UID."""
        (found,) = self.find_studies([uid])[uid]
        return found.resource

    @property
    def written(self) -> Counter[str]:
        """How often each reference stood in a Bundle."""
        return Counter(reference for _, references in self.sent for reference in references)

    # -- FhirTarget ------------------------------------------------------------------------------------------------

    def info(self) -> TargetInfo:
        self.script.play("info")
        return TargetInfo(fhir_version="4.0.1", software="memory")

    def send(self, bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        """Carry out a Bundle. A step ``send`` comes before, a step ``sent`` after it was committed."""
        self.script.play("send")
        body = b"".join(bundle)
        document = orjson.loads(body)
        assert len(document["entry"]) == count
        with self.lock:
            references = tuple(entry["request"]["url"] for entry in document["entry"])
            self.sent.append((document["type"], references))
            if self.habits.max_bytes is not None and len(body) > self.habits.max_bytes:
                raise TooLarge("too large", peer="fhir", status=413)
            try:
                answers = self.bundle(document)["entry"]
            except HttpError as error:
                if error.status in (409, 412):
                    raise Conflict("stale", peer="fhir", status=error.status) from None
                raise Refused("refused", peer="fhir", status=error.status, outcome=error.outcome) from None
        self.script.play("sent")
        return tuple(_result(**answer["response"]) for answer in answers)

    def fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        self.script.play("fetch")
        with self.lock:
            return tuple(self._fetched(one) if one in self.held else None for one in references)

    def find_studies(self, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Fetched, ...]]:
        self.script.play("find_studies")
        with self.lock:
            found = {
                uid: tuple(map(self._fetched, self._identified("ImagingStudy", "urn:dicom:uid", f"urn:oid:{uid}")))
                for uid in study_instance_uids
            }
        return {uid: some for uid, some in found.items() if some}

    def look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[Json, ...]]:
        self.script.play("look_up")
        with self.lock:
            return {
                one: tuple(self._fetched(found).resource for found in self._identified(one.type, one.system, one.value))
                for one in lookups
            }

    def studies_at(self, endpoint_id: str) -> Iterator[str]:
        self.script.play("studies_at")
        if not self.habits.has_endpoint_search:
            raise Refused("unknown parameter", peer="fhir", status=400)
        wanted = {"reference": f"Endpoint/{endpoint_id}"}
        with self.lock:
            yield from [one["id"] for one in self.of_type("ImagingStudy") if wanted in one.get("endpoint", ())]

    def _fetched(self, reference: str) -> Fetched:
        return Fetched(resource=copy.deepcopy(self.held[reference]), version_id=str(self.versions[reference]))

    def _identified(self, resource_type: str, system: str | None, value: str) -> list[str]:
        """References of what bears an identifier; without a system, of any."""
        return [
            reference
            for reference, resource in sorted(self.held.items())
            if resource["resourceType"] == resource_type
            and any(
                one.get("value") == value and system in (None, one.get("system"))
                for one in resource.get("identifier", ())
            )
        ]


def _result(status: str, location: str = "", etag: str = "", outcome: Json | None = None) -> EntryResult:
    if outcome is not None:
        return EntryResult(status=int(status[:3]), outcome=outcome)
    return EntryResult(status=int(status[:3]), version_id=etag[3:-1], fhir_id=location.split("/")[1])
