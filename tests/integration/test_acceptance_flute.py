"""Acceptance: the FLUTE guide's link between ImagingStudy and DICOM images, on a real HAPI R4 and a real Orthanc."""

import io
from email import message_from_bytes, policy
from typing import Any

import pydicom
import pytest
import requests

from tests.integration.others import amend, correct, index, patient_of, reference_of
from tests.samples import clinical_study
from tests.site import Site

PROFILE = "http://hl7.eu/fhir/ig/flute/StructureDefinition/imagingStudy-eu-flute"
SUPPORTING_INFO = "http://hl7.eu/fhir/ig/flute/StructureDefinition/resource-supportingInfo"


@pytest.fixture
def flute(each_site: Site) -> Site:
    """A site with the guide's preset, whose Endpoint is the DICOMweb service of the real Orthanc."""
    each_site.source["dicomweb"] = each_site.orthanc.dicomweb_url
    each_site.top["mapping"] = {"preset": "flute"}
    return each_site


def test_from_a_patient_to_the_pixels(flute: Site) -> None:
    """The guide's example workflow: search by subject, build the WADO-RS address, fetch the images. Study, series and
    instance UID, modality and subject stand where the guide's table has them.
    """
    datasets = clinical_study(f"flute-{flute.orthanc.version}", series=2, instances=2, modality="MR")
    subject = index(flute, datasets)["subject"]["reference"]

    (study,) = flute.search("ImagingStudy", subject=subject)
    assert study["meta"]["profile"] == [PROFILE]
    endpoint = flute.fetch(study["endpoint"][0]["reference"])
    images = {uid: _instance(address) for uid, address in _addresses(study, endpoint["address"]).items()}
    pixels = {str(dataset.SOPInstanceUID): dataset.PixelData for dataset in datasets}
    assert {uid: image.PixelData for uid, image in images.items()} == pixels

    assert study["identifier"][0]["value"] == f"urn:oid:{datasets[0].StudyInstanceUID}"
    listed = {(series["uid"], instance["uid"]) for series in study["series"] for instance in series["instance"]}
    assert listed == {(str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)) for dataset in datasets}
    assert {series["modality"]["code"] for series in study["series"]} == {"MR"}
    assert [number["value"] for number in patient_of(flute, study)["identifier"]] == [str(datasets[0].PatientID)]
    assert study["started"] == "2024-06-15T10:30:00+08:00", "criteria compare it with the day of the biopsy"


def test_supporting_info_of_somebody_else_survives_our_update(flute: Site) -> None:
    """The guide's extension refers to what was found in the images; another program writes it onto our study."""
    datasets = clinical_study(f"flute-info-{flute.orthanc.version}", modality="MR")
    study = index(flute, datasets)
    finding = {"resourceType": "Observation", "id": f"pirads-{study['id']}", "status": "final", "code": {"text": "PSA"}}
    flute.put(finding | {"subject": study["subject"]})
    extension = {"url": SUPPORTING_INFO, "valueReference": {"reference": f"Observation/{finding['id']}"}}
    amend(flute, reference_of(study), lambda held: held.setdefault("extension", []).append(extension))

    updated = correct(flute, datasets, StudyDescription="MR Prostate, corrected")
    assert updated["description"] == "MR Prostate, corrected"
    assert extension in updated["extension"]
    assert updated["meta"]["profile"] == [PROFILE]
    assert flute.verify()["equal"]


def _addresses(study: dict[str, Any], service: str) -> dict[str, str]:
    """WADO-RS address of each instance by its UID, built as the guide builds it."""
    uid = study["identifier"][0]["value"].removeprefix("urn:oid:")
    return {
        instance["uid"]: f"{service}/studies/{uid}/series/{series['uid']}/instances/{instance['uid']}"
        for series in study["series"]
        for instance in series["instance"]
    }


def _instance(address: str) -> pydicom.Dataset:
    """One instance over WADO-RS (PS3.18 2024e, section 10.4)."""
    answer = requests.get(address, headers={"Accept": 'multipart/related; type="application/dicom"'}, timeout=60)
    answer.raise_for_status()
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    (part,) = message_from_bytes(head + answer.content, policy=policy.HTTP).iter_parts()
    return pydicom.dcmread(io.BytesIO(part.get_payload(decode=True)))
