import copy
from typing import Any

import pytest

from indexer.mapping import Release, check
from tests.unit.mapping.studies import mapped, series, study


def sound() -> dict[str, Any]:
    attributes = {"StudyDate": "20240102", "AccessionNumber": "A1"}
    found: dict[str, Any] = copy.deepcopy(mapped(study(attributes, series({"SeriesNumber": "1"}))).imaging_study)
    return found


def planted(resource: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The resource with a mistake at a dotted path; Ellipsis takes the element away."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = resource
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return resource


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("resourceType", "Observation", "resourceType: none that this program writes"),
        ("status", ..., "ImagingStudy.status: missing"),
        ("subject", ..., "ImagingStudy.subject: missing"),
        ("subject", {}, "ImagingStudy.subject: no object or an empty one"),
        ("subject", "Patient/1", "ImagingStudy.subject: no object or an empty one"),
        ("subject.reference", "", "ImagingStudy.subject.reference: no valid string"),
        ("subject.display", " ", "ImagingStudy.subject.display: no valid string"),
        ("id", "x" * 65, "ImagingStudy.id: no valid id"),
        ("id", "a_b", "ImagingStudy.id: no valid id"),
        ("status", "done", "ImagingStudy.status: no valid code"),
        ("started", "2024-02-30", "ImagingStudy.started: no valid dateTime"),
        ("started", "2024-02-01T10:00", "ImagingStudy.started: no valid dateTime"),
        ("started", "2024-02-01T10:00:00", "ImagingStudy.started: no valid dateTime"),
        ("started", "2024-02-01T25:00:00Z", "ImagingStudy.started: no valid dateTime"),
        ("started", "01.02.2024", "ImagingStudy.started: no valid dateTime"),
        ("numberOfSeries", "1", "ImagingStudy.numberOfSeries: no valid unsignedInt"),
        ("numberOfSeries", -1, "ImagingStudy.numberOfSeries: no valid unsignedInt"),
        ("numberOfSeries", True, "ImagingStudy.numberOfSeries: no valid unsignedInt"),
        ("numberOfSeries", 0, "ImagingStudy.numberOfSeries: less than the series listed"),
        ("numberOfInstances", 0, "ImagingStudy.numberOfInstances: less than the series' numbers together"),
        ("series.0.numberOfInstances", 0, "ImagingStudy.series.numberOfInstances: less than the instances listed"),
        ("modality", {"code": "CT"}, "ImagingStudy.modality: no array"),
        ("modality", [], "ImagingStudy.modality: empty"),
        ("modality.0.code", "C  T", "ImagingStudy.modality.code: no valid code"),
        ("modality.0.system", "no uri", "ImagingStudy.modality.system: no valid uri"),
        ("series.0.uid", ..., "ImagingStudy.series.uid: missing"),
        ("series.0.uid", "1.2.x", "ImagingStudy.series.uid: no valid uid"),
        ("series.0.modality", [{"code": "CT"}], "ImagingStudy.series.modality: an array"),
        ("series.0.instance.0.sopClass", ..., "ImagingStudy.series.instance.sopClass: missing"),
        ("series.0.instance.0.number", 2**31, "ImagingStudy.series.instance.number: no valid unsignedInt"),
        ("series.0.instance.0", "text", "ImagingStudy.series.instance: no object or an empty one"),
        ("identifier.0.system", "urn:other", "ImagingStudy.identifier: not exactly one urn:dicom:uid with urn:oid:"),
        ("identifier.0.value", "1.2.3", "ImagingStudy.identifier: not exactly one urn:dicom:uid with urn:oid:"),
        ("description", None, "ImagingStudy.description: no valid string"),
        ("extension", [], "ImagingStudy: an empty value, or none of FHIR's JSON"),
        (
            "extension",
            [{"url": "x", "valueDecimal": float("nan")}],
            "ImagingStudy: an empty value, or none of FHIR's JSON",
        ),
        ("subject.extension", {"a": {"b": None}}, "ImagingStudy.subject: an empty value, or none of FHIR's JSON"),
        ("extension", [{"url": object()}], "ImagingStudy: an empty value, or none of FHIR's JSON"),
    ],
)
def test_mistakes_are_named(path: str, value: Any, problem: str) -> None:
    assert check(planted(sound(), path, value), Release.R4) == (problem,)


def test_sound_resource_and_what_others_added_pass() -> None:
    extended = sound() | {
        "meta": {"versionId": "1"},
        "extension": [{"url": "urn:x", "valueDecimal": 1.5}, {"url": "urn:y", "valueBoolean": False}],
        "note": [{"text": "by others"}],
    }
    assert check(sound(), Release.R4) == check(extended, Release.R4) == ()


def test_doubles_are_found_beyond_the_first_instance() -> None:
    resource = sound()
    instances = resource["series"][0]["instance"]
    instances.append(dict(instances[0]))
    resource["series"][0]["numberOfInstances"] = resource["numberOfInstances"] = 2
    assert check(resource, Release.R4) == ("ImagingStudy.series.instance.uid: a UID twice",)


@pytest.mark.parametrize("broken", [{"uid": "1.x"}, {"number": -1}, {"title": ""}, {"sopClass": {"code": ""}}])
def test_instances_beyond_the_first_are_looked_at(broken: dict[str, Any]) -> None:
    resource = sound()
    instances = resource["series"][0]["instance"]
    instances.append({**instances[0], "uid": "1.5", **broken})
    assert len(check(resource, Release.R4)) == 1


def test_series_twice() -> None:
    resource = sound()
    resource["series"].append(resource["series"][0])
    resource |= {"numberOfSeries": 2, "numberOfInstances": 2}
    assert check(resource, Release.R4) == ("ImagingStudy.series.uid: a UID twice",)


def test_deep_foreign_content_ends() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert check(sound() | {"extension": deep}, Release.R4) == ("ImagingStudy: an empty value, or none of FHIR's JSON",)


@pytest.mark.parametrize(
    "address",
    ["ftp://x/y", "https://x/y/", "https://x/y?z=1", "x/y"],
)
def test_endpoint_address(address: str) -> None:
    coding = {"system": "urn:x", "code": "dicom-wado-rs"}
    resource = {
        "resourceType": "Endpoint",
        "id": "1",
        "status": "active",
        "connectionType": coding,
        "payloadType": [{"text": "x"}],
        "address": address,
    }
    assert check(resource, Release.R4) == ("Endpoint.address: no valid url",)
