"""Acceptance: the digital TWINS set-up, a HAPI R4 on which its own tools work beside the indexer."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import amend, correct, index, patient_of, reference_of
from tests.samples import clinical_study
from tests.site import Site

STUDY_UID = {"system": "urn:sparc_study:uid", "value": "sparc-study-7"}
DATASET_UID = {"system": "urn:sparc_dataset:uid", "value": "sparc-dataset-3"}
SUBJECT_UID = {"system": "urn:sparc_subject:uid", "value": "sub-001"}


@pytest.fixture
def twins(each_site: Site) -> Site:
    """A site with the set-up's preset."""
    each_site.top["mapping"] = {"preset": "digital-twins"}
    return each_site


def mr_study(twins: Site, name: str) -> list[Dataset]:
    """A study of two series."""
    return clinical_study(f"{name}-{twins.orthanc.version}", series=2, instances=3, modality="MR")


def test_its_reader_finds_what_it_reads(twins: Site) -> None:
    """The first Endpoint's address, the number of series, the description."""
    twins.source["dicomweb"] = twins.orthanc.dicomweb_url
    datasets = mr_study(twins, "twins-read")
    study = index(twins, datasets)
    endpoint = twins.fetch(study["endpoint"][0]["reference"])
    assert endpoint["address"] == twins.orthanc.dicomweb_url
    assert endpoint["status"] == "active"
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    assert endpoint["payloadMimeType"] == ["application/dicom"]
    assert study["numberOfSeries"] == 2
    assert study["numberOfInstances"] == 6
    assert study["description"] == datasets[0].StudyDescription
    assert {series["uid"] for series in study["series"]} == {str(dataset.SeriesInstanceUID) for dataset in datasets}


def test_what_its_tools_wrote_survives_our_updates(twins: Site) -> None:
    """Identifiers of study and patient, the stay and an Endpoint of its own; ours stays the first."""
    datasets = mr_study(twins, "twins-kept")
    before = index(twins, datasets)
    _its_tools_write(twins, before)

    corrected = {"StudyDescription": "MR Knee, corrected", "PatientName": "Corrected^Name", "StudyDate": "20240616"}
    study = correct(twins, datasets[:3], **corrected)
    patient = patient_of(twins, study)
    assert (study["description"], study["numberOfSeries"]) == ("MR Knee, corrected", 1)
    assert patient["name"][0]["family"] == "Corrected"
    theirs = [identifier for identifier in study["identifier"] if identifier in (STUDY_UID, DATASET_UID)]
    assert theirs == [STUDY_UID, DATASET_UID]
    assert study["encounter"] == {"reference": f"Encounter/{before['id']}"}
    assert study["endpoint"] == [*before["endpoint"], {"reference": f"Endpoint/own-{before['id']}"}]
    assert SUBJECT_UID in patient["identifier"]
    assert twins.verify()["equal"]


def test_its_own_patient_is_the_one_that_studies_refer_to(twins: Site) -> None:
    """Its tools know the patient before a study of it arrives."""
    name = f"twins-known-{twins.orthanc.version}"
    number = {"system": "urn:oid:2.25.99", "value": f"{name.upper()}-1"}
    known = {"resourceType": "Patient", "id": name, "identifier": [SUBJECT_UID, number]}
    twins.put(known)
    study = index(twins, mr_study(twins, "twins-known"))
    assert study["subject"]["reference"] == f"Patient/{name}"
    assert twins.fetch(f"Patient/{name}")["identifier"] == [SUBJECT_UID, number]
    assert len(twins.search("Patient", identifier=f"{number['system']}|{number['value']}")) == 1


def _its_tools_write(twins: Site, study: dict[str, Any]) -> None:
    own_service = {
        "resourceType": "Endpoint",
        "id": f"own-{study['id']}",
        "status": "active",
        "connectionType": {"code": "dicom-wado-rs"},
        "payloadType": [{"text": "DICOM WADO-RS"}],
        "address": "http://own.example/dicom-web",
    }
    twins.put(own_service)
    twins.put({"resourceType": "Encounter", "id": study["id"], "status": "finished", "class": {"code": "AMB"}})

    def extend(held: dict[str, Any]) -> None:
        held["identifier"] += [STUDY_UID, DATASET_UID]
        held["encounter"] = {"reference": f"Encounter/{study['id']}"}
        held["endpoint"].append({"reference": f"Endpoint/{own_service['id']}"})

    amend(twins, reference_of(study), extend)
    amend(twins, study["subject"]["reference"], lambda held: held["identifier"].append(SUBJECT_UID))
