"""Second implementations of the flow's Protocols in memory, with faults by script.

`MemorySource` is a `ChangeFeed`, a `StudySource` and an `AttributeSource` over plain `Study` values; `MemoryTarget` is
a `FhirTarget` over dicts. Both are for any number of threads.
"""

from __future__ import annotations

import copy
import threading
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from indexer.errors import Conflict, Refused, StudyVanished, TooLarge
from indexer.model import (
    Attributes,
    Change,
    ChangePage,
    EntryResult,
    Fetched,
    Instance,
    Level,
    Lookup,
    Series,
    Study,
    StudyLocation,
    TargetInfo,
)
from tests.fakes.memory_habits import Habits
from tests.fakes.script import Clock, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]

CT = "1.2.840.10008.5.1.4.1.1.2"


def study(
    uid: str = "1.2.3",
    *,
    patient_id: str | None = "P1",
    name: str = "Muster^Erika",
    series: int = 1,
    instances: int = 2,
    source: str = "main",
    **keywords: str,
) -> Study:
    """A synthetic CT study; attributes of the study by keyword."""
    values = {"StudyDate": "20240101", "PatientName": name, **keywords}
    if patient_id is not None:
        values["PatientID"] = patient_id
    return Study(
        study_instance_uid=uid,
        source=source,
        attributes=Attributes.from_keywords(values),
        series=tuple(_series(f"{uid}.{number}", number, instances) for number in range(1, series + 1)),
    )


def _series(uid: str, number: int, instances: int) -> Series:
    return Series(
        series_instance_uid=uid,
        attributes=Attributes.from_keywords({"Modality": "CT", "SeriesNumber": str(number)}),
        instances=tuple(Instance(f"{uid}.{index}", CT, str(index)) for index in range(1, instances + 1)),
    )


class MemorySource:
    """An archive. Ids of series and instances are that of their study with ``/`` and an index.

    Attributes
    ----------
    reads_together
        Whether it reads several studies at one go, as a quick source does.
    """

    def __init__(self, clock: Clock, name: str = "main") -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.RLock()
        self.script = Script()
        self.studies: dict[str, Study] = {}
        self.rows: list[Change] = []
        self.uncommitted: set[int] = set()
        self.last: int | None = None
        self.seq = 0
        self.reads_together = False

    # -- what an archive goes through ------------------------------------------------------------------------------

    def put(self, one: Study, *, stable: bool = True, location_id: str | None = None) -> StudyLocation:
        """Store a study or its new state, with the rows that Orthanc would log."""
        stands = self._stands(one, location_id)
        with self._lock:
            self.studies[stands.location_id] = replace(one, source=self._name, last_update=self._now())
        self.log("NewInstance", Level.INSTANCE, f"{stands.location_id}/0/0")
        self.log("NewStudy", Level.STUDY, stands.location_id)
        if stable:
            self.log("StableStudy", Level.STUDY, stands.location_id)
        return stands

    def _stands(self, one: Study, location_id: str | None = None) -> StudyLocation:
        return StudyLocation(self._name, location_id or f"orthanc-{one.study_instance_uid}", one.study_instance_uid)

    def remove(self, location_id: str) -> None:
        """Delete a study: its rows go with it, and none is logged."""
        with self._lock:
            del self.studies[location_id]
            self.rows = [row for row in self.rows if row.location_id.split("/")[0] != location_id]

    def log(self, change_type: str, level: Level | None, location_id: str, *, is_late: bool = False) -> int:
        """Log a row; a late one has its Seq but is not seen before `commit`."""
        with self._lock:
            self.seq += 1
            if is_late:
                self.uncommitted.add(self.seq)
            row = Change(seq=self.seq, change_type=change_type, level=level, location_id=location_id, date=self._now())
            self.rows.append(row)
            return self.seq

    def commit(self, seq: int) -> None:
        """Let a late row be seen."""
        with self._lock:
            self.uncommitted.discard(seq)

    def replace_database(self) -> None:
        """Begin anew with an empty database."""
        with self._lock:
            self.studies, self.rows, self.seq = {}, [], 0

    # -- ChangeFeed ------------------------------------------------------------------------------------------------

    def changes(self, since: int, limit: int) -> ChangePage:
        self.script.play("changes")
        with self._lock:
            seen = [row for row in self.rows if row.seq > since and row.seq not in self.uncommitted]
            page = tuple(seen[:limit])
            last = page[-1].seq if page else self.seq if self.last is None else self.last
            return ChangePage(changes=page, done=len(seen) <= limit, last=last)

    def newest(self) -> int:
        self.script.play("newest")
        with self._lock:
            return max((row.seq for row in self.rows if row.seq not in self.uncommitted), default=0)

    def server_time(self) -> str:
        self.script.play("server_time")
        return self._now()

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S")

    def locate(self, location_ids: Sequence[str]) -> tuple[StudyLocation, ...]:
        self.script.play("locate")
        with self._lock:
            ids = dict.fromkeys(one.split("/")[0] for one in location_ids)
            return tuple(
                StudyLocation(self._name, one, self.studies[one].study_instance_uid)
                for one in ids
                if one in self.studies
            )

    # -- StudySource -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    def ping(self) -> str:
        self.script.play("ping")
        return "memory"

    def list_ids(self) -> list[str]:
        self.script.play("list_ids")
        with self._lock:
            return sorted(self.studies)

    def find(self, study_instance_uid: str) -> tuple[StudyLocation, ...]:
        self.script.play("find")
        return tuple(one for one in self.locate(self.list_ids()) if one.study_instance_uid == study_instance_uid)

    def holds(self, location_id: str) -> bool:
        self.script.play("holds")
        with self._lock:
            return location_id in self.studies

    def study_attributes(self, location_ids: Sequence[str]) -> Mapping[str, Attributes]:
        self.script.play("study_attributes")
        with self._lock:
            return {one: self.studies[one].attributes for one in location_ids if one in self.studies}

    def modalities(self, location_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        self.script.play("modalities")
        with self._lock:
            return {one: _modalities(self.studies[one]) for one in location_ids if one in self.studies}

    def read(self, location: StudyLocation) -> Study:
        self.script.play("read")
        self.script.play(f"read {location.study_instance_uid}")
        with self._lock:
            found = self.studies.get(location.location_id)
        if found is None:
            raise StudyVanished("the source does not hold it", cause="vanished")
        return found

    def read_batch(self, locations: Sequence[StudyLocation]) -> Mapping[StudyLocation, Study]:
        self.script.play("read_batch")
        with self._lock:
            held = {one: self.studies[one.location_id] for one in locations if one.location_id in self.studies}
        return held if self.reads_together else {}

    # -- AttributeSource -------------------------------------------------------------------------------------------

    def sample(self, study: Study) -> tuple[Series, ...]:
        self.script.play("sample")
        return tuple(
            replace(series, sampled={series.instances[0].sop_instance_uid: study.attributes.over(series.attributes)})
            for series in study.series
        )


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

    def send(self, bundle: bytes, count: int) -> tuple[EntryResult, ...]:
        """Carry out a Bundle. A step ``send`` comes before, a step ``sent`` after it was committed."""
        self.script.play("send")
        document = orjson.loads(bundle)
        entries, kind = document["entry"], document["type"]
        assert len(entries) == count
        with self._lock:
            self.sent.append((kind, tuple(entry["request"]["url"] for entry in entries)))
            if self.habits.max_bytes is not None and len(bundle) > self.habits.max_bytes:
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
                version = self.put(entry["resource"])
                results.append(EntryResult(status=201 if version == 1 else 200, version_id=str(version)))
        return tuple(results)

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


def _modalities(one: Study) -> frozenset[str]:
    return frozenset(text for series in one.series for text in series.attributes.texts("Modality"))


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
