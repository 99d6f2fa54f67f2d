"""Mapped resources get the ids that a server knows them by."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from indexer.bundle import Entry, bind, build
from indexer.bundle.entry import BundleType
from indexer.model import ResourceKey

REFERENCES = {"Patient/a": "Patient/1", 'Endpoint/my "pacs"': "Endpoint/2", "Patient/1": "Patient/a"}
TEXTS = st.text() | st.sampled_from(['"reference":"Patient/a"', '\\"reference":"Patient/a"', "Patient/a", "reference"])
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(0, 9) | st.builds(lambda one: {"reference": one}, st.sampled_from([*REFERENCES])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def bound(value: Any) -> Any:
    """The same, slowly."""
    if isinstance(value, dict):
        return {
            name: REFERENCES.get(inner, inner) if name == "reference" and isinstance(inner, str) else bound(inner)
            for name, inner in value.items()
        }
    return [bound(inner) for inner in value] if isinstance(value, list) else value


@given(VALUES)
def test_only_references_are_replaced_each_once(value: Any) -> None:
    resource = {"resourceType": "ImagingStudy", "value": value}
    body = bind(orjson.dumps(resource), fhir_id="s1", references=REFERENCES)
    assert orjson.loads(body) == {"resourceType": "ImagingStudy", "id": "s1", "value": bound(value)}
    assert body.startswith(b'{"resourceType":"ImagingStudy","id":"s1",')


def test_without_anything_to_bind_it_is_the_same() -> None:
    body = b'{"resourceType":"Patient","x":1}'
    assert bind(body) is body


def test_a_transaction_refers_to_what_has_no_id_yet() -> None:
    patient, study = ResourceKey("Patient", "a"), ResourceKey("ImagingStudy", "1.2")
    subject = orjson.dumps({"resourceType": "ImagingStudy", "subject": {"reference": "Patient/a"}})
    entries = [
        Entry(key=patient, fhir_id=None, body=b'{"resourceType":"Patient","x":1}', request={"method": "POST"}),
        Entry(key=study, fhir_id=None, body=subject, request={"method": "POST"}),
    ]
    made = build(entries, BundleType.TRANSACTION)
    first, second = orjson.loads(b"".join(made.pieces))["entry"]
    assert first["fullUrl"].startswith("urn:uuid:")
    assert second["resource"]["subject"] == {"reference": first["fullUrl"]}
    assert first["fullUrl"] != second["fullUrl"]
    (known,) = orjson.loads(
        b"".join(build([entries[1].referring({"Patient/a": "Patient/9"})], BundleType.BATCH).pieces)
    )["entry"]
    assert known["resource"]["subject"] == {"reference": "Patient/9"}
