"""Different patient numbers never become one patient."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import mapping
from indexer.errors import StudyInvalid
from indexer.model import Attributes, Study
from indexer.model.attributes import tag_of
from tests.unit.mapping.studies import PATIENT, dataset, rules, series, study

NUMBERS = st.text(min_size=1, max_size=6) | st.sampled_from(
    [
        "171",
        "17\a1",
        "17\x1b1",
        "17\t1",
        "P222",
        "P222\xa0",
        "P222\u3000",
        "P222 ",
        "P222\0",
        " P222",
        "Ä161",
        "\ufffd161",
        "171\\171",
        "171\\",
    ]
)


def study_of(number: str, issuer: str | None = None) -> Study:
    texts = {"PatientID": number, "IssuerOfPatientID": issuer}
    stated = {
        tag_of(keyword): {"vr": "LO", "Value": text.split("\\")} for keyword, text in texts.items() if text is not None
    }
    sample = Attributes({**dataset(PATIENT).json, **stated})
    return study(None, series(sampled={"1.2.3": sample}))


def key_of(*identifiers: Any) -> str:
    """The patient's key, or the cause why there is none."""
    try:
        return mapping.map_study(study_of(*identifiers), rules()).patient_key
    except StudyInvalid as error:
        return error.cause


@given(NUMBERS, NUMBERS)
def test_two_numbers_share_a_patient_only_if_they_differ_in_padding(first: str, second: str) -> None:
    keys = [key_of(first), key_of(second)]
    if not {"no_patient_id", "bad_patient_id"} & set(keys):
        assert (keys[0] == keys[1]) == (first.strip(" \0") == second.strip(" \0"))


@given(NUMBERS, NUMBERS)
def test_two_issuers_share_a_patient_only_if_they_differ_in_padding(first: str, second: str) -> None:
    keys = [key_of("1", first), key_of("1", second)]
    if "bad_patient_id" not in keys:
        assert (keys[0] == keys[1]) == (first.strip(" \0") == second.strip(" \0"))


@pytest.mark.parametrize("number", ["17\a1", "17\x1b1", "1\0007", "17\n1", "\ufffd161", "\xa0", "1\x851", "1\\1"])
def test_a_number_that_is_none_goes_to_quarantine(number: str) -> None:
    with pytest.raises(StudyInvalid, match="PatientID") as raised:
        mapping.map_study(study_of(number), rules())
    assert raised.value.cause == "bad_patient_id"
    assert number not in raised.value.message + str(raised.value.hint)
    assert key_of("1", number) == "bad_patient_id", "so does an issuer"


@pytest.mark.parametrize("number", ["P222\xa0", "P222\u3000", "\u3000P222", "Ä161", "山田"])
def test_white_space_that_is_no_padding_stays(number: str) -> None:
    mapped = mapping.map_study(study_of(number), rules())
    assert mapped.patient["identifier"][0]["value"] == number
    assert mapping.check(mapped.patient, mapping.Release.R4) == ()
    assert key_of(f" {number} \0") == mapped.patient_key


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence"])
def test_a_number_whose_characters_are_not_known_goes_to_quarantine(keyword: str) -> None:
    unknown = {"vr": "LO", "undecoded": True}
    qualifiers = {"vr": "SQ", "Value": [{tag_of("UniversalEntityID"): unknown}]}
    element = qualifiers if keyword.endswith("Sequence") else unknown
    sound, undecoded = dataset(PATIENT), Attributes({**dataset(PATIENT).json, tag_of(keyword): element})
    with pytest.raises(StudyInvalid, match="character set") as raised:
        mapping.map_study(study(None, series(sampled={"1.1": sound, "1.2": undecoded})), rules())
    assert raised.value.cause == "patient_id_charset"
    assert "SpecificCharacterSet" in raised.value.hint


def test_other_texts_whose_characters_are_not_known_are_left_out_and_counted() -> None:
    unknown = {"vr": "PN", "undecoded": True}
    samples = {
        uid: Attributes(
            {
                **dataset(PATIENT).json,
                tag_of("PatientName"): unknown,
                tag_of("PerformingPhysicianName"): unknown,
            }
        )
        for uid in ("1.1", "1.2")
    }
    mapped = mapping.map_study(study(None, series(sampled=samples)), rules())
    assert "name" not in mapped.patient
    assert mapped.issues == (mapping.Issue("PatientName", mapping.Cause.CHARSET_UNKNOWN, 2),), "of those that are read"
