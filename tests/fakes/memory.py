"""Second implementations of the flow's Protocols in memory, with faults by script.

`MemorySource` is a `ChangeFeed`, a `StudySource` and an `AttributeSource` over plain `Study` values; `MemoryTarget` is
a `FhirTarget` over dicts. Both are for any number of threads. `tests.fakes.listing` has an archive without a feed.
"""

import copy
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from indexer.errors import Conflict, Refused, TooLarge
from indexer.model import EntryResult, FeedPage, FeedPosition, Fetched, Lookup, Study, StudyLocation, TargetInfo
from tests.fakes.given_ids import with_ids
from tests.fakes.listing import ListedArchive, study
from tests.fakes.memory_habits import Habits
from tests.fakes.script import Clock, Script

__all__ = ["Clock", "MemorySource", "MemoryTarget", "study"]

Json = dict[str, Any]


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
        return self._position(0 if has_overlap else self.seq, epoch=1)

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


class MemoryTarget:
    """A FHIR server.

    Attributes
    ----------
    sent
        Type and references of each Bundle that arrived, refused ones too.
    """

    def __init__(self, base_url: str = "http://fhir.example/fhir") -> None:
        self.base_url = base_url
        self._lock = threading.RLock()
        self.script = Script()
        self.habits = Habits()
        self.held: dict[str, Json] = {}
        self.versions: Counter[str] = Counter()
        self.sent: list[tuple[str, tuple[str, ...]]] = []

    # -- what a server goes through --------------------------------------------------------------------------------

    def wipe(self) -> None:
        """Lose everything."""
        with self._lock:
            self.held.clear()

    def put(self, resource: Json) -> int:
        """Write as somebody else would; the version."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        with self._lock:
            self.versions[reference] += 1
            self.held[reference] = copy.deepcopy(resource)
            return self.versions[reference]

    def of_type(self, resource_type: str) -> list[Json]:
        """All resources of a type."""
        with self._lock:
            return [one for one in self.held.values() if one["resourceType"] == resource_type]

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
        entries, kind = document["entry"], document["type"]
        assert len(entries) == count
        with self._lock:
            self.sent.append((kind, tuple(entry["request"]["url"] for entry in entries)))
            entries = with_ids(entries, self._bearer, is_transaction=kind == "transaction")
            if self.habits.max_bytes is not None and len(body) > self.habits.max_bytes:
                raise TooLarge("too large", peer="fhir", status=413)
            results = self._carry_out(entries, is_transaction=kind == "transaction")
        self.script.play("sent")
        return results

    def _carry_out(self, entries: Sequence[Json], *, is_transaction: bool) -> tuple[EntryResult, ...]:
        limit = self.habits.transaction_limit
        urls = {entry["request"]["url"] for entry in entries}
        refusals = [self._refusal(entry, urls if is_transaction else set()) for entry in entries]
        too_many = is_transaction and limit is not None and len(entries) > limit
        if is_transaction and any(map(self._is_stale, entries)) and self.habits.stale_status in (409, 412):
            raise Conflict("stale", peer="fhir", status=self.habits.stale_status)
        if too_many or (any(refusals) and (is_transaction or self.habits.refuses_whole)):
            raise Refused("refused", peer="fhir", status=400, outcome=_outcome("a bad entry"))
        results = []
        for entry in entries:
            status = self._refusal(entry, set())
            if status:
                results.append(EntryResult(status=status, outcome=_outcome("this entry is bad")))
            else:
                results.append(self._written(entry))
        return tuple(results)

    def _written(self, entry: Json) -> EntryResult:
        reference = entry["request"]["url"]
        is_there = entry["request"]["method"] == "GET"
        version = self.versions[reference] if is_there else self.put(entry["resource"])
        status = 201 if version == 1 and not is_there else 200
        return EntryResult(status=status, version_id=str(version), fhir_id=reference.partition("/")[2])

    def _bearer(self, resource_type: str, identifier: str) -> str | None:
        (bearer,) = self._bearers(Lookup(resource_type, *identifier.split("|"))) or (None,)
        return bearer.partition("/")[2] if bearer else None

    def _refusal(self, entry: Json, present: set[str]) -> int | None:
        resource = entry["resource"]
        if self._is_stale(entry):
            return self.habits.stale_status
        status = self.habits.refused.get(entry["request"]["url"])
        if status is None and self.habits.checks_references:
            referring = [resource.get("subject", {}), *resource.get("endpoint", ())]
            needed = {one.get("reference", "#") for one in referring}
            status = 400 if {one for one in needed if one[0] != "#"} - present - self.held.keys() else None
        return status

    def _is_stale(self, entry: Json) -> bool:
        reference, wanted = entry["request"]["url"], entry["request"].get("ifMatch")
        return wanted is not None and (reference not in self.held or wanted != f'W/"{self.versions[reference]}"')

    def fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        self.script.play("fetch")
        with self._lock:
            return tuple(self._fetched(one) if one in self.held else None for one in references)

    def _fetched(self, reference: str) -> Fetched:
        return Fetched(resource=copy.deepcopy(self.held[reference]), version_id=str(self.versions[reference]))

    def find_studies(self, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Fetched, ...]]:
        self.script.play("find_studies")
        with self._lock:
            found: dict[str, list[Fetched]] = defaultdict(list)
            for reference, resource in sorted(self.held.items()):
                for uid in study_instance_uids:
                    if _bears(resource, uid):
                        found[uid].append(self._fetched(reference))
        return {uid: tuple(some) for uid, some in found.items()}

    def look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[str, ...]]:
        self.script.play("look_up")
        with self._lock:
            return {one: self._bearers(one) for one in lookups}

    def _bearers(self, lookup: Lookup) -> tuple[str, ...]:
        held = (one for one in self.of_type(lookup.type) if _is_identified(one, lookup))
        return tuple(dict.fromkeys(_snapshot(one) for one in held))

    def studies_at(self, endpoint_id: str) -> Iterator[str]:
        self.script.play("studies_at")
        if not self.habits.searches_by_endpoint:
            raise Refused("unknown parameter", peer="fhir", status=400)
        wanted = {"reference": f"Endpoint/{endpoint_id}"}
        with self._lock:
            yield from [one["id"] for one in self.of_type("ImagingStudy") if wanted in one.get("endpoint", ())]


def _bears(resource: Json, uid: str) -> bool:
    wanted = ("urn:dicom:uid", f"urn:oid:{uid}")
    is_study = resource["resourceType"] == "ImagingStudy"
    return is_study and any((one.get("system"), one.get("value")) == wanted for one in resource.get("identifier", ()))


def _is_identified(resource: Json, lookup: Lookup) -> bool:
    held = {(one.get("system"), one.get("value")) for one in resource.get("identifier", ())}
    return any(value == lookup.value and lookup.system in (None, system) for system, value in held)


def _snapshot(resource: Json) -> str:
    links = [one["other"]["reference"] for one in resource.get("link", ()) if one["type"] == "replaced-by"]
    return str(links[0]) if links else f"{resource['resourceType']}/{resource['id']}"


def _outcome(text: str) -> Json:
    issue = {"severity": "error", "code": "invalid", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
