"""Whatever a FHIR server answers, nothing but a `PeerError` leaves the edge."""

import contextlib
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.bundle import judge, strip
from indexer.errors import AnswerLost, PeerError, ProtocolViolation, Refused
from indexer.fhir import FhirServer
from indexer.model import Lookup, successor
from indexer.plan.mismatch import is_mismatch
from indexer.transport import Response, Transport
from indexer.transport.faults import refusal
from tests.unit.any_json import ANY, spoil

JSON = {"Content-Type": "application/fhir+json"}
IDENTIFIER = [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [
        {"severity": "error", "code": "invalid", "details": {"text": "x"}, "diagnostics": "y", "location": ["z"]}
    ],
}
LINK = [{"type": "replaced-by", "other": {"reference": "Patient/q"}}]
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": IDENTIFIER,
    "link": LINK,
    "meta": {"versionId": "1"},
    "name": [{"family": "A"}],
    "gender": "male",
    "birthDate": "1970",
}
OTHER_PATIENT = {"name": [{"family": "B"}], "gender": "female", "birthDate": "1980"}
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

    def __init__(self, first: bytes, last: bytes, status: int = 200) -> None:
        self._answers = [first, last]
        self._status = status

    def request(self, method: str, path: str, **options: Any) -> Response:
        body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Response(status=self._status, headers=JSON, body=body, peer=self.peer)


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
            is_mismatch(OTHER_PATIENT, resource)


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


@settings(max_examples=150, deadline=None)
@given(draw=st.data())
@pytest.mark.parametrize("call", CALLS)
def test_any_json_at_any_place(call: str, draw: st.DataObject) -> None:
    answer, ask = CALLS[call]
    server = FhirServer(cast("Transport", Answering(spoil(answer, draw), LAST_PAGE)))
    with contextlib.suppress(PeerError):
        ask(server)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=60) | ANY.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("call", CALLS)
def test_any_bytes(call: str, body: bytes) -> None:
    server = FhirServer(cast("Transport", Answering(body, LAST_PAGE)))
    with contextlib.suppress(PeerError):
        CALLS[call][1](server)


@settings(max_examples=150, deadline=None)
@given(draw=st.data(), status=st.integers(300, 999))
def test_any_refusal(draw: st.DataObject, status: int) -> None:
    body = spoil(json.dumps(OUTCOME).encode(), draw)
    response = Response(status=status, headers={"Content-Type": "application/json"}, body=body, peer="fhir")
    strip(refusal("POST", response, is_safe=False).outcome, [PATIENT])


def searching(**broken: Any) -> FhirServer:
    """A server whose search result is broken."""
    page = bundle("searchset", [])
    return FhirServer(cast("Transport", Answering(json.dumps({**json.loads(page), **broken}).encode(), page)))


@pytest.mark.parametrize(
    "broken",
    [
        {"entry": 5},
        {"entry": {}},
        {"entry": [None]},
        {"entry": [{"resource": "x"}]},
        {"entry": [{"resource": {key: value for key, value in STUDY.items() if key != "id"}}]},
        {"entry": [{"resource": {**STUDY, "id": 7}}]},
        {"entry": [{"resource": {**STUDY, "identifier": 5}}]},
        {"entry": [{"resource": {**STUDY, "identifier": ["x"]}}]},
        {"entry": [{"resource": {**STUDY, "identifier": [{"value": ["1.2.3"]}]}}]},
        {"link": 5},
        {"link": [None]},
        {"link": [{"relation": "next", "url": 5}]},
        {"link": [{"relation": "next", "url": "http://[x"}]},
        {"type": []},
    ],
    ids=str,
)
def test_a_malformed_search_result_is_the_server_s_failure(broken: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        searching(**broken).find_studies(["1.2.3"])


@pytest.mark.parametrize("levels", [300, 1000, 100_000])
def test_an_outcome_that_is_nested_without_end(levels: int) -> None:
    details = b'{"extension":[' * levels + b"{}" + b"]}" * levels
    outcome = b'{"resourceType":"OperationOutcome","issue":[{"details":' + details + b"}]}"
    entry = b'{"response":{"status":"400","outcome":' + outcome + b"}}"
    answer = b'{"resourceType":"Bundle","type":"batch-response","entry":[' + entry + b"]}"
    for body, status, expected in ((answer, 200, AnswerLost), (outcome, 400, Refused)):
        with pytest.raises(expected):
            FhirServer(cast("Transport", Answering(body, body, status))).send((b"{}",), 1)


@pytest.mark.parametrize("broken", [{"name": 5}, {"name": ["A"]}, {"gender": []}, {"birthDate": 1970}], ids=str)
def test_malformed_demographics_are_the_server_s_failure(broken: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        searching(entry=[{"resource": {**PATIENT, **broken}}]).look_up([LOOKUP])
