import re
from pathlib import Path
from typing import Any

import pytest

from indexer import mapping
from indexer.mapping import Element, Release, check, elements_for, presets
from indexer.model import Instance
from tests.fakes.attributes import over
from tests.unit.mapping.r6 import mistakes
from tests.unit.mapping.studies import CT, INSTANCE_UID, PATIENT, dataset, issues, mapped, rules, series, study
from tests.unit.mapping.test_docs import EVERYTHING
from tests.unit.mapping.test_fhirclient import read_strictly

NAMES = ["base", "us-core", "eu-imaging", "mii", "tw-core", "flute", "ihe-imr", "smart", "digital-twins"]
PAGE = (Path(__file__).parents[3] / "docs" / "presets.md").read_text(encoding="utf-8")


def whole_study() -> Any:
    of_series = {"SeriesNumber": "1", "SeriesDate": "20240102", "BodyPartExamined": "HEART", "Modality": "CT"}
    instances = (Instance(INSTANCE_UID, CT, "1", "2"),)
    sampled = {INSTANCE_UID: over(EVERYTHING, dataset(PATIENT))}
    return study({"StudyDate": "20240102"}, series(of_series, instances=instances, sampled=sampled))


def under(name: str, one: Any, release: Release = Release.R4, **changes: Any) -> mapping.Mapped:
    preset = presets()[name]
    return mapped(one, preset=preset, elements=elements_for(preset), release=release, **changes)


def endpoint(name: str, release: Release = Release.R4, **changes: Any) -> dict[str, Any]:
    applied = rules(preset=presets()[name], release=release, **changes)
    return mapping.endpoint("https://pacs.example.org", identifier="e1", source="main", rules=applied)


def test_names() -> None:
    assert list(presets()) == NAMES
    assert re.findall(r"^## (\S+)$", PAGE, re.MULTILINE) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("release", list(Release))
def test_resources_are_sound(name: str, release: Release) -> None:
    found = under(name, whole_study(), release)
    for resource in (found.imaging_study, found.patient, endpoint(name, release, requires_access_token=True)):
        assert check(resource, release) == ()
        if release is Release.R6:
            assert mistakes(resource) == []
        elif release is not Release.R5:
            read_strictly(resource)


@pytest.mark.parametrize("name", NAMES)
def test_profiles_are_claimed_by_whole_resources(name: str) -> None:
    preset = presets()[name]
    found = under(name, whole_study())
    resources = [found.imaging_study, found.patient, endpoint(name, requires_access_token=False)]
    claimed = {one["resourceType"]: one["meta"]["profile"][0] for one in resources if "meta" in one}
    assert claimed == preset.profiles.get("R4", {})
    assert ("not_claimed" in {cause for _, cause in issues(found)}) is False
    assert under(name, whole_study(), Release.R6).imaging_study.get("meta") is None


@pytest.mark.parametrize(
    ("name", "attributes", "lacking"),
    [
        ("us-core", {"PatientSex": ""}, "Patient.gender"),
        ("eu-imaging", {"PatientBirthDate": ""}, "Patient.birthDate"),
        ("flute", {}, "ImagingStudy.started"),
        ("ihe-imr", {}, "ImagingStudy.started"),
    ],
)
def test_what_lacks_a_demanded_element_claims_nothing(name: str, attributes: dict[str, str], lacking: str) -> None:
    sample = {key: value for key, value in (PATIENT | attributes).items() if value}
    found = under(name, study(None, series(sampled={INSTANCE_UID: dataset(sample)})))
    resource = found.patient if lacking.startswith("Patient") else found.imaging_study
    assert "meta" not in resource
    assert (lacking, "not_claimed") in issues(found)


@pytest.mark.parametrize(
    ("systems", "orders", "unmet"),
    [
        ({"accession_system": "urn:oid:1.2.3.5"}, [], set()),
        ({}, [], {"ImagingStudy.identifier.system", "ImagingStudy.basedOn.identifier.system"}),
        ({"accession_system": "urn:oid:1.2.3.5"}, ["A2"], {"ImagingStudy.basedOn"}),
    ],
)
def test_eu_wants_one_order_of_a_known_issuer(systems: dict[str, str], orders: list[str], unmet: set[str]) -> None:
    requests = [dataset({"AccessionNumber": one}) for one in orders]
    sample = dataset(PATIENT | {"AccessionNumber": "A1"}, RequestAttributesSequence=requests)
    found = under("eu-imaging", study(None, series(sampled={INSTANCE_UID: sample})), **systems)
    assert {keyword for keyword, cause in issues(found) if cause == "not_claimed"} == unmet
    assert ("meta" in found.imaging_study) is (not unmet)


def test_study_without_a_series_claims_nothing() -> None:
    found = under("us-core", study(None, series(uid="1.x")))
    assert issues(found) >= {("ImagingStudy.modality", "not_claimed"), ("ImagingStudy.series", "not_claimed")}


def test_source_of_the_resource() -> None:
    found = mapped(meta_source="https://pacs.example.org")
    assert found.imaging_study["meta"] == found.patient["meta"] == {"source": "https://pacs.example.org"}
    assert list(found.imaging_study)[:3] == ["resourceType", "id", "meta"]


@pytest.mark.parametrize("release", [Release.R4, Release.R5])
def test_eu_extensions(release: Release) -> None:
    found = under("eu-imaging", whole_study(), release).imaging_study
    (region,) = found["extension"]
    assert region["url"].endswith("/StructureDefinition/AnatomicalRegionExtension")
    assert region["valueCodeableConcept"]["coding"][0]["code"] == "80891009"
    (frames,) = found["series"][0]["instance"][0]["extension"]
    assert frames["url"].endswith("/StructureDefinition/NumberOfFrames")
    assert frames["valueInteger"] == 2
    elsewhere = study(None, series({"BodyPartExamined": "FOOT"}))
    assert "extension" not in under("eu-imaging", elsewhere, release).imaging_study


def test_mii_writes_coded_sites_alone() -> None:
    found = under("mii", study(None, series({"BodyPartExamined": "Fuß rechts", "StationName": "CT1"}))).imaging_study
    assert "bodySite" not in found["series"][0]
    assert [one["actor"]["type"] for one in found["series"][0]["performer"]] == ["Device"]


def test_tw_core() -> None:
    found = under("tw-core", whole_study())
    assert found.patient["identifier"][0]["use"] == "official"
    assert found.imaging_study["series"][0]["instance"][0]["title"] == "ORIGINAL\\PRIMARY\\AXIAL"


def test_payload_types() -> None:
    assert endpoint("us-core")["payloadType"][0]["coding"][0]["code"] == "any"
    assert endpoint("ihe-imr")["payloadType"][0]["coding"][0]["code"] == "113014"
    assert endpoint("base")["payloadType"] == [{"text": "DICOM WADO-RS"}]


def test_smart_says_whether_a_token_is_wanted() -> None:
    told = endpoint("smart", requires_access_token=True)
    assert told["extension"][0]["valueBoolean"] is True
    assert told["meta"]["profile"][0].endswith("/smart-wado-endpoint")
    untold = endpoint("smart")
    assert not untold.keys() & {"extension", "meta"}


def test_page_tells_the_switches() -> None:
    told = dict(re.findall(r"^\| `(\S+)` \| [^|]* \|([^|]*)\|$", PAGE, re.MULTILINE))
    for name, preset in presets().items():
        added, _, removed = told[name].partition("−")
        assert set(re.findall(r"\w+", added)) == set(preset.add), name
        assert set(re.findall(r"\w+", removed)) == set(preset.remove), name
        assert {Element(one) for one in (*preset.add, *preset.remove)} <= set(Element)
