"""Each seam of the flow fits at least two implementations, and they behave alike.

What HTTP makes of it is shown by `test_source` and `test_target`; here the Protocols themselves are held against the
edges and against the implementations in memory that the unit tests of the flow run on.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from indexer.bundle import BundleType, build
from indexer.dicomweb import DicomWebSamples
from indexer.errors import Conflict, Refused
from indexer.fhir import FhirServer
from indexer.model import Lookup
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.orthanc.samples import FindSamples
from indexer.sync import protocols
from indexer.sync.protocols import FhirTarget
from indexer.transport import Transport
from tests.contract.target_cases import entry
from tests.fakes import listing, memory
from tests.fakes.fhir import FakeFhir
from tests.fakes.fhir_store import Habits

Json = dict[str, Any]

SEAMS = [
    (protocols.ChangeFeed, OrthancFeed),
    (protocols.ChangeFeed, memory.MemorySource),
    (protocols.StudySource, OrthancSource),
    (protocols.StudySource, listing.ListedArchive),
    (protocols.AttributeSource, DicomWebSamples),
    (protocols.AttributeSource, FindSamples),
    (protocols.AttributeSource, listing.ListedArchive),
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
