"""What R5 and R6 write in another way, and R6's invariants under whatever a study lacks."""

import copy
from typing import Any

import pytest

from indexer import mapping
from indexer.mapping import Instances, Release, check
from indexer.model import Instance
from tests.unit.mapping.r6 import mistakes
from tests.unit.mapping.studies import CT, PATIENT, dataset, instance, issues, mapped, rules, series, study

DATED = {"StudyDate": "20240102", "StudyTime": "101112", "AccessionNumber": "A1"}


def dated_study() -> Any:
    document = series({"Modality": "SR"}, uid="1.9", sampled={}, instances=(instance(1, uid="1.9.1"),))
    return study(DATED, series({"Modality": "CT", "SeriesNumber": "1"}), document)


@pytest.mark.parametrize(("release", "modalities"), [(Release.R4B, ["CT"]), (Release.R5, ["CT", "SR"])])
def test_modalities_of_the_study(release: Release, modalities: list[str]) -> None:
    found = mapped(dated_study(), release=release).imaging_study["modality"]
    assert [one.get("code") or one["coding"][0]["code"] for one in found] == modalities


@pytest.mark.parametrize(
    ("release", "is_identifier"), [(Release.R4, True), (Release.R4B, True), (Release.R5, False), (Release.R6, True)]
)
def test_accession_number_is_of_the_order_and_in_all_but_r5_of_the_study(release: Release, is_identifier: bool) -> None:
    found = mapped(dated_study(), release=release).imaging_study
    assert [one["value"] for one in found["identifier"][1:]] == ["A1"] * is_identifier
    assert found["basedOn"][0]["identifier"]["value"] == "A1"


def test_r6_instances() -> None:
    frames = (Instance("1.1", CT, "1", "40"), Instance("1.2", CT, "2", "many"), Instance("1.3", CT, "3"))
    found = mapped(study(None, series(instances=frames)), release=Release.R6)
    assert found.imaging_study["series"][0]["instance"] == [
        {"uid": "1.1", "sopClass": f"urn:oid:{CT}", "number": 1, "numberOfFrames": 40},
        {"uid": "1.2", "sopClass": f"urn:oid:{CT}", "number": 2},
        {"uid": "1.3", "sopClass": f"urn:oid:{CT}", "number": 3},
    ]
    assert ("NumberOfFrames", "out_of_range") in issues(found)


def test_r6_counts_an_instance_whose_class_is_no_oid_but_does_not_list_it() -> None:
    part = (instance(1, uid="1.1"), instance(2, uid="1.2", sop_class="1.02"))
    found = mapped(study(None, series(instances=part)), release=Release.R6)
    assert [one["uid"] for one in found.imaging_study["series"][0]["instance"]] == ["1.1"]
    assert ("SOPClassUID", "not_listed") in issues(found)
    listed = mapped(study(None, series(instances=part))).imaging_study["series"][0]["instance"]
    assert listed[1]["sopClass"]["code"] == "urn:oid:1.02"


@pytest.mark.parametrize("release", [Release.R5, Release.R6])
def test_endpoint(release: Release) -> None:
    found = mapping.endpoint("https://pacs.example.org", identifier="e1", source="main", rules=rules(release=release))
    assert found["connectionType"][0]["coding"][0]["code"] == "dicom-wado-rs"
    assert found["payload"] == [{"type": [{"text": "DICOM WADO-RS"}], "mimeType": ["application/dicom"]}]
    assert check(found, release) == ()
    assert mistakes(found) == []


def test_r6_without_listed_instances_gives_no_total() -> None:
    found = mapped(dated_study(), release=Release.R6, instances=Instances("none"))
    assert "numberOfInstances" not in found.imaging_study
    assert [one["numberOfInstances"] for one in found.imaging_study["series"]] == [1, 1]
    assert found.imaging_study["numberOfSeries"] == 2


def test_r6_leaves_counts_out_that_it_would_compare_with_a_part() -> None:
    part = (instance(1, uid="1.1"), instance(2, uid="1.2", sop_class=None))
    broken = series({"Modality": "MR"}, uid="1.x", sampled={})
    found = mapped(study(None, series(instances=part), broken), release=Release.R6)
    assert not found.imaging_study.keys() & {"numberOfInstances", "numberOfSeries"}
    assert "numberOfInstances" not in found.imaging_study["series"][0]
    assert [one["coding"][0]["code"] for one in found.imaging_study["modality"]] == ["CT"]


@pytest.mark.parametrize(
    ("study_start", "series_start", "is_kept"),
    [
        (("20240102", "101112"), ("20240102", "101112"), True),
        (("20240102", "101112"), ("20240102", "101111"), False),
        (("20240102", ""), ("20240102", ""), True),
        (("20240102", ""), ("20240101", ""), False),
        (("20240102", "101112"), ("20240103", ""), False),
        (("", ""), ("20240103", ""), True),
    ],
)
def test_r6_series_do_not_start_before_the_study(
    study_start: tuple[str, str], series_start: tuple[str, str], is_kept: bool
) -> None:
    one = series(
        {"SeriesDate": series_start[0], "SeriesTime": series_start[1]},
        sampled={"1": dataset(PATIENT | {"TimezoneOffsetFromUTC": "+0100"})},
    )
    dates = {"StudyDate": study_start[0], "StudyTime": study_start[1]}
    found = mapped(study(dates, one), release=Release.R6)
    assert ("started" in found.imaging_study["series"][0]) is is_kept
    assert (("SeriesDate", "before_study") in issues(found)) is not is_kept
    assert "started" in mapped(study(dates, one), release=Release.R5).imaging_study["series"][0]


def test_r6_empty_study() -> None:
    found = mapped(study({"PatientID": "1"}, series(instances=())), release=Release.R6).imaging_study
    assert (found["numberOfSeries"], found["numberOfInstances"]) == (1, 0)


def planted(change: Any) -> dict[str, Any]:
    resource: dict[str, Any] = copy.deepcopy(mapped(dated_study(), release=Release.R6).imaging_study)
    change(resource)
    return resource


MISTAKES = {
    "ist-2": lambda study: study["identifier"].append(study["identifier"][0]),
    "ist-3": lambda study: study.update(numberOfSeries=3),
    "ist-4": lambda study: study.update(numberOfInstances=3),
    "ist-5": lambda study: [one.update(numberOfInstances=7) or one.pop("instance") for one in study["series"]],
    "ist-6": lambda study: study["series"][0].update(numberOfInstances=2),
    "ist-7": lambda study: study["modality"].pop(),
    "ist-8": lambda study: study["series"][0].update(started="2024-01-01"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_broken_invariants_are_found_twice_over(name: str) -> None:
    resource = planted(MISTAKES[name])
    assert any(name in problem for problem in mistakes(resource))
    assert any(name in problem or "urn:dicom:uid" in problem for problem in check(resource, Release.R6))


@pytest.mark.parametrize(
    "change",
    [
        lambda study: study.pop("status"),
        lambda study: study.update(status="done"),
        lambda study: study.update(interpreter=[{"display": "x"}]),
        lambda study: study.update(numberOfSeries="2"),
        lambda study: study.update(basedOn={"display": "x"}),
        lambda study: study.update(basedOn=[]),
        lambda study: study.update(subject={"type": "Patient"}),
        lambda study: study["series"][0].update(bodySite={"concept": {"text": "x"}}),
        lambda study: study["series"][0]["instance"][0].update(sopClass={"code": "x"}),
    ],
)
def test_the_facts_bite(change: Any) -> None:
    assert mistakes(planted(change))
