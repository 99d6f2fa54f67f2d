"""Studies that carry what a hospital's systems put into them: order, stay, persons, procedure, reason, zone."""

from collections.abc import Sequence
from typing import Any, Final

from pydicom.dataset import Dataset

from tests.samples.datasets import generate

ORDER_SYSTEM: Final = "urn:oid:2.25.901"
STAY_SYSTEM: Final = "urn:oid:2.25.902"
STAFF_SYSTEM: Final = "https://hospital.example/staff"
STAFF_SCHEME: Final = "99STAFF"
"""Coding scheme of the persons' numbers; a site has to map it to `STAFF_SYSTEM`."""


def clinical_study(
    seed: str, series: int = 2, instances: int = 2, *, modality: str | Sequence[str] = "CT", **attributes: Any
) -> list[Dataset]:
    """One study with an order, a stay, a referrer, a procedure and a reason, each bearing a number of this seed.

    Parameters
    ----------
    attributes
        DICOM keywords and values set in every dataset; they win.
    """
    name = seed.upper()
    stated: dict[str, Any] = {
        "AccessionNumber": _short(name, "A"),
        "IssuerOfAccessionNumberSequence": [_issuer(ORDER_SYSTEM)],
        "AdmissionID": f"{name}-STAY",
        "IssuerOfAdmissionIDSequence": [_issuer(STAY_SYSTEM)],
        "ReferringPhysicianName": "Berg^Ingrid",
        "ReferringPhysicianIdentificationSequence": [_person(f"{name}-DR")],
        "ProcedureCodeSequence": [coded("RPID", "RPID16", "CT CHEST WITH IV CONTRAST")],
        "ReasonForRequestedProcedureCodeSequence": [coded("I10", "R05", "Cough")],
        "BodyPartExamined": "CHEST",
        "StudyDate": "20240615",
        "StudyTime": "103000",
        "SeriesDate": "20240615",
        "SeriesTime": "103100",
        "TimezoneOffsetFromUTC": "+0800",
        "StudyDescription": "CT Chest with contrast",
    }
    return generate(1, series, instances, modality=modality, seed=seed, **(stated | attributes))


def coded(scheme: str, value: str, meaning: str) -> Dataset:
    """One item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _short(name: str, suffix: str) -> str:
    """A number of the seed that fits an AccessionNumber (SH, 16 characters)."""
    return f"{name[-15:]}{suffix}"


def _issuer(system: str) -> Dataset:
    item = Dataset()
    item.UniversalEntityID, item.UniversalEntityIDType = system.removeprefix("urn:oid:"), "ISO"
    return item


def _person(number: str) -> Dataset:
    item = Dataset()
    item.PersonIdentificationCodeSequence = [coded(STAFF_SCHEME, number[-16:], "Dr Ingrid Berg")]
    item.InstitutionName = "Sample Hospital"
    return item
