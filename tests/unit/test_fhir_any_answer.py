"""Whatever a FHIR server answers, nothing but a `PeerError` leaves the edge."""

import contextlib
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.bundle import judge, strip
from indexer.errors import PeerError
from indexer.fhir import FhirServer
from indexer.model import Lookup, successor
from indexer.transport import Response, Transport
from indexer.transport.faults import refusal
from tests.unit.any_json import ANY, spoil

IDENTIFIER = [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [
        {"severity": "error", "code": "invalid", "details": {"text": "x"}, "diagnostics": "y", "location": ["z"]}
    ],
}
LINK = [{"type": "replaced-by", "other": {"reference": "Patient/q"}}]
PATIENT = {"resourceType": "Patient", "id": "p", "identifier": IDENTIFIER, "link": LINK, "meta": {"versionId": "1"}}
STUDY = {
    "resourceType": "ImagingStudy",
    "id": "s",
    "identifier": IDENTIFIER,
    "endpoint": [{"reference": "Endpoint/e"}],
    "meta": {"versionId": "1"},
}
STATEMENT = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "software": {"name": "S", "version": "1"}}
LOOKUP = Lookup("Patient", "urn:dicom:uid", "urn:oid:1.2.3")


class Answering:
    """A transport whose answers are written beforehand; the first one comes once, the last for ever."""

    base_url = "http://fhir.test/fhir"
    peer = "fhir"

    def __init__(self, first: bytes, last: bytes) -> None:
        self._answers = [first, last]

    def request(self, method: str, path: str, **options: Any) -> Response:
        body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Response(status=200, headers={"Content-Type": "application/fhir+json"}, body=body, peer=self.peer)


def searched(resource: dict[str, Any]) -> bytes:
    link = [{"relation": "next", "url": "http://fhir.test/fhir?page=2"}]
    entry = [{"resource": resource, "search": {"mode": "match"}}]
    return bundle("searchset", entry, total=1, link=link)


def bundle(kind: str, entry: list[Any], **more: Any) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entry, **more}).encode()


def written(server: FhirServer) -> None:
    for result in server.send((b"{}",), 1):
        judge(result)
        strip(result.outcome, [PATIENT])


def fetched(server: FhirServer) -> None:
    for resource in server.fetch(["Patient/p"]):
        successor(resource.resource if resource else {})


def looked_up(server: FhirServer) -> None:
    for resources in server.look_up([LOOKUP]).values():
        for resource in resources:
            successor(resource)


LAST_PAGE = bundle("searchset", [])
RESPONSE = {"status": "201 Created", "location": "Patient/p/_history/1", "etag": 'W/"1"', "outcome": OUTCOME}
CALLS: dict[str, tuple[bytes, Callable[[FhirServer], object]]] = {
    "info": (json.dumps(STATEMENT).encode(), lambda server: server.info()),
    "send": (bundle("batch-response", [{"response": RESPONSE}]), written),
    "send refused": (bundle("batch-response", [{"response": {"status": "400"}, "resource": OUTCOME}]), written),
    "fetch": (bundle("batch-response", [{"response": {"status": "200"}, "resource": PATIENT}]), fetched),
    "find_studies": (searched(STUDY), lambda server: server.find_studies(["1.2.3"])),
    "look_up": (searched(PATIENT), looked_up),
    "studies_at": (searched(STUDY), lambda server: list(server.studies_at("e"))),
}


@settings(max_examples=300, deadline=None)
@given(draw=st.data())
@pytest.mark.parametrize("call", CALLS)
def test_any_json_at_any_place(call: str, draw: st.DataObject) -> None:
    answer, ask = CALLS[call]
    server = FhirServer(cast("Transport", Answering(spoil(answer, draw), LAST_PAGE)))
    with contextlib.suppress(PeerError):
        ask(server)


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60) | ANY.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("call", CALLS)
def test_any_bytes(call: str, body: bytes) -> None:
    server = FhirServer(cast("Transport", Answering(body, LAST_PAGE)))
    with contextlib.suppress(PeerError):
        CALLS[call][1](server)


@settings(max_examples=300, deadline=None)
@given(draw=st.data(), status=st.integers(300, 999))
def test_any_refusal(draw: st.DataObject, status: int) -> None:
    body = spoil(json.dumps(OUTCOME).encode(), draw)
    response = Response(status=status, headers={"Content-Type": "application/json"}, body=body, peer="fhir")
    strip(refusal("POST", response, is_safe=False).outcome, [PATIENT])
