"""Acceptance: the search parameters of the /baseR4 server's documentation, on a real HAPI R4 that is mounted there."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import index, reference_of
from tests.samples import clinical_study
from tests.samples.clinical import ORDER_SYSTEM, STAFF_SCHEME, STAFF_SYSTEM, STAY_SYSTEM
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc
from tests.site import Site

RESOLVED = ("encounter", "referrer", "basedon")
"""Parameters that search by a literal reference to what other systems wrote."""


@pytest.fixture(scope="module")
def base_r4(tmp_path_factory: pytest.TempPathFactory, hapi_r4: Hapi) -> Iterator[Site]:
    """A site whose FHIR server stands where the documentation has it, and holds nothing."""
    assert hapi_r4.url.endswith("/baseR4")
    hapi_r4.wipe()
    with Orthanc() as orthanc:
        yield Site(
            home=tmp_path_factory.mktemp("base-r4"),
            orthanc=orthanc,
            fhir=hapi_r4.url,
            top={
                "mapping": {
                    "elements": {"encounter": True, "referrer": True},
                    "coding_schemes": {STAFF_SCHEME: STAFF_SYSTEM},
                    "resolve": ["basedOn", "encounter", "referrer"],
                }
            },
        )


@pytest.fixture(scope="module")
def datasets() -> list[Dataset]:
    """One study with an order, a stay and a referrer."""
    return clinical_study("base-r4")


@pytest.fixture(scope="module")
def study(base_r4: Site, datasets: list[Dataset]) -> dict[str, Any]:
    """The study as the server holds it, beside one of somebody else that no search may find."""
    for resource in [*known_before(datasets[0]), *of_somebody_else()]:
        base_r4.put(resource)
    found = index(base_r4, datasets)
    assert base_r4.verify()["equal"]
    return found


def known_before(dataset: Dataset) -> list[dict[str, Any]]:
    """What the hospital's other systems wrote about the same order, stay and person."""
    referrer = dataset.ReferringPhysicianIdentificationSequence[0].PersonIdentificationCodeSequence[0]
    nobody = {"display": "nobody"}
    return [
        {
            "resourceType": "Encounter",
            "id": "stay-456",
            "identifier": [{"system": STAY_SYSTEM, "value": dataset.AdmissionID}],
            "status": "finished",
            "class": {"code": "IMP"},
        },
        {
            "resourceType": "Practitioner",
            "id": "doctor-789",
            "identifier": [{"system": STAFF_SYSTEM, "value": referrer.CodeValue}],
        },
        {
            "resourceType": "ServiceRequest",
            "id": "sr-001",
            "identifier": [{"system": ORDER_SYSTEM, "value": dataset.AccessionNumber}],
            "status": "completed",
            "intent": "order",
            "subject": nobody,
        },
    ]


def of_somebody_else() -> list[dict[str, Any]]:
    """A study that fits no search below."""
    modality = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "MR"}
    return [
        {"resourceType": "Patient", "id": "somebody-else"},
        {
            "resourceType": "ImagingStudy",
            "id": "of-somebody-else",
            "status": "cancelled",
            "modality": [modality],
            "subject": {"reference": "Patient/somebody-else"},
            "started": "2020-01-01",
        },
    ]


def searches(study: dict[str, Any], dataset: Dataset) -> dict[str, str]:
    """Each parameter of the documentation, with the value that is to find the study."""
    return {
        "_id": study["id"],
        "identifier": str(dataset.AccessionNumber),
        "patient": study["subject"]["reference"],
        "subject": study["subject"]["reference"],
        "status": "available",
        "modality": "CT",
        "started": "ge2024-01-01",
        "encounter": "Encounter/stay-456",
        "referrer": "Practitioner/doctor-789",
        "basedon": "ServiceRequest/sr-001",
    }


PARAMETERS = ("_id", "identifier", "patient", "subject", "status", "modality", "started", *RESOLVED)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_each_search_finds_what_was_indexed(
    base_r4: Site, study: dict[str, Any], datasets: list[Dataset], parameter: str
) -> None:
    found = base_r4.search("ImagingStudy", **{parameter: searches(study, datasets[0])[parameter]})
    assert [one["id"] for one in found] == [study["id"]]


def test_the_study_instance_uid_is_a_business_identifier(
    base_r4: Site, study: dict[str, Any], datasets: list[Dataset]
) -> None:
    uid = f"urn:oid:{datasets[0].StudyInstanceUID}"
    for token in (uid, f"urn:dicom:uid|{uid}", f"{ORDER_SYSTEM}|{datasets[0].AccessionNumber}"):
        assert [one["id"] for one in base_r4.search("ImagingStudy", identifier=token)] == [study["id"]]


def test_the_patients_compartment_holds_the_study(base_r4: Site, study: dict[str, Any]) -> None:
    everything = base_r4.fetch(f"{study['subject']['reference']}/$everything")
    held = {f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in everything["entry"]}
    assert reference_of(study) in held


def test_resolved_references_keep_their_identifiers(study: dict[str, Any], datasets: list[Dataset]) -> None:
    """So that a reader who knows the number alone finds it, too."""
    (order,) = study["basedOn"]
    assert order["identifier"]["value"] == datasets[0].AccessionNumber
    assert study["encounter"]["identifier"]["value"] == datasets[0].AdmissionID
    assert study["referrer"]["display"]
