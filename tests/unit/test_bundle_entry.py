from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.bundle import BundleType, Entry, build, halves, waves
from tests.resources import put_entry


def entry(resource_type: str, fhir_id: str, patient_key: str | None = None, if_match: str | None = None) -> Entry:
    return put_entry({"resourceType": resource_type, "id": fhir_id}, patient_key=patient_key, if_match=if_match)


@st.composite
def some_entries(draw: st.DrawFn) -> list[Entry]:
    """Entries as a drain makes them: at most one Patient for each key, each of any number of studies."""
    keys = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=5))
    entries = [entry("Patient", f"p-{key}", key) for key in keys]
    owners = draw(st.lists(st.sampled_from([*keys, None, "known"]), max_size=12))
    entries += [entry("ImagingStudy", f"s-{n}", owner) for n, owner in enumerate(owners)]
    entries += [entry("Endpoint", "e")] if draw(st.booleans()) else []
    return draw(st.permutations(entries))


def test_bundle_is_a_document_in_the_order_of_dependence() -> None:
    given_entries = [entry("ImagingStudy", "s", "k"), entry("Practitioner", "d"), entry("Patient", "p", "k")]
    bundle = build([*given_entries, entry("Endpoint", "e")], BundleType.TRANSACTION)
    assert orjson.loads(b"".join(bundle.pieces)) == {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": {"resourceType": kind, "id": name}, "request": {"method": "PUT", "url": f"{kind}/{name}"}}
            for kind, name in [("Endpoint", "e"), ("Patient", "p"), ("Practitioner", "d"), ("ImagingStudy", "s")]
        ],
    }
    assert [one.reference for one in bundle.entries] == ["Endpoint/e", "Patient/p", "Practitioner/d", "ImagingStudy/s"]
    assert bundle.count == 4


def test_known_version_is_demanded() -> None:
    bundle = build([entry("ImagingStudy", "s", if_match="7")], BundleType.BATCH)
    assert orjson.loads(b"".join(bundle.pieces))["entry"][0]["request"]["ifMatch"] == 'W/"7"'


@pytest.mark.parametrize("entries", [[], [entry("Patient", "p"), entry("Patient", "p", "k")]])
def test_refuses_nothing_and_doubles(entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match="Bundle"):
        build(entries, BundleType.BATCH)


def test_one_id_of_two_types_is_two_identities() -> None:
    assert build([entry("Patient", "x"), entry("ImagingStudy", "x")], BundleType.BATCH).count == 2


@settings(deadline=None)
@given(some_entries().filter(bool), st.sampled_from(BundleType))
def test_sizes_add_up(entries: list[Entry], bundle_type: BundleType) -> None:
    bundle = build(entries, bundle_type)
    head = len(f'{{"resourceType":"Bundle","type":"{bundle_type}","entry":[]}}')
    assert bundle.size == head + sum(one.size for one in entries) - 1
    assert [one["resource"]["id"] for one in orjson.loads(b"".join(bundle.pieces))["entry"]] == [
        one.fhir_id for one in bundle.entries
    ]


@settings(deadline=None)
@given(some_entries())
def test_waves_hold_every_entry_once_and_no_mixture(entries: list[Entry]) -> None:
    found = waves(entries)
    assert sorted(one.reference for wave in found for one in wave) == sorted(one.reference for one in entries)
    assert all(len({one.key.type for one in wave}) == 1 for wave in found)
    order = [wave[0].key.type for wave in found]
    assert order == [kind for kind in ("Endpoint", "Patient", "ImagingStudy") if kind in order]


def test_one_entry_has_no_halves() -> None:
    with pytest.raises(ValueError, match="no halves"):
        halves([entry("Patient", "p")])


@settings(deadline=None)
@given(some_entries().filter(lambda entries: len(entries) > 1))
def test_halves_are_smaller_complete_and_keep_patients(entries: list[Entry]) -> None:
    parts = halves(entries)
    assert {one.reference for part in parts for one in part} == {one.reference for one in entries}
    assert all(0 < len(part) < len(entries) for part in parts)
    studies = [one.reference for part in parts for one in part if one.key.type == "ImagingStudy"]
    assert len(studies) == len(set(studies))
    patients = {one.patient_key for one in entries if one.key.type == "Patient"}
    if len(entries) > 2:
        for part in parts:
            present = {one.patient_key for one in part if one.key.type == "Patient"}
            needed = {one.patient_key for one in part if one.key.type == "ImagingStudy"} & patients
            assert needed <= present


def test_patient_and_its_only_study_are_parted_patient_first() -> None:
    study, patient = entry("ImagingStudy", "s", "k"), entry("Patient", "p", "k")
    assert halves([study, patient]) == ((patient,), (study,))


def test_halves_of_two_patients_under_one_key() -> None:
    first, second = entry("Patient", "p", "k"), entry("Patient", "q", "k")
    assert halves([first, second]) == ((first,), (second,))


@settings(deadline=None)
@given(some_entries().filter(bool))
def test_bisecting_ends_and_finds_every_entry_alone(entries: list[Entry]) -> None:
    alone, waiting = set(), [tuple(entries)]
    while waiting:
        part = waiting.pop()
        if len(part) == 1:
            alone.add(part[0].reference)
        else:
            waiting.extend(halves(part))
    assert alone == {one.reference for one in entries}
