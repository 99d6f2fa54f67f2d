"""Every golden resource, every preset and planted mistakes under HAPI's own validator."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from indexer import mapping
from indexer.mapping import Release, presets
from tests.golden.record import FOLDER, RELEASES
from tests.unit.mapping.studies import mapped, rules
from tests.unit.mapping.test_presets import under, whole_study
from tests.validator import Finding, validate

if TYPE_CHECKING:
    from collections.abc import Callable

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
        service = mapping.endpoint("https://pacs.example.org", endpoint_id="e1", source="main", rules=applied)
        found += [without_profile(resource) for resource in (one.imaging_study, one.patient, service)]
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


@functools.cache
def validated(release: Release) -> tuple[list[list[Finding]], dict[str, list[Finding]]]:
    """Findings of the sound resources, and of each planted mistake: the validator needs long to start, so at once."""
    good = golden(release) + of_presets(release)
    spoilt = [json.loads(json.dumps(mapped(release=release).imaging_study)) for _ in MISTAKES]
    for resource, spoil in zip(spoilt, MISTAKES.values(), strict=True):
        spoil(resource)
    found = validate(release, good + spoilt)
    return found[: len(good)], dict(zip(MISTAKES, found[len(good) :], strict=True))


@pytest.mark.server
@pytest.mark.parametrize("release", RELEASES_TO_VALIDATE)
def test_no_errors_and_no_warning_without_a_reason(release: Release) -> None:
    sound, _ = validated(release)
    findings = [one for found in sound for one in found]
    assert len(sound) > 200
    assert [one for one in findings if one.is_error] == []
    warnings = {one.message for one in findings if one.severity == "warning"}
    assert [one for one in warnings if not any(words in one for words in EXPECTED_WARNINGS)] == []


@pytest.mark.server
@pytest.mark.parametrize("release", RELEASES_TO_VALIDATE)
def test_planted_mistakes_are_errors(release: Release) -> None:
    _, spoilt = validated(release)
    assert [name for name, found in spoilt.items() if not any(one.is_error for one in found)] == []
