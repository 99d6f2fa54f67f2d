from typing import Any

import pytest

from indexer.mapping import DEFAULT_ELEMENTS, Element, Release
from indexer.mapping.tables import column
from indexer.model import Attributes
from tests.fakes.attributes import over
from tests.unit.mapping.studies import code, coded, dataset, issues, mapped, sampled_study, series, study


def procedure_codes(*items: Attributes, more: Attributes | None = None, **changes: Any) -> list[dict[str, Any]]:
    sample = dataset({}, ProcedureCodeSequence=list(items))
    found = mapped(sampled_study(over(sample, more) if more else sample), **changes).imaging_study
    return list(found.get("procedureCode", []))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            code("24627-2", "LN", "Chest CT"),
            {"coding": [coded("http://loinc.org", "24627-2", "Chest CT")], "text": "Chest CT"},
        ),
        (
            code("P5-0808E", "SRT", "Ultrasonic guidance"),
            {
                "coding": [coded("http://snomed.info/sct", "399331006", "Ultrasonic guidance")],
                "text": "Ultrasonic guidance",
            },
        ),
        (code("X-99999", "SRT", "unknown"), {"text": "unknown"}),
        (code("CTCHEST", "99LOCAL", "CT of the chest"), {"text": "CT of the chest"}),
        (code("two  words", "SCT", "bad code"), {"text": "bad code"}),
        (
            dataset({"LongCodeValue": "L" * 20, "CodingSchemeDesignator": "DCM"}),
            {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "L" * 20}]},
        ),
        (
            dataset({"URNCodeValue": "urn:lex:us:federal", "CodeMeaning": "law"}),
            {"coding": [coded("urn:ietf:rfc:3986", "urn:lex:us:federal", "law")], "text": "law"},
        ),
        (dataset({"URNCodeValue": "no urn", "CodeMeaning": "law"}), {"text": "law"}),
        (
            code("R07.4", "I10C", "Chest pain", CodingSchemeVersion="2024"),
            {
                "coding": [coded("http://hl7.org/fhir/sid/icd-10-cm", "R07.4", "Chest pain") | {"version": "2024"}],
                "text": "Chest pain",
            },
        ),
    ],
)
def test_concepts(item: Attributes, expected: dict[str, Any]) -> None:
    assert procedure_codes(item) == [expected]


def test_unknown_scheme_is_counted() -> None:
    found = mapped(sampled_study(dataset({}, ProcedureCodeSequence=[code("1", "99L", "x")])))
    assert ("ProcedureCodeSequence", "unknown_system") in issues(found)


def test_scheme_by_the_dataset_or_the_site() -> None:
    named = dataset(
        {},
        CodingSchemeIdentificationSequence=[
            dataset({"CodingSchemeDesignator": "99L", "CodingSchemeUID": "1.2.3"}),
            dataset({"CodingSchemeDesignator": "99M", "CodingSchemeUID": "no uid"}),
            dataset({"CodingSchemeUID": "1.2.4"}),
        ],
    )
    item = code("1", "99L", "x")
    assert procedure_codes(item, more=named)[0]["coding"][0]["system"] == "urn:oid:1.2.3"
    site = procedure_codes(item, more=named, coding_schemes={"99L": "https://hospital.example/codes"})
    assert site[0]["coding"][0]["system"] == "https://hospital.example/codes"


def test_repeated_and_empty_items_are_dropped() -> None:
    item = code("24627-2", "LN", "Chest CT")
    assert len(procedure_codes(item, dataset({}), item)) == 1


def test_requested_procedure_where_none_was_coded_as_performed() -> None:
    sample = dataset({}, RequestedProcedureCodeSequence=[code("24627-2", "LN", "Chest CT")])
    found = mapped(sampled_study(sample)).imaging_study
    assert found["procedureCode"][0]["coding"][0]["code"] == "24627-2"


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (Release.R4, {"procedureCode": [{"text": "Chest CT"}, {"text": "Routine"}]}),
        (Release.R4B, {"procedureCode": [{"text": "Chest CT"}, {"text": "Routine"}]}),
        (Release.R5, {"procedure": [{"concept": {"text": "Chest CT"}}, {"concept": {"text": "Routine"}}]}),
        (
            Release.R6,
            {
                "procedure": [
                    {"type": "Procedure", "display": "Chest CT"},
                    {"type": "Procedure", "display": "Routine"},
                ]
            },
        ),
    ],
)
def test_procedures_without_a_code(release: Release, expected: dict[str, Any]) -> None:
    texts = {"RequestedProcedureDescription": "Chest CT", "PerformedProcedureStepDescription": "Routine"}
    found = mapped(sampled_study(dataset(texts)), release=release).imaging_study
    assert found | expected == found


def test_procedures_codes_first_then_other_descriptions() -> None:
    requests = [dataset({"RequestedProcedureDescription": text}) for text in ("Abdomen CT", "routine")]
    sample = dataset(
        {"RequestedProcedureDescription": "CHEST CT", "PerformedProcedureStepDescription": "Routine"},
        ProcedureCodeSequence=[code("24627-2", "LN", "Chest CT")],
        RequestAttributesSequence=requests,
    )
    found = mapped(sampled_study(sample)).imaging_study["procedureCode"]
    assert [one["text"] for one in found] == ["Chest CT", "Abdomen CT", "routine"]
    assert [("coding" in one) for one in found] == [True, False, False]
    by_database = study({"PatientID": "1", "RequestedProcedureDescription": "CT"}, series(sampled={}), is_sampled=False)
    assert mapped(by_database, issuer="ignore").imaging_study["procedureCode"] == [{"text": "CT"}]


def test_reasons_codes_first_then_other_texts() -> None:
    request = dataset(
        {"ReasonForTheRequestedProcedure": "Cough"},
        ReasonForRequestedProcedureCodeSequence=[code("29857009", "SCT", "Chest pain")],
    )
    sample = dataset(
        {"ReasonForTheRequestedProcedure": "chest PAIN", "ReasonForStudy": "Follow-up"},
        RequestAttributesSequence=[request, request],
        ReasonForPerformedProcedureCodeSequence=[code("29857009", "SCT", "Chest pain")],
    )
    found = mapped(sampled_study(sample)).imaging_study["reasonCode"]
    assert [one["text"] for one in found] == ["Chest pain", "Cough", "Follow-up"]
    assert [("coding" in one) for one in found] == [True, False, False]


def test_reason_of_a_referenced_request_is_not_the_studys() -> None:
    referenced = dataset({}, ReasonForRequestedProcedureCodeSequence=[code("29857009", "SCT", "Chest pain")])
    found = mapped(sampled_study(dataset({}, ReferencedRequestSequence=[referenced]))).imaging_study
    assert "reasonCode" not in found


@pytest.mark.parametrize(
    ("release", "procedure", "reason"),
    [
        (Release.R4B, {"procedureCode": [{"text": "CT"}]}, {"reasonCode": [{"text": "Pain"}]}),
        (Release.R5, {"procedure": [{"concept": {"text": "CT"}}]}, {"reason": [{"concept": {"text": "Pain"}}]}),
        (
            Release.R6,
            {"procedure": [{"type": "Procedure", "display": "CT"}]},
            {"reason": [{"concept": {"text": "Pain"}}]},
        ),
    ],
)
def test_releases(release: Release, procedure: dict[str, Any], reason: dict[str, Any]) -> None:
    sample = dataset(
        {"ReasonForStudy": "Pain"},
        ProcedureCodeSequence=[dataset({"CodeMeaning": "CT"}), dataset({"CodeValue": "1"})],
    )
    found = mapped(sampled_study(sample), release=release).imaging_study
    assert found | procedure | reason == found
    without = mapped(
        sampled_study(sample), release=release, elements=DEFAULT_ELEMENTS - {Element.PROCEDURE, Element.REASON}
    ).imaging_study
    assert not without.keys() & {*procedure, *reason}


def test_schemes_are_uris() -> None:
    assert all(":" in system or system == "snomed-rt" for system in column("coding-scheme").values())
