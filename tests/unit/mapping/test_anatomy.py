from typing import Any

import pytest

from indexer.mapping import DEFAULT_ELEMENTS, Element, Release
from indexer.mapping.coding import SNOMED_CT
from indexer.mapping.tables import rows
from indexer.model import Attributes
from tests.unit.mapping.studies import (
    PATIENT,
    code,
    coded,
    dataset,
    first_series,
    instance,
    issues,
    mapped,
    sampled_study,
    series,
    study,
)

CHEST = coded(SNOMED_CT, "816094009", "Chest")
BREAST = coded(SNOMED_CT, "76752008", "Breast")


@pytest.mark.parametrize("text", ["CHEST", "chest", "C h_e-s.t", "THORAX"])
def test_body_part_examined(text: str) -> None:
    assert first_series(study(None, series({"BodyPartExamined": text})))["bodySite"] == CHEST


def test_body_part_of_the_site() -> None:
    one = study(None, series({"BodyPartExamined": "Brustkorb"}))
    assert first_series(one, body_parts={"Brustkorb": "CHEST"})["bodySite"] == CHEST


def test_unknown_body_part_is_text_or_nothing() -> None:
    one = study(None, series({"BodyPartExamined": "Brustkorb"}))
    assert first_series(one)["bodySite"] == {"display": "Brustkorb"}
    assert ("BodyPartExamined", "unknown_code") in issues(mapped(one))
    assert "bodySite" not in first_series(one, elements=DEFAULT_ELEMENTS - {Element.BODY_SITE_TEXT})
    assert "bodySite" not in first_series(one, elements=DEFAULT_ELEMENTS - {Element.BODY_SITE})


def test_term_without_a_code_is_text() -> None:
    found = mapped(study(None, series({"Modality": "US", "BodyPartExamined": "FETALARM"})))
    assert found.imaging_study["series"][0]["bodySite"] == {"display": "Fetal arm"}
    assert found.issues == ()


def region(*modifiers: Attributes, value: str = "76752008", meaning: str = "Breast") -> Attributes:
    return dataset(
        {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning},
        AnatomicRegionModifierSequence=list(modifiers),
    )


def test_anatomic_region_goes_first() -> None:
    one = sampled_study(dataset({"BodyPartExamined": "CHEST"}, AnatomicRegionSequence=[region()]))
    assert first_series(one)["bodySite"] == BREAST


def test_anatomic_region_of_frames() -> None:
    frames = dataset({}, FrameAnatomySequence=[dataset({"FrameLaterality": "L"}, AnatomicRegionSequence=[region()])])
    found = first_series(sampled_study(dataset({}, SharedFunctionalGroupsSequence=[frames])))
    assert found["bodySite"]["code"] == "76752008"
    assert found["laterality"]["code"] == "7771000"


def test_regions_that_disagree_are_none() -> None:
    other = region(value="69536005", meaning="Head")
    one = sampled_study(*(dataset({}, AnatomicRegionSequence=[found]) for found in (region(), other)))
    assert "bodySite" not in first_series(one)
    assert ("AnatomicRegionSequence", "disagrees") in issues(mapped(one))


RIGHT = coded(SNOMED_CT, "24028007", "Right")
LEFT = coded(SNOMED_CT, "7771000", "Left")


@pytest.mark.parametrize(
    ("sample", "expected", "issue"),
    [
        (dataset({"Laterality": "R"}), RIGHT, None),
        (dataset({"Laterality": "B"}), coded(SNOMED_CT, "51440002", "Right and left"), None),
        (dataset({"Laterality": "U"}), None, None),
        (dataset({"Laterality": "X"}), None, ("Laterality", "unknown_code")),
        (dataset({"ImageLaterality": "L"}), LEFT, None),
        (dataset({"Laterality": "R", "ImageLaterality": "L"}), RIGHT, None),
        (dataset({}, AnatomicRegionSequence=[region(code("24028007", "SCT", "Right"))]), RIGHT, None),
        (dataset({}, AnatomicRegionSequence=[region(code("G-A101", "SRT", "Left"))]), LEFT, None),
        (
            dataset({}, AnatomicRegionSequence=[region(code("1", "99L", "x"), code("255561001", "SCT", "Medial"))]),
            None,
            None,
        ),
        (dataset({"Laterality": "R", "BodyPartExamined": "LFEMORALA"}), None, ("Laterality", "disagrees")),
        (dataset({"Laterality": "L", "BodyPartExamined": "LFEMORALA"}), LEFT, None),
    ],
)
def test_laterality(sample: Attributes, expected: dict[str, str] | None, issue: tuple[str, str] | None) -> None:
    one = sampled_study(sample)
    assert first_series(one).get("laterality") == expected
    assert issue is None or issue in issues(mapped(one))
    assert "laterality" not in first_series(one, elements=DEFAULT_ELEMENTS - {Element.LATERALITY})


@pytest.mark.parametrize(("second", "expected"), [("L", LEFT), ("R", None), ("", None)])
def test_side_of_images_only_where_all_agree(second: str, expected: dict[str, str] | None) -> None:
    instances = (instance(1, uid="1.1"), instance(2, uid="1.2"))
    sides = {"1.1": dataset({"ImageLaterality": "L"} | PATIENT), "1.2": dataset({"ImageLaterality": second} | PATIENT)}
    whole = study(None, series(instances=instances, sampled=sides))
    assert first_series(whole).get("laterality") == expected
    one_of_two = study(None, series(instances=instances, sampled={"1.1": sides["1.1"]}))
    assert "laterality" not in first_series(one_of_two)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (Release.R4B, {"bodySite": BREAST, "laterality": RIGHT}),
        (
            Release.R5,
            {"bodySite": {"concept": {"coding": [BREAST], "text": "Breast"}}, "laterality": {"coding": [RIGHT]}},
        ),
        (Release.R6, {"bodySite": [{"concept": {"coding": [BREAST], "text": "Breast, Right"}}]}),
    ],
)
def test_releases(release: Release, expected: dict[str, Any]) -> None:
    one = sampled_study(dataset({"Laterality": "R"}, AnatomicRegionSequence=[region()]))
    found = first_series(one, release=release)
    assert {key: value for key, value in found.items() if key in ("bodySite", "laterality")} == expected


def test_r6_without_a_site_or_a_text() -> None:
    assert "bodySite" not in first_series(sampled_study(dataset({"Laterality": "R"})), release=Release.R6)
    bare = dataset({}, AnatomicRegionSequence=[dataset({"CodeValue": "76752008", "CodingSchemeDesignator": "SCT"})])
    assert first_series(sampled_study(bare), release=Release.R6)["bodySite"] == [
        {"concept": {"coding": [{"system": SNOMED_CT, "code": "76752008"}]}}
    ]


def test_table_is_of_322_terms_with_plain_codes() -> None:
    table = rows("body-part")
    assert len(table) == len({term for term, *_ in table}) == 322
    assert {term for term, code_value, _ in table if not code_value} == {
        *("FETALARM", "FETALDIGIT", "FETALHEART", "FETALLEG", "FETALPOLE"),
    }
    assert all(code_value.isdigit() or not code_value for _, code_value, _ in table)
