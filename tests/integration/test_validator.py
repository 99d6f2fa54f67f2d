"""Every golden resource as sent and as held, every preset and subject, and planted mistakes under HAPI's validator."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from indexer import mapping
from indexer.mapping import Element, Release, Subject, WithoutNumber, check, presets
from tests.golden.record import FOLDER, RELEASES
from tests.resources import ENDPOINT_ID, with_id
from tests.servers.hapi import Hapi
from tests.unit.mapping.studies import mapped, rules
from tests.unit.mapping.test_presets import under, whole_study
from tests.unit.mapping.test_without_number import without_number
from tests.validator import Finding, validate

RELEASES_TO_VALIDATE = [Release.R4, Release.R4B, Release.R5]
RECORD_OF = {release: name for name, releases in RELEASES.items() for release in releases}
EXPECTED_WARNINGS = {
    "dom-6": "a narrative is for readers; the study has none that its elements do not say",
    "not found": "DICOM publishes its value sets as pages, not as FHIR resources",
    "value set 'IdentifierType'": "DCM#110180 and VN are no codes of the set, which is extensible",
    "value set 'Identifier Type Codes'": "the same in R5",
    "series performer function": "device and custodian are no codes of the set, which is extensible",
    "is not supported": "SNOMED CT is not there offline",
    "CodeSystem is unknown": "LOINC and others are not there offline",
    "no defined meaning": "a modality that DICOM does not define bears no system",
}


def golden(release: Release) -> list[dict[str, Any]]:
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    found = [record[RECORD_OF[release]] for record in records]
    return [one[kind] for one in found for kind in ("ImagingStudy", "Patient") if kind in one]


def of_presets(release: Release) -> list[dict[str, Any]]:
    found = []
    for name, preset in presets().items():
        one = under(name, whole_study(), release)
        applied = rules(release=release, preset=preset, requires_access_token=True)
        service = mapping.endpoint("https://pacs.example.org", identifier="e1", source="main", rules=applied)
        found += [without_profile(resource) for resource in (one.imaging_study, one.patient, service)]
    return found


def of_subjects(release: Release) -> list[dict[str, Any]]:
    """A study of a Patient by its identifier, of one inside, of a device, and of an unknown patient in every way."""
    phantom = {"elements": frozenset(Element), "device_patient_ids": ("*",)}
    ways: list[dict[str, Any]] = [{"subject": Subject.LOGICAL}, {"subject": Subject.CONTAINED}, phantom]
    known = [mapped(whole_study(), release=release, **way).imaging_study for way in ways]
    unknown = [
        mapped(without_number(sex="F"), release=release, without_number=WithoutNumber(choice), **way)
        for choice, way in itertools.product(("absent", "study"), [{}, *ways])
    ]
    return [*known, *(resource for study in unknown for resource in (study.imaging_study, study.patient))]


def held(hapi: Hapi, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources as the server holds them after it was sent them; those of one id once."""
    sent = {f"{one['resourceType']}/{one['id']}": one for one in resources}
    answers = batch(hapi, [{"request": {"method": "PUT", "url": url}, "resource": one} for url, one in sent.items()])
    assert {one["response"]["status"][:3] for one in answers} <= {"200", "201"}
    found = [one["resource"] for one in batch(hapi, [{"request": {"method": "GET", "url": url}} for url in sent])]
    assert [without_profile(one) for one in found] == [without_profile(one) for one in sent.values()]
    return found


def batch(hapi: Hapi, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of the answer to a batch."""
    answer = requests.post(hapi.url, json={"resourceType": "Bundle", "type": "batch", "entry": entries}, timeout=300)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["entry"]
    return found


def without_profile(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource under the base specification: the profiles' definitions are not there offline."""
    return {name: value for name, value in resource.items() if name != "meta"}


MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "missing subject": lambda study: study.pop("subject"),
    "wrong status": lambda study: study.update(status="done"),
    "number as a string": lambda study: study.update(numberOfSeries="1"),
    "unknown element": lambda study: study.update(numberOfThings=1),
    "30 February": lambda study: study.update(started="2024-02-30"),
    "time without a zone": lambda study: study.update(started="2024-02-01T10:00:00"),
    "wrong identifier use": lambda study: study["identifier"][0].update(use="mine"),
    "series without a UID": lambda study: study["series"][0].pop("uid"),
    "class of a wrong type": lambda study: study["series"][0]["instance"][0].update(sopClass="1.2"),
}


OWN_MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "letters in a UID": lambda study: study["series"][0].update(uid="1.2.x"),
    "more instances than are counted": lambda study: study["series"][0].update(numberOfInstances=0),
    "a series twice": lambda study: study["series"].append(study["series"][0]),
}


@dataclass(frozen=True)
class Validated:
    """What was validated, with its findings, and the findings of each planted mistake."""

    sent: list[tuple[dict[str, Any], list[Finding]]]
    held: list[tuple[dict[str, Any], list[Finding]]]
    spoilt: dict[str, list[Finding]]


@pytest.fixture(scope="module", params=RELEASES_TO_VALIDATE)
def release(request: pytest.FixtureRequest) -> Release:
    found: Release = request.param
    return found


@pytest.fixture(scope="module")
def validated(release: Release, hapi_of: Callable[[str], Hapi]) -> Validated:
    """All at once, because the validator takes long to start."""
    applied = rules(release=release)
    service = mapping.endpoint("https://pacs.example.org", identifier=ENDPOINT_ID, source="main", rules=applied)
    service = with_id(service, ENDPOINT_ID)
    records = sorted(golden(release), key=lambda one: one["resourceType"], reverse=True)
    sent = records + of_presets(release) + of_subjects(release)
    read_back = held(hapi_of(release.lower()), [service, *records])
    spoilt = [json.loads(json.dumps(mapped(release=release).imaging_study)) for _ in MISTAKES]
    for resource, spoil in zip(spoilt, MISTAKES.values(), strict=True):
        spoil(resource)
    found = validate(release, sent + read_back + spoilt)
    planted = found[len(sent) + len(read_back) :]
    return Validated(
        list(zip(sent, found, strict=False)),
        list(zip(read_back, found[len(sent) :], strict=False)),
        dict(zip(MISTAKES, planted, strict=True)),
    )


def test_what_is_sent_has_no_errors_and_no_warning_without_a_reason(validated: Validated) -> None:
    findings = [one for _, found in validated.sent for one in found]
    assert len(validated.sent) > 200
    assert [one for one in findings if one.is_error] == []
    warnings = {one.message for one in findings if one.severity == "warning"}
    assert [one for one in warnings if not any(words in one for words in EXPECTED_WARNINGS)] == []


def test_what_the_server_holds_has_no_errors(release: Release, validated: Validated) -> None:
    assert len(validated.held) > 200
    assert [one for _, found in validated.held for one in found if one.is_error] == []
    # No validator checks the syntax of UIDs, or counts against lists: our own rules do.
    assert [check(resource, release) for resource, _ in validated.held if check(resource, release)] == []


def test_planted_mistakes_are_errors(validated: Validated) -> None:
    assert [name for name, found in validated.spoilt.items() if not any(one.is_error for one in found)] == []


@pytest.mark.parametrize("mistake", OWN_MISTAKES)
def test_what_no_validator_sees_is_found_by_our_own_rules(release: Release, mistake: str) -> None:
    resource = json.loads(json.dumps(mapped(release=release).imaging_study))
    assert check(resource, release) == ()
    OWN_MISTAKES[mistake](resource)
    assert check(resource, release)
