"""Which value is written where instances disagree about their study or series."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from indexer import mapping
from indexer.mapping import Element
from indexer.model import Attributes, Study
from tests.fakes.arrivals import Arrival, arrived
from tests.unit.mapping.arrivals import KEY_OBJECT, MR, STRUCTURE_SET, arrival, arrivals
from tests.unit.mapping.studies import CT, PATIENT, dataset, issues, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator


def orders(*groups: list[Arrival]) -> Iterator[Study]:
    """The study with each group coming first."""
    for index in range(len(groups)):
        turned = [*groups[index:], *groups[:index]]
        yield arrived([one for group in turned for one in group])


def only_resource(*groups: list[Arrival], **changes: Any) -> mapping.Mapped:
    """What the study becomes, whichever group comes first."""
    first, *others = [mapped(one, **changes) for one in orders(*groups)]
    assert all(other == first for other in others)
    return first


def test_images_go_before_other_objects() -> None:
    images = {"StudyDate": "20240305", "StudyTime": "1011", "StudyDescription": "CT Chest", "StudyID": "CT-7"}
    key_object = {"StudyDate": "20240306", "StudyTime": "0900", "StudyDescription": "Key images", "StudyID": "KO-7"}
    found = only_resource(
        arrivals("1.1", KEY_OBJECT, 5, **key_object),
        arrivals("1.2", CT, 1, TimezoneOffsetFromUTC="+0100", **images),
        elements=frozenset(Element),
    )
    study = found.imaging_study
    assert study["started"] == "2024-03-05T10:11:00+01:00"
    assert study["description"] == "CT Chest"
    assert study["identifier"][-1]["value"] == "CT-7"
    assert found.basis.startswith("20240305 101100")
    conflicts = {keyword for keyword, cause in issues(found) if cause == "study_conflict"}
    assert conflicts == {"StudyDate", "StudyDescription", "StudyID"}


def test_then_the_value_of_most_instances_counts() -> None:
    found = only_resource(
        arrivals("1.1", CT, 2, StudyDescription="Scout", SeriesNumber="1"),
        arrivals("1.2", CT, 2, StudyDescription="Scout", SeriesNumber="2"),
        arrivals("1.3", CT, 5, StudyDescription="Chest", SeriesNumber="3"),
    )
    assert found.imaging_study["description"] == "Chest"
    assert ("StudyDescription", "study_conflict") in issues(found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"SeriesDate": "20240101", "SeriesNumber": "9"}, {"SeriesDate": "20240102", "SeriesNumber": "1"}),
        ({"SeriesDate": "20240101", "SeriesNumber": "9"}, {"SeriesNumber": "1"}),
        ({"SeriesNumber": "2"}, {"SeriesNumber": "10"}),
        ({"SeriesNumber": "2"}, {}),
        ({}, {}),
    ],
)
def test_then_the_smallest_series_counts(first: dict[str, str], second: dict[str, str]) -> None:
    found = only_resource(
        arrivals("1.2", CT, 2, StudyDescription="Other", **second),
        arrivals("1.1", CT, 2, StudyDescription="Chest", **first),
    )
    assert found.imaging_study["description"] == "Chest"


def test_a_time_is_never_that_of_another_date() -> None:
    found = only_resource(
        arrivals("1.1", CT, 3, StudyDate="20240305"),
        arrivals("1.2", CT, 2, StudyDate="20240306", StudyTime="1011", TimezoneOffsetFromUTC="+0200"),
        arrivals("1.3", CT, 1, TimezoneOffsetFromUTC="+0300"),
    )
    assert found.imaging_study["started"] == "2024-03-05"
    found = only_resource(
        arrivals("1.1", CT, 2, StudyDate="20240305", StudyTime="09"),
        arrivals("1.2", CT, 2, StudyDate="20240305", StudyTime="10", TimezoneOffsetFromUTC="+0200"),
    )
    assert found.imaging_study["started"] == "2024-03-05"
    assert ("StudyTime", "no_zone") in issues(found)


def test_a_date_that_is_none_does_not_count() -> None:
    found = only_resource(
        arrivals("1.1", CT, 9, StudyDate="20240231"), arrivals("1.2", KEY_OBJECT, 1, StudyDate="20240306")
    )
    assert found.imaging_study["started"] == "2024-03-06"
    assert {one for one in issues(found) if one[0] == "StudyDate"} == {("StudyDate", "malformed")}


def issued(number: str, local: str = "") -> Attributes:
    issuer = [dataset({"LocalNamespaceEntityID": local})] if local else []
    return dataset(PATIENT | {"AccessionNumber": number}, IssuerOfAccessionNumberSequence=issuer)


def numbers_and_systems(study: dict[str, Any]) -> list[tuple[str, str | None]]:
    identifiers = [one for one in study["identifier"] if one["use"] == "usual"]
    assert [{"use": "usual", **one["identifier"]} for one in study["basedOn"]] == identifiers
    return [(one["value"], one.get("system")) for one in identifiers]


def test_every_accession_number_is_an_identifier_with_its_own_issuer() -> None:
    found = only_resource(
        [arrival("1.1", KEY_OBJECT, 1, issued("K1", "PACS"))],
        [arrival("1.2", CT, 1, issued("A1", "RIS"))],
        [arrival("1.3", MR, number, issued("A2\\A3")) for number in (1, 2)],
        accession_systems={"RIS": "urn:ris", "PACS": "urn:pacs"},
        accession_system="urn:default",
    )
    assert numbers_and_systems(found.imaging_study) == [
        ("A2", "urn:default"),
        ("A3", "urn:default"),
        ("A1", "urn:ris"),
        ("K1", "urn:pacs"),
    ]
    assert ("AccessionNumber", "study_conflict") in issues(found)


@pytest.mark.parametrize(
    ("issuers", "systems"),
    [
        (["RIS", "OTHER"], ["urn:ris", "urn:other"]),
        (["", "RIS"], ["urn:ris"]),
        (["RIS", "unknown"], ["urn:ris"]),
        (["unknown", ""], [None]),
        (["", ""], ["urn:default"]),
    ],
)
def test_a_number_of_several_issuers(issuers: list[str], systems: list[str | None]) -> None:
    found = only_resource(
        *([arrival(f"1.{index}", CT, 1, issued("A1", local))] for index, local in enumerate(issuers)),
        accession_systems={"RIS": "urn:ris", "OTHER": "urn:other"},
        accession_system="urn:default",
    )
    assert numbers_and_systems(found.imaging_study) == [("A1", system) for system in systems]


def test_images_name_a_series_that_holds_other_objects_too() -> None:
    images = {"Modality": "CT", "SeriesNumber": "2", "SeriesDescription": "Axial", "Manufacturer": "ACME"}
    structures = {"Modality": "RTSTRUCT", "SeriesNumber": "9", "SeriesDescription": "ROI", "DeviceSerialNumber": "7"}
    found = only_resource(arrivals("1.1", STRUCTURE_SET, 3, **structures), arrivals("1.1", CT, 1, **images))
    (series,) = found.imaging_study["series"]
    assert (series["modality"]["code"], series["number"], series["description"]) == ("CT", 2, "Axial")
    assert series["performer"][0]["actor"] == {"type": "Device", "display": "ACME"}
    keywords = {"Modality", "SeriesNumber", "SeriesDescription", "Manufacturer", "DeviceSerialNumber"}
    assert {keyword for keyword, cause in issues(found) if cause == "study_conflict"} == keywords


def test_a_side_on_which_instances_disagree_stays_out() -> None:
    found = only_resource(
        arrivals("1.1", STRUCTURE_SET, 1, Laterality="L", BodyPartExamined="CHEST"),
        arrivals("1.1", CT, 1, Laterality="R", BodyPartExamined="HEART"),
    )
    assert not {"laterality", "bodySite"} & found.imaging_study["series"][0].keys()
    assert issues(found) >= {("Laterality", "disagrees"), ("BodyPartExamined", "disagrees")}


def test_demographics_are_those_of_the_images() -> None:
    found = only_resource(
        arrivals("1.1", KEY_OBJECT, 3, PatientName="Other^Name", PatientSex="M", PatientBirthDate="20000101"),
        arrivals("1.2", CT),
    )
    assert found.patient["name"][0]["family"] == "Muster"
    assert (found.patient["gender"], found.patient["birthDate"]) == ("female", "1964-08-12")
    assert {("PatientName", "study_conflict"), ("PatientSex", "study_conflict")} <= issues(found)
    assert [one.count for one in found.issues if one.keyword == "PatientName"] == [1]


def test_an_identification_belongs_to_its_name() -> None:
    person = dataset({}, PersonIdentificationCodeSequence=[dataset({"CodeValue": "1", "CodingSchemeDesignator": "LN"})])
    identified = dataset(
        PATIENT | {"ReferringPhysicianName": "Other"}, ReferringPhysicianIdentificationSequence=[person]
    )
    found = only_resource(
        [arrival("1.1", KEY_OBJECT, 1, identified)],
        arrivals("1.2", CT, ReferringPhysicianName="House"),
        elements=frozenset({Element.REFERRER}),
    )
    assert found.imaging_study["referrer"] == {"type": "Practitioner", "display": "House"}


def test_a_series_without_a_dataset_is_described_by_its_row_and_says_nothing_of_the_study() -> None:
    study = arrived(
        [
            *arrivals("1.1", CT, 9, StudyDescription="Unread", SeriesDescription="Axial"),
            *arrivals("1.2", CT, 1, StudyDescription="Chest", SeriesDescription="Scout"),
        ]
    )
    unread, read = study.series
    found = mapped(replace(study, series=(replace(unread, sampled={}), read)))
    assert found.imaging_study["description"] == "Chest"
    assert [one["description"] for one in found.imaging_study["series"]] == ["Axial", "Scout"]
