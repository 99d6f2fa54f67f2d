"""Studies without a PatientID."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import StudyNotReady
from indexer.mapping import DEFAULT_ELEMENTS, Element, Release, Subject, WithoutNumber, elements_for, presets
from indexer.model import Study
from tests.unit.mapping.studies import PATIENT, SERIES_UID, STUDY_UID, dataset, issues, mapped, series, study
from tests.unit.mapping.test_patient_number import study_of

RELEASES = pytest.mark.parametrize("release", list(Release))
UIDS = st.from_regex(r"\A[12]\.[1-9]{1,3}\.[1-9]{1,3}\Z")
ABSENT = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}],
    "display": "unknown",
}


def without_number(uid: str = STUDY_UID, *, sex: str = "F", **attributes: str) -> Study:
    stated = {**PATIENT, "PatientSex": sex, **attributes}
    del stated["PatientID"]
    return study({}, series(uid=SERIES_UID, sampled={"1.2.3": dataset(stated)}), uid=uid)


@RELEASES
@pytest.mark.parametrize("subject", list(Subject))
def test_the_subject_is_absent(release: Release, subject: Subject) -> None:
    found = mapped(without_number(), without_number=WithoutNumber.ABSENT, release=release, subject=subject)
    assert found.imaging_study["subject"] == {"type": "Patient", **ABSENT}
    assert "contained" not in found.imaging_study
    assert not found.has_patient
    assert ("PatientID", "missing") in issues(found)


@RELEASES
def test_a_patient_of_the_study_alone(release: Release) -> None:
    found = mapped(without_number(), without_number=WithoutNumber.STUDY, release=release)
    assert found.has_patient
    assert found.imaging_study["subject"] == {"reference": f"Patient/{found.patient['id']}"}
    assert "identifier" not in found.patient
    assert (found.patient["name"][0]["family"], found.patient["birthDate"]) == ("Muster", "1964-08-12")
    assert found.patient_lookup is None, "nobody can search for it"
    assert ("PatientID", "missing") in issues(found)


@RELEASES
def test_a_patient_of_the_study_alone_inside_the_study(release: Release) -> None:
    found = mapped(without_number(), without_number=WithoutNumber.STUDY, subject=Subject.CONTAINED, release=release)
    (inner,) = found.imaging_study["contained"]
    assert "identifier" not in inner
    assert inner["name"][0]["family"] == "Muster"


@RELEASES
@pytest.mark.parametrize("choice", [WithoutNumber.ABSENT, WithoutNumber.STUDY])
def test_a_phantom_without_a_number_is_no_patient(release: Release, choice: WithoutNumber) -> None:
    devices = DEFAULT_ELEMENTS | {Element.DEVICE_SUBJECT}
    phantom = without_number(QualityControlSubject="YES")
    found = mapped(phantom, without_number=choice, elements=devices, release=release)
    assert found.imaging_study["subject"] == {"type": "Device", **ABSENT}
    assert not found.has_patient


@pytest.mark.parametrize("choice", [WithoutNumber.ABSENT, WithoutNumber.STUDY])
def test_a_number_that_is_stated_is_used(choice: WithoutNumber) -> None:
    assert mapped(without_number=choice).patient_key == mapped().patient_key


@pytest.mark.parametrize("choice", list(WithoutNumber))
@pytest.mark.parametrize("sampled", [{}, None])
def test_a_study_whose_datasets_were_not_read_has_no_number_yet(choice: WithoutNumber, sampled: Any) -> None:
    unread = study({}, series(sampled=sampled or {}), is_sampled=sampled is not None)
    with pytest.raises(StudyNotReady):
        mapped(unread, without_number=choice)


@given(UIDS, UIDS)
def test_two_studies_without_a_number_never_share_a_patient(first: str, second: str) -> None:
    keys = {mapped(without_number(uid), without_number=WithoutNumber.STUDY).patient_key for uid in (first, second)}
    assert len(keys) == len({first, second})


@given(UIDS, st.text("12.:|studyurn", min_size=1), st.sampled_from(["study", "study|", "urn:dicom:uid", "name", None]))
def test_no_number_leads_to_the_patient_of_a_study(uid: str, number: str, issuer: str | None) -> None:
    alone = mapped(without_number(uid), without_number=WithoutNumber.STUDY).patient_key
    for stated in (uid, f"urn:oid:{uid}", f"study|{uid}", number):
        assert mapped(study_of(stated, issuer), without_number=WithoutNumber.STUDY).patient_key != alone


def test_a_patient_without_a_number_does_not_claim_a_profile_that_wants_one() -> None:
    preset = presets()["us-core"]
    found = mapped(without_number(), without_number=WithoutNumber.STUDY, preset=preset, elements=elements_for(preset))
    assert "meta" not in found.patient
    assert ("Patient.identifier", "not_claimed") in issues(found)
