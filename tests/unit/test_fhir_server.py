"""The FHIR server's edge under every fault; how real servers answer is shown by the contract suite."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from indexer.bundle import BundleType, build
from indexer.errors import (
    AccessDenied,
    AnswerLost,
    Conflict,
    PeerError,
    ProtocolViolation,
    Refused,
    TooLarge,
    Unavailable,
    WrongServer,
)
from indexer.fhir import FhirServer
from indexer.model import TargetInfo
from indexer.transport import Transport
from tests import proxy as faults
from tests.fakes.fhir import FakeFhir
from tests.resources import put_entry

JSON = {"Content-Type": "application/fhir+json"}


@pytest.fixture
def fake() -> Iterator[FakeFhir]:
    with FakeFhir() as running:
        yield running


@pytest.fixture
def server(fake: FakeFhir) -> Iterator[FhirServer]:
    transport = Transport(fake.url, peer="fhir", timeout_s=30)
    yield FhirServer(transport)
    transport.close()


@pytest.fixture
def hasty(fake: FakeFhir, request: pytest.FixtureRequest) -> Iterator[FhirServer]:
    """Waits half a second for what never comes; else long enough for a busy machine."""
    fault: faults.Fault = request.getfixturevalue("fault")
    transport = Transport(fake.url, peer="fhir", timeout_s=0.5 if fault.hangs or fault.after_s else 30)
    yield FhirServer(transport)
    transport.close()


def patient(name: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": name}


def study(name: str, uid: str = "1.2.3", endpoint: str | None = None) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": name,
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        **({"endpoint": [{"reference": endpoint}]} if endpoint else {}),
    }


def bundle_of(*resources: dict[str, Any]) -> tuple[tuple[bytes | memoryview, ...], int]:
    entries = [put_entry(one) for one in resources]
    made = build(entries, BundleType.BATCH)
    return made.pieces, made.count


def page(*resources: dict[str, Any], following: str | None = None, **more: object) -> bytes:
    links = [{"relation": "self", "url": "x"}, *([{"relation": "next", "url": following}] if following else [])]
    entries = [{"resource": one, "search": {"mode": "match"}} for one in resources]
    return orjson.dumps({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **more})


# What is raised when a Bundle that writes meets a fault, and whether the server had committed it.
SENT = [
    (faults.drop_reply(), AnswerLost, True),
    (faults.cut(20), AnswerLost, True),
    (faults.cut(0), AnswerLost, True),
    (faults.not_json(), AnswerLost, True),
    (faults.fewer_entries(), AnswerLost, True),
    (faults.fewer_entries(2), AnswerLost, True),
    (faults.hang(forward=True), AnswerLost, True),
    (faults.slow_reply(1.0), AnswerLost, True),
    (faults.hang(), AnswerLost, False),
    (faults.reset(), AnswerLost, False),
    (faults.status(502), AnswerLost, False),
    (faults.status(504), AnswerLost, False),
    (faults.status(503, JSON, b"<html>"), Unavailable, False),
    (faults.status(500), Unavailable, False),
    (faults.status(429, {"Retry-After": "7"}), Unavailable, False),
    (faults.status(400, JSON, b'{"__type":"ThrottlingException"}'), Unavailable, False),
    (faults.status(401), AccessDenied, False),
    (faults.status(403), AccessDenied, False),
    (faults.status(409), Conflict, False),
    (faults.status(412), Conflict, False),
    (faults.status(413), TooLarge, False),
    (faults.status(400), Refused, False),
    (faults.status(404), Refused, False),
    (faults.status(422), Refused, False),
    (faults.status(302, {"Location": "http://127.0.0.1:9/"}), ProtocolViolation, False),
]


@pytest.mark.parametrize(("fault", "error", "is_committed"), SENT, ids=lambda value: getattr(value, "name", None))
def test_send_under_a_fault(
    fake: FakeFhir,
    server: FhirServer,
    hasty: FhirServer,
    fault: faults.Fault,
    error: type[PeerError],
    is_committed: bool,
) -> None:
    fake.proxy.inject(fault, when=faults.is_bundle)
    with pytest.raises(PeerError) as raised:
        hasty.send(*bundle_of(patient("secret"), patient("b")))
    assert type(raised.value) is error
    assert fake.proxy.faults_injected == 1
    assert bool(fake.of_type("Patient")) is is_committed
    assert "secret" not in f"{raised.value} {raised.value.hint}"
    # The same Bundle goes through as soon as the fault is gone.
    assert [one.status // 100 for one in server.send(*bundle_of(patient("secret"), patient("b")))] == [2, 2]
    assert fake.versions["Patient/b"] == 1


def test_retry_after_is_handed_on(fake: FakeFhir, server: FhirServer) -> None:
    fake.proxy.inject(faults.status(429, {"Retry-After": "7"}))
    with pytest.raises(Unavailable) as raised:
        server.send(*bundle_of(patient("a")))
    assert raised.value.retry_after_s == 7


def test_nobody_listens(fake: FakeFhir, server: FhirServer) -> None:
    with fake.proxy.refusing(), pytest.raises(Unavailable) as raised:
        server.send(*bundle_of(patient("a")))
    assert type(raised.value) is Unavailable


def test_refusal_carries_its_outcome(fake: FakeFhir, server: FhirServer) -> None:
    fake.habits.refused["Patient/bad"] = 422
    fake.habits.refuses_whole = True
    with pytest.raises(Refused) as raised:
        server.send(*bundle_of(patient("a"), patient("bad")))
    assert raised.value.outcome is not None
    assert raised.value.outcome["resourceType"] == "OperationOutcome"
    fake.proxy.inject(faults.status(400, JSON, b"[]"))
    with pytest.raises(Refused) as raised:
        server.send(*bundle_of(patient("a")))
    assert raised.value.outcome is None


def test_entries_are_judged_alone(fake: FakeFhir, server: FhirServer) -> None:
    fake.habits.refused["Patient/bad"] = 422
    first, second, third = server.send(*bundle_of(patient("a"), patient("bad"), patient("c")))
    assert (first.status, second.status, third.status) == (201, 422, 201)
    assert second.outcome is not None
    assert first.version_id == "1"


def test_fetch_goes_on_over_chunks(fake: FakeFhir, server: FhirServer) -> None:
    for number in range(120):
        fake.put(patient(f"p{number}"))
    fake.delete("Patient/p7")
    found = server.fetch([f"Patient/p{number}" for number in range(121)])
    assert [one.resource["id"] if one else None for one in found] == [
        None if number in (7, 120) else f"p{number}" for number in range(121)
    ]
    assert all(one.version_id == "1" for one in found if one)
    assert all(request.path.startswith("/fhir") and not request.query for request in fake.proxy.requests)
    assert fake.proxy.written() == {}


def test_fetch_of_nothing_asks_nothing(fake: FakeFhir, server: FhirServer) -> None:
    assert server.fetch([]) == ()
    assert fake.proxy.requests == ()


def test_fetch_halves_what_is_too_large(fake: FakeFhir, server: FhirServer) -> None:
    for name in "abc":
        fake.put(patient(name))
    fake.proxy.inject(faults.status(413))
    assert [one.resource["id"] for one in server.fetch(["Patient/a", "Patient/b", "Patient/c"]) if one] == [*"abc"]
    fake.proxy.inject(faults.status(413))
    with pytest.raises(TooLarge):
        server.fetch(["Patient/a"])


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"response": {"status": "503 Busy"}}, Unavailable),
        ({"response": {"status": "403"}}, Refused),
        ({"response": {"status": "500 Broken"}}, Refused),
        ({"response": {"status": "400 Bad"}}, Refused),
        ({"response": {"status": "200 OK"}}, ProtocolViolation),
        ({"response": {}}, ProtocolViolation),
        ({}, ProtocolViolation),
    ],
)
def test_fetch_of_what_cannot_be_read(
    fake: FakeFhir, server: FhirServer, entry: dict[str, Any], error: type[PeerError]
) -> None:
    body = orjson.dumps({"resourceType": "Bundle", "type": "batch-response", "entry": [entry]})
    fake.proxy.inject(faults.status(200, JSON, body))
    with pytest.raises(PeerError) as raised:
        server.fetch(["Patient/a"])
    assert type(raised.value) is error


@pytest.mark.parametrize("fault", [faults.cut(20), faults.hang(), faults.reset(), faults.status(502)])
def test_a_read_may_be_repeated(fake: FakeFhir, hasty: FhirServer, fault: faults.Fault) -> None:
    fake.proxy.inject(fault, times=2)
    with pytest.raises(Unavailable) as raised:
        hasty.fetch(["Patient/a"])
    assert type(raised.value) is Unavailable


def test_find_studies(fake: FakeFhir, server: FhirServer) -> None:
    fake.put(study("a", "1.2.3"))
    fake.put(study("b", "1.2.3"))
    fake.put(study("c", "1.2.30"))
    fake.put({**study("d", "1.9"), "identifier": [{"system": "urn:other", "value": "urn:oid:1.9"}]})
    found = server.find_studies(["1.2.3", "1.2", "1.9"])
    assert {uid: [one.resource["id"] for one in studies] for uid, studies in found.items()} == {"1.2.3": ["a", "b"]}
    assert all(not request.query for request in fake.proxy.requests)


def test_find_studies_over_chunks_and_pages(fake: FakeFhir, server: FhirServer) -> None:
    fake.habits.page = 7
    for number in range(60):
        fake.put(study(f"s{number}", f"1.2.{number}"))
    found = server.find_studies([f"1.2.{number}" for number in range(60)])
    assert {uid: len(studies) for uid, studies in found.items()} == {f"1.2.{number}": 1 for number in range(60)}


def test_find_studies_without_post_search(fake: FakeFhir, server: FhirServer) -> None:
    fake.habits.has_post_search = False
    fake.put(study("a"))
    assert set(server.find_studies(["1.2.3"])) == {"1.2.3"}


def test_studies_at(fake: FakeFhir, server: FhirServer) -> None:
    fake.habits.page = 2
    fake.habits.checks_references = False
    for number in range(5):
        fake.put(study(f"s{number}", endpoint="Endpoint/e"))
    fake.put(study("other", endpoint="Endpoint/f"))
    assert list(server.studies_at("e")) == [f"s{number}" for number in range(5)]
    assert list(server.studies_at("nobody")) == []


def test_studies_at_looks_at_what_a_lenient_server_finds(fake: FakeFhir, server: FhirServer) -> None:
    found = [
        study("a", endpoint="Endpoint/e"),
        study("b", endpoint=f"{fake.url}/Endpoint/e"),
        study("c", endpoint="Endpoint/e/_history/4"),
        study("d", endpoint="Endpoint/other"),
        study("e"),
    ]
    fake.proxy.inject(faults.status(200, JSON, page(*found)))
    assert list(server.studies_at("e")) == ["a", "b", "c"]


def test_studies_at_where_the_parameter_is_unknown(fake: FakeFhir, server: FhirServer) -> None:
    fake.habits.has_endpoint_search = False
    fake.put(study("a"))
    with pytest.raises(Refused):
        list(server.studies_at("e"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/fhir?page=2",
        "https://{host}/fhir?page=2",
        "http://{host}/admin?page=2",
        "http://{host}/fhirx?page=2",
        "http://{host}/fhir/../admin?page=2",
        "http://{host}/fhir/%2e%2e/admin?page=2",
        "//elsewhere.example/fhir?page=2",
        "http://user@{host}/fhir?page=2",
    ],
)
def test_no_page_elsewhere(fake: FakeFhir, server: FhirServer, url: str) -> None:
    host = fake.url.split("/")[2]
    fake.proxy.inject(faults.status(200, JSON, page(following=url.format(host=host))))
    with pytest.raises(ProtocolViolation, match="outside"):
        server.find_studies(["1.2.3"])
    assert len(fake.proxy.requests) == 1


@pytest.mark.parametrize(
    "url", ["{base}?page=2", "{base}/?page=2", "{base}/ImagingStudy?page=2", "ImagingStudy?page=2"]
)
def test_pages_below_the_base(fake: FakeFhir, server: FhirServer, url: str) -> None:
    fake.proxy.inject(faults.status(200, JSON, page(study("a"), following=url.format(base=fake.url))))
    fake.proxy.inject(faults.status(200, JSON, page(study("b"))))
    assert [one.resource["id"] for one in server.find_studies(["1.2.3"])["1.2.3"]] == ["a", "b"]
    assert fake.proxy.requests[1].query == "page=2"


def test_pages_in_a_circle_end(fake: FakeFhir, server: FhirServer) -> None:
    fake.proxy.inject(faults.status(200, JSON, page(following=f"{fake.url}?page=2")), times=3)
    with pytest.raises(ProtocolViolation, match="circle"):
        server.find_studies(["1.2.3"])


def test_a_search_that_ends_too_early(fake: FakeFhir, server: FhirServer) -> None:
    fake.proxy.inject(faults.status(200, JSON, page(study("a"), study("b"), total=3)))
    with pytest.raises(ProtocolViolation, match="found 3 resources, but returned 2"):
        server.find_studies(["1.2.3"])


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"null",
        b'{"resourceType":"Bundle","type":"history"}',
        b"{",
        page().replace(b"searchset", b"batch"),
    ],
)
def test_a_search_that_is_none(fake: FakeFhir, server: FhirServer, body: bytes) -> None:
    fake.proxy.inject(faults.status(200, JSON, body))
    with pytest.raises(ProtocolViolation):
        server.find_studies(["1.2.3"])


def test_included_entries_are_passed_over(fake: FakeFhir, server: FhirServer) -> None:
    included = {"resource": study("i"), "search": {"mode": "include"}}
    others = [{}, {"resource": patient("p")}]
    fake.proxy.inject(faults.status(200, JSON, page(entry=[included, {"resource": study("u")}, *others])))
    assert [one.resource["id"] for one in server.find_studies(["1.2.3"])["1.2.3"]] == ["u"]


STATEMENT = b'{"resourceType":"CapabilityStatement"'


def test_info(fake: FakeFhir, server: FhirServer) -> None:
    assert server.info() == TargetInfo(fhir_version="4.0.1", software="Fake FHIR 1")
    assert server.base_url == fake.url


@pytest.mark.parametrize(
    ("status", "body", "info"),
    [
        (200, STATEMENT + b"}", TargetInfo(fhir_version=None)),
        (200, STATEMENT + b',"fhirVersion":4,"software":"x"}', TargetInfo(fhir_version=None)),
        (
            200,
            STATEMENT + b',"fhirVersion":"5.0.0","software":{"name":"S"}}',
            TargetInfo(fhir_version="5.0.0", software="S"),
        ),
        (403, b"", TargetInfo(fhir_version=None)),
        (501, b"", TargetInfo(fhir_version=None)),
        (404, b'{"resourceType":"OperationOutcome"}', TargetInfo(fhir_version=None)),
    ],
)
def test_info_of_an_odd_server(fake: FakeFhir, server: FhirServer, status: int, body: bytes, info: TargetInfo) -> None:
    fake.proxy.inject(faults.status(status, JSON, body))
    assert server.info() == info


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b""), (200, b"<html>"), (200, b"{}"), (200, b"[]"), (200, b'{"resourceType":"Patient"}')],
)
def test_an_address_that_is_no_fhir_base(fake: FakeFhir, server: FhirServer, status: int, body: bytes) -> None:
    fake.proxy.inject(faults.status(status, JSON, body))
    with pytest.raises(WrongServer, match="no FHIR server: no CapabilityStatement at /metadata") as caught:
        server.info()
    assert "target.fhir" in caught.value.hint


@pytest.mark.parametrize(("status", "error"), [(401, AccessDenied), (503, Unavailable), (301, ProtocolViolation)])
def test_info_that_ends_the_start(fake: FakeFhir, server: FhirServer, status: int, error: type[PeerError]) -> None:
    fake.proxy.inject(faults.status(status))
    with pytest.raises(error):
        server.info()
