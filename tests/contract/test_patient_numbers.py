"""Patient numbers that differ in odd characters alone, as real Orthancs hand them out, never become one patient."""

from dataclasses import replace

import pytest

from indexer import mapping
from indexer.errors import StudyInvalid
from indexer.model import Study, StudyLocation
from tests.contract.source_cases import RULES, Case, on_real
from tests.samples import generate

NUMBERS = ("171", "17\a1", "17\x1b1", "171\\171", "P222", "P222\xa0", "P222\u3000")


def read(case: Case, way: str, location: StudyLocation) -> Study:
    """The study over one of the ways to its datasets."""
    study = case.source.read(location)
    samples = case.samples if way == "tools/find" else case.dicomweb_samples
    return replace(study, series=samples.sample(study), is_sampled=True)


@on_real
@pytest.mark.parametrize("way", ["tools/find", "dicomweb"])
def test_odd_patient_numbers_stay_apart(case: Case, way: str) -> None:
    names = {}
    for number in NUMBERS:
        (dataset,) = generate(seed=repr(number))
        dataset.SpecificCharacterSet, dataset.PatientID = "ISO_IR 192", number
        names[dataset.StudyInstanceUID] = number
        case.store([dataset])
    patients: dict[str, str] = {}
    for location in case.locations():
        try:
            mapped = mapping.map_study(read(case, way, location), RULES)
            patients[names[location.study_instance_uid]] = mapped.patient_key
        except StudyInvalid as error:
            patients[names[location.study_instance_uid]] = error.cause
    assert len(patients) == len(NUMBERS)
    keys = [key for key in patients.values() if key != "bad_patient_id"]
    assert len(set(keys)) == len(keys), patients
    assert {number for number, key in patients.items() if key == "bad_patient_id"} == {"17\a1", "17\x1b1", "171\\171"}
