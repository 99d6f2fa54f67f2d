"""Instances that disagree about their study, stored in real Orthancs in each order, become one resource."""

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from indexer import mapping
from indexer.mapping import Mapped
from tests.contract.source_cases import RULES, Case, on_real
from tests.samples import instance

CT = {"StudyDate": "20240305", "StudyDescription": "CT Chest", "AccessionNumber": "ACC-1", "DeviceSerialNumber": "1"}
KEY_OBJECT = {
    "StudyDate": "20240306",
    "StudyDescription": "Key images",
    "AccessionNumber": "KEY-1\\KEY-2",
    "DeviceSerialNumber": "2",
}
STRUCTURES = {"SeriesNumber": 9, "SeriesDescription": "Structures"}


def made(series: int, index: int, modality: str, **attributes: str | int) -> Dataset:
    return instance("order", 0, series, index, modality=modality, PatientID="1", **attributes)


STUDIES = {
    "two series": [made(0, 0, "CT", **CT), made(0, 1, "CT", **CT), made(1, 0, "KO", **KEY_OBJECT)],
    "one series": [made(0, 0, "CT", SeriesNumber=2), made(0, 1, "RTSTRUCT", **STRUCTURES)],
}


def mapped(case: Case, datasets: list[Dataset]) -> list[Mapped]:
    """What the study becomes over each way to its datasets; it is deleted afterwards."""
    case.store(datasets)
    study = case.source.read(case.location_of(datasets[0]))
    series = [way.sample(study) for way in (case.samples, case.dicomweb_samples)]
    case.delete(datasets[0], "studies")
    return [mapping.map_study(replace(study, series=one, is_sampled=True), RULES) for one in series]


@on_real
@pytest.mark.parametrize("datasets", STUDIES.values(), ids=STUDIES)
def test_in_each_order_of_arrival_a_study_becomes_one_resource(case: Case, datasets: list[Dataset]) -> None:
    first, *others = [*mapped(case, datasets), *mapped(case, datasets[::-1])]
    assert others == [first] * 3


@on_real
def test_images_name_the_study_and_every_accession_number_is_found(case: Case) -> None:
    for found in mapped(case, STUDIES["two series"][::-1]):
        study = found.imaging_study
        assert (study["started"], study["description"]) == ("2024-03-05", "CT Chest")
        assert [one["identifier"]["value"] for one in study["basedOn"]] == ["ACC-1", "KEY-1", "KEY-2"]
