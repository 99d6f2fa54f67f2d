"""Elements that a site has to want: persons, places, stays, comments, titles of images."""

from typing import Any

import pytest

from indexer.mapping import DEFAULT_ELEMENTS, Element, Release
from indexer.model import Attributes
from tests.fakes.attributes import over
from tests.unit.mapping.studies import (
    BASIC_TEXT_SR,
    CT,
    PATIENT,
    code,
    coded,
    dataset,
    instance,
    mapped,
    sampled_study,
    series,
    study,
)


def whole(one: Any, *elements: Element, release: Release = Release.R4) -> dict[str, Any]:
    found: dict[str, Any] = mapped(one, elements=DEFAULT_ELEMENTS | set(elements), release=release).imaging_study
    return found


def identified(value: str, scheme: str) -> Attributes:
    return dataset({}, PersonIdentificationCodeSequence=[code(value, scheme, "Dr. House")])


EVERYTHING = dataset(
    {
        "ReferringPhysicianName": "House^Gregory^^Dr.",
        "NameOfPhysiciansReadingStudy": "Reader^One\\Reader^Two",
        "PerformingPhysicianName": "Performer^P",
        "OperatorsName": "Operator^O",
        "InstitutionName": "General Hospital",
        "InstitutionalDepartmentName": "Radiology",
        "AdmissionID": "V-7",
        "StudyComments": "A comment",
        "StudyID": "S-1",
        "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
    }
)
HOUSE = {"system": "http://loinc.org", "value": "0815"}
PERSONAL = {"referrer", "interpreter", "location", "encounter", "note"}


SCANNER = {"Manufacturer": "ACME", "ManufacturerModelName": "Scan 3", "StationName": "CT1", "DeviceSerialNumber": "77"}
SERIAL_NUMBER = {
    "type": {"coding": [coded("http://terminology.hl7.org/CodeSystem/v2-0203", "SNO", "Serial Number")]},
    "value": "77",
}


def function(value: str, display: str) -> dict[str, Any]:
    return {"coding": [coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", value, display)]}


def test_off_unless_wanted() -> None:
    found = whole(sampled_study(EVERYTHING))
    assert not found.keys() & PERSONAL
    assert "performer" not in found["series"][0]
    assert len(found["identifier"]) == 1
    assert "title" not in found["series"][0]["instance"][0]


def test_persons() -> None:
    found = whole(sampled_study(EVERYTHING), Element.REFERRER, Element.INTERPRETER, Element.PERFORMER)
    assert found["referrer"] == {"type": "Practitioner", "display": "Dr. Gregory House"}
    assert [one["display"] for one in found["interpreter"]] == ["One Reader", "Two Reader"]
    performers = found["series"][0]["performer"]
    assert [one["actor"]["display"] for one in performers] == ["P Performer", "O Operator"]
    assert {one["function"]["coding"][0]["code"] for one in performers} == {"PRF"}


def test_r5_has_no_interpreter() -> None:
    assert "interpreter" not in whole(sampled_study(EVERYTHING), Element.INTERPRETER, release=Release.R5)


@pytest.mark.parametrize(
    ("name", "items", "expected"),
    [
        ("House^G", [identified("0815", "LN")], {"identifier": HOUSE, "display": "G House"}),
        ("", [identified("0815", "LN")], {"identifier": HOUSE, "display": "Dr. House"}),
        ("", [identified("0815", "99L")], {"display": "Dr. House"}),
        ("House^G", [identified("1", "LN"), identified("2", "LN")], {"display": "G House"}),
        ("", [dataset({})], None),
        ("^", [], None),
    ],
)
def test_referrer_with_an_identification(name: str, items: list[Attributes], expected: dict[str, Any] | None) -> None:
    sample = dataset({"ReferringPhysicianName": name}, ReferringPhysicianIdentificationSequence=items)
    found = whole(sampled_study(sample), Element.REFERRER)
    assert found.get("referrer") == (expected and {"type": "Practitioner", **expected})


def test_place_and_institution() -> None:
    found = whole(sampled_study(EVERYTHING), Element.LOCATION, Element.ORGANIZATION)
    assert found["location"] == {"type": "Location", "display": "Radiology"}
    institution = {"type": "Organization", "display": "General Hospital"}
    assert found["series"][0]["performer"] == [{"function": function("CST", "custodian"), "actor": institution}]
    nowhere = whole(study(), Element.LOCATION, Element.ORGANIZATION)
    assert "location" not in nowhere


@pytest.mark.parametrize(
    ("values", "actor"),
    [
        (SCANNER, {"type": "Device", "identifier": SERIAL_NUMBER, "display": "ACME Scan 3 (CT1)"}),
        ({"StationName": "CT1"}, {"type": "Device", "display": "CT1"}),
        ({}, None),
    ],
)
def test_device(values: dict[str, str], actor: dict[str, Any] | None) -> None:
    performer = whole(study(None, series(values)))["series"][0].get("performer")
    assert performer == (actor and [{"function": function("DEV", "device"), "actor": actor}])
    assert "performer" not in mapped(study(None, series(values)), elements=frozenset()).imaging_study["series"][0]


@pytest.mark.parametrize(
    ("issuer", "system"),
    [
        ([], None),
        ([dataset({"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"})], "urn:oid:1.2.3"),
        ([dataset({"LocalNamespaceEntityID": "HIS"})], None),
    ],
)
def test_encounter(issuer: list[Attributes], system: str | None) -> None:
    sample = dataset({"AdmissionID": "V-7"}, IssuerOfAdmissionIDSequence=issuer)
    found = whole(sampled_study(sample), Element.ENCOUNTER)["encounter"]
    assert found["type"] == "Encounter"
    assert found["identifier"]["value"] == "V-7"
    assert found["identifier"].get("system") == system
    assert "encounter" not in whole(study(), Element.ENCOUNTER)


def test_comments_and_study_id() -> None:
    found = whole(sampled_study(EVERYTHING), Element.NOTE, Element.STUDY_ID)
    assert found["note"] == [{"text": "A comment"}]
    assert found["identifier"][1] == {"use": "secondary", "value": "S-1"}


def test_titles_of_images_are_their_type() -> None:
    one = study(None, series(sampled={instance().sop_instance_uid: over(EVERYTHING, dataset(PATIENT))}))
    assert whole(one, Element.IMAGE_TITLE)["series"][0]["instance"][0]["title"] == "ORIGINAL\\PRIMARY\\AXIAL"
    bare = study(None, series(sampled={instance().sop_instance_uid: dataset(PATIENT)}))
    assert "title" not in whole(bare, Element.IMAGE_TITLE)["series"][0]["instance"][0]


@pytest.mark.parametrize(
    ("sop_class", "sample", "title"),
    [
        (
            BASIC_TEXT_SR,
            dataset({}, ConceptNameCodeSequence=[code("18748-4", "LN", "Imaging Report")]),
            "Imaging Report",
        ),
        ("1.2.840.10008.5.1.4.1.1.104.1", dataset({"DocumentTitle": "Scan"}), "Scan"),
        ("1.2.840.10008.5.1.4.1.1.481.3", dataset({"StructureSetLabel": "Plan A"}), "Plan A"),
        ("1.2.840.10008.5.1.4.1.1.11.1", dataset({"ContentLabel": "VIEW", "ContentDescription": "x"}), "VIEW"),
        ("1.2.840.10008.5.1.4.1.1.66.4", dataset({"ContentDescription": "Liver"}), "Liver"),
        ("1.2.840.10008.5.1.4.1.1.66.4", dataset({}), None),
        (CT, dataset({"ContentLabel": "VIEW"}), None),
    ],
)
def test_titles_of_other_objects(sop_class: str, sample: Attributes, title: str | None) -> None:
    others = (instance(1, uid="1.1", sop_class=sop_class), instance(2, uid="1.2", sop_class=sop_class))
    sampled = {"1.1": over(sample, dataset(PATIENT)), "9.9": dataset(PATIENT)}
    one = study(None, series(instances=others, sampled=sampled))
    found = whole(one)["series"][0]["instance"]
    assert [element.get("title") for element in found] == [title, None]
    silent = mapped(one, elements=frozenset()).imaging_study["series"][0]["instance"]
    assert all("title" not in element for element in silent)


def test_specimens_once() -> None:
    issuer = dataset({"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"})
    items = [
        dataset({"SpecimenIdentifier": "B-1"}, IssuerOfTheSpecimenIdentifierSequence=[issuer]),
        dataset({"SpecimenIdentifier": "B-2"}),
        dataset({"SpecimenIdentifier": "B-2"}),
        dataset({}),
    ]
    found = whole(sampled_study(dataset({}, SpecimenDescriptionSequence=items)))
    assert found["series"][0]["specimen"] == [
        {"type": "Specimen", "identifier": {"system": "urn:oid:1.2.3", "value": "B-1"}},
        {"type": "Specimen", "identifier": {"value": "B-2"}},
    ]


@pytest.mark.parametrize("wanted", [True, False])
def test_start_by_the_series(wanted: bool) -> None:
    one = study(
        {},
        series({"SeriesDate": "20240103"}),
        series({"SeriesDate": "20240102"}, uid="1.2", sampled={}),
        series({}, uid="1.3", sampled={}),
    )
    found = whole(one, *([Element.STARTED_FALLBACK] if wanted else []))
    assert found.get("started") == ("2024-01-02" if wanted else None)
    assert "started" not in whole(study({}), Element.STARTED_FALLBACK)


def test_names_of_classes_can_be_left_out() -> None:
    found = mapped(elements=frozenset()).imaging_study
    assert "display" not in found["series"][0]["instance"][0]["sopClass"]
