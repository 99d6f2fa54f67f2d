"""Each seam of the flow fits at least two implementations, and they behave alike.

What HTTP makes of it is shown by `test_source` and `test_target`; here the Protocols themselves are held against the
edges and against the implementations in memory that the unit tests of the flow run on.
"""

from __future__ import annotations

import inspect
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from indexer.bundle import BundleType, build
from indexer.dicomweb import DicomWebSamples
from indexer.errors import Conflict, Refused, StudyVanished
from indexer.fhir import FhirServer
from indexer.model import Level, Lookup, StudyLocation
from indexer.orthanc import OrthancSource
from indexer.sync import protocols
from indexer.transport import Transport
from tests.contract import source_cases
from tests.contract.target_cases import entry
from tests.fakes import memory
from tests.fakes.fhir import FakeFhir
from tests.fakes.fhir_store import Habits
from tests.samples import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from indexer.sync.protocols import FhirTarget

Json = dict[str, Any]

SEAMS = [
    (protocols.ChangeFeed, OrthancSource),
    (protocols.ChangeFeed, memory.MemorySource),
    (protocols.StudySource, OrthancSource),
    (protocols.StudySource, memory.MemorySource),
    (protocols.AttributeSource, DicomWebSamples),
    (protocols.AttributeSource, memory.MemorySource),
    (protocols.FhirTarget, FhirServer),
    (protocols.FhirTarget, memory.MemoryTarget),
]


def members(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


@pytest.mark.parametrize(("protocol", "made"), SEAMS, ids=lambda one: one.__name__)
def test_an_implementation_has_every_member_with_its_parameters(protocol: type, made: type) -> None:
    for name in members(protocol):
        wanted = getattr(protocol, name)
        if callable(wanted):
            found = inspect.signature(getattr(made, name)).parameters
            assert [(one.name, one.default) for one in found.values()] == [
                (one.name, one.default) for one in inspect.signature(wanted).parameters.values()
            ], name


# --- sources --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Archive:
    """A source that holds two studies, of one and of two series with two instances each."""

    source: Any
    gone: Callable[[StudyLocation], None]

    @property
    def locations(self) -> tuple[StudyLocation, ...]:
        return tuple(sorted(self.source.locate(self.source.list_ids()), key=lambda one: one.study_instance_uid))


@contextmanager
def orthanc() -> Iterator[Archive]:
    with source_cases.running("fake 1.12") as case:
        datasets = [*generate(instances=2, seed="a"), *generate(series=2, instances=2, seed="b")]
        case.store(datasets)
        by_uid = {one.StudyInstanceUID: one for one in datasets}
        yield Archive(case.source, lambda location: case.delete(by_uid[location.study_instance_uid], "studies"))


@contextmanager
def in_memory() -> Iterator[Archive]:
    source = memory.MemorySource(time.time)
    source.put(memory.study("1.2.1"))
    source.put(memory.study("1.2.2", series=2))
    yield Archive(source, lambda location: source.remove(location.location_id))


@pytest.fixture(params=[orthanc, in_memory], ids=["edge", "memory"])
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    with request.param() as found:
        yield found


def test_rows_ascend_in_pages_and_an_empty_page_is_done(archive: Archive) -> None:
    whole = archive.source.changes(0, 1000)
    assert whole.done
    assert [row.seq for row in whole.changes] == sorted({row.seq for row in whole.changes})
    first = archive.source.changes(0, 2)
    assert (first.changes, first.done, first.last) == (whole.changes[:2], False, whole.changes[1].seq)
    assert archive.source.changes(first.last, 1000).changes == whole.changes[2:]
    end = archive.source.changes(whole.last, 1000)
    assert (end.changes, end.done) == ((), True)
    assert archive.source.newest() == whole.last


def test_dates_compare_with_the_source_s_clock(archive: Archive) -> None:
    rows = archive.source.changes(0, 1000).changes
    assert all(len(row.date) == 15 and row.date <= archive.source.server_time() for row in rows)


def test_ids_of_every_level_lead_to_their_studies(archive: Archive) -> None:
    rows = [row for row in archive.source.changes(0, 1000).changes if row.level not in (None, Level.PATIENT)]
    found = archive.source.locate([row.location_id for row in rows])
    assert sorted(found) == sorted(archive.locations)
    assert archive.source.list_ids() == sorted(location.location_id for location in found)


def test_what_is_gone_is_left_out(archive: Archive) -> None:
    gone, stays = archive.locations
    archive.gone(gone)
    ids = [gone.location_id, stays.location_id]
    assert archive.source.locate(ids) == (stays,)
    assert [archive.source.holds(one) for one in ids] == [False, True]
    assert list(archive.source.study_attributes(ids)) == list(archive.source.modalities(ids)) == [stays.location_id]
    assert archive.source.find(gone.study_instance_uid) == ()
    with pytest.raises(StudyVanished):
        archive.source.read(gone)


def test_a_study_is_found_and_read_whole_and_sampled(archive: Archive) -> None:
    _, location = archive.locations
    assert archive.source.find(location.study_instance_uid) == (location,)
    study = archive.source.read(location)
    assert (study.study_instance_uid, study.source) == (location.study_instance_uid, location.source)
    assert [len(series.instances) for series in study.series] == [2, 2]
    assert (study.is_sampled, [series.sampled for series in study.series]) == (False, [{}, {}])
    (attributes,) = archive.source.study_attributes([location.location_id]).values()
    assert attributes.text("PatientID") == study.attributes.text("PatientID") is not None
    assert archive.source.modalities([location.location_id]) == {location.location_id: frozenset({"CT"})}


# --- targets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Server:
    """A FHIR server that refuses the resource with the id ``bad``."""

    target: FhirTarget

    def send(self, bundle_type: BundleType, *resources: Json) -> list[int]:
        bundle = build(map(entry, resources), bundle_type)
        return [one.status for one in self.target.send(bundle.body, bundle.count)]


@contextmanager
def over_http() -> Iterator[Server]:
    with FakeFhir(habits=Habits(refusals={"bad": "no"})) as fake:
        transport = Transport(fake.url, peer="fhir")
        yield Server(FhirServer(transport))
        transport.close()


@contextmanager
def held_in_memory() -> Iterator[Server]:
    target = memory.MemoryTarget()
    target.habits.refused["Patient/bad"] = 422
    yield Server(target)


@pytest.fixture(params=[over_http, held_in_memory], ids=["edge", "memory"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as found:
        yield found


def patient(fhir_id: str = "p") -> Json:
    return {"resourceType": "Patient", "id": fhir_id}


def imaging(fhir_id: str = "s", uid: str = "1.2.3") -> Json:
    return {
        "resourceType": "ImagingStudy",
        "id": fhir_id,
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        "status": "available",
        "subject": {"reference": "Patient/p"},
        "endpoint": [{"reference": "Endpoint/e"}],
    }


ENDPOINT = {"resourceType": "Endpoint", "id": "e"}
REPLACED_BY_P = {"type": "replaced-by", "other": {"reference": "Patient/p"}}


@pytest.mark.parametrize("bundle_type", BundleType)
def test_what_is_sent_can_be_fetched_and_found(server: Server, bundle_type: BundleType) -> None:
    assert server.send(bundle_type, imaging(), patient(), ENDPOINT) == [201, 201, 201]
    held, nothing, endpoint = server.target.fetch(["ImagingStudy/s", "Patient/other", "Endpoint/e"])
    assert nothing is None
    assert endpoint is not None
    assert held is not None
    assert held.version_id == "1"
    assert held.resource.items() >= imaging().items()
    found = server.target.find_studies(["9.9", "1.2.3"])
    assert {uid: [one.resource["id"] for one in some] for uid, some in found.items()} == {"1.2.3": ["s"]}
    assert list(server.target.studies_at("e")) == ["s"]
    assert list(server.target.studies_at("other")) == []


def test_every_study_that_bears_a_uid_is_found(server: Server) -> None:
    server.send(BundleType.BATCH, patient(), ENDPOINT)
    server.send(BundleType.BATCH, imaging("one"), imaging("two"))
    assert {one.resource["id"] for one in server.target.find_studies(["1.2.3"])["1.2.3"]} == {"one", "two"}


def test_what_bears_an_identifier_is_looked_up(server: Server) -> None:
    merged = patient("merged") | {"identifier": [{"system": "urn:x", "value": "2"}], "link": [REPLACED_BY_P]}
    server.send(BundleType.BATCH, patient() | {"identifier": [{"system": "urn:x", "value": "1"}]}, merged, ENDPOINT)
    server.send(BundleType.BATCH, imaging())
    asked = [
        Lookup("Patient", "urn:x", "1"),
        Lookup("Patient", None, "1"),
        Lookup("Patient", "urn:y", "1"),
        Lookup("Patient", "urn:x", "2"),
        Lookup("ImagingStudy", "urn:dicom:uid", "urn:oid:1.2.3"),
    ]
    found = server.target.look_up(asked)
    assert [found[one] for one in asked] == [("Patient/p",), ("Patient/p",), (), ("Patient/p",), ("ImagingStudy/s",)]


@pytest.mark.parametrize("bundle_type", BundleType)
def test_another_version_than_the_known_one_is_a_conflict(server: Server, bundle_type: BundleType) -> None:
    server.send(BundleType.BATCH, patient())
    server.send(BundleType.BATCH, patient() | {"active": True})
    bundle = build([entry(patient(), if_match="1")], bundle_type)
    if bundle_type is BundleType.TRANSACTION:
        with pytest.raises(Conflict):
            server.target.send(bundle.body, bundle.count)
    else:
        (result,) = server.target.send(bundle.body, bundle.count)
        assert result.status in (409, 412)
    (held,) = server.target.fetch(["Patient/p"])
    assert held is not None
    assert held.version_id == "2"


def test_a_changed_resource_gets_a_new_version(server: Server) -> None:
    server.send(BundleType.BATCH, patient())
    assert server.send(BundleType.BATCH, patient() | {"active": True}) == [200]
    (held,) = server.target.fetch(["Patient/p"])
    assert held is not None
    assert (held.version_id, held.resource["active"]) == ("2", True)


def test_entries_of_a_batch_are_judged_alone(server: Server) -> None:
    assert server.send(BundleType.BATCH, patient("bad"), patient("good")) == [422, 201]


def test_a_transaction_lands_whole_or_not_at_all(server: Server) -> None:
    with pytest.raises(Refused):
        server.send(BundleType.TRANSACTION, patient("bad"), patient("good"))
    assert server.target.fetch(["Patient/good"]) == (None,)


def test_a_study_without_its_patient_is_refused(server: Server) -> None:
    (status,) = server.send(BundleType.BATCH, imaging())
    assert 400 <= status < 500


def test_it_tells_its_version_and_address(server: Server) -> None:
    assert server.target.info().fhir_version == "4.0.1"
    assert server.target.base_url.startswith("http://")
    assert not server.target.base_url.endswith("/")
