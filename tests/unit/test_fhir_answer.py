"""Reading the entries of an answer, whatever a server makes of them."""

from typing import Any

import orjson
import pytest

from indexer.errors import ProtocolViolation
from indexer.fhir import answer as answers
from indexer.transport import Response

JSON = {"Content-Type": "application/fhir+json"}


def response(*entries: object, kind: str = "batch-response", **headers: str) -> Response:
    body = orjson.dumps({"resourceType": "Bundle", "type": kind, "entry": entries})
    return Response(status=200, headers={**JSON, **headers}, body=body, peer="fhir")


@pytest.mark.parametrize(
    ("entry", "version_id"),
    [
        ({"response": {"status": "200", "etag": 'W/"4"', "location": "Patient/a/_history/3"}}, "4"),
        ({"response": {"status": "200", "etag": '"4"'}}, "4"),
        ({"response": {"status": "200", "location": "http://h/Patient/a/_history/3"}}, "3"),
        ({"response": {"status": "200"}, "resource": {"resourceType": "Patient", "meta": {"versionId": "2"}}}, "2"),
        ({"response": {"status": "200 OK"}}, None),
        ({"response": {"status": 200, "location": "Patient/a", "etag": "4"}}, None),
    ],
)
def test_version(entry: dict[str, Any], version_id: str | None) -> None:
    (found,) = answers.entries(response(entry), 1)
    assert (found.result.status, found.result.version_id) == (200, version_id)


@pytest.mark.parametrize(
    ("entry", "fhir_id"),
    [
        ({"response": {"status": "200", "location": "http://h/Patient/a/_history/3"}}, "a"),
        ({"response": {"status": "200"}, "resource": {"resourceType": "Patient", "id": "b"}}, "b"),
        ({"response": {"status": "200"}, "resource": {"resourceType": "Patient", "id": 5}}, None),
        ({"response": {"status": "200", "location": "elsewhere"}}, None),
    ],
)
def test_id_of_what_was_written(entry: dict[str, Any], fhir_id: str | None) -> None:
    (answer,) = answers.entries(response(entry), 1)
    assert answer.result.fhir_id == fhir_id


def test_outcome_in_place_of_the_resource() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    (found,) = answers.entries(response({"response": {"status": "422 No"}, "resource": outcome}), 1)
    assert (found.result.outcome, found.resource) == (outcome, None)


@pytest.mark.parametrize(("said", "wait_s"), [("9", 9), ("0", 1), ("9" * 30, 600), ("-1", None), ("soon", None)])
def test_entries_put_off_by_the_whole_answer(said: str, wait_s: float | None) -> None:
    entry = {"response": {"status": "429 Too Many Requests"}}
    (found,) = answers.entries(response(entry, **{"Retry-After": said}), 1)
    assert found.result.retry_after_s == wait_s


@pytest.mark.parametrize(
    "broken",
    [
        response(kind="searchset"),
        response({"response": {"status": "200"}}, {"response": {"status": "200"}}),
        response({"response": {"status": "OK"}}),
        response({"response": {"status": "2000"}}),
        response({"response": "200"}),
        response("200"),
    ],
)
def test_no_answer_to_a_bundle(broken: Response) -> None:
    with pytest.raises(ProtocolViolation):
        answers.entries(broken, 1)
