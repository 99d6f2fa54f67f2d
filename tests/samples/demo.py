"""A small hospital's week: plausible patients and studies, all invented."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset

from tests.samples.datasets import instance

_SEED: Final = "demo"
_ISSUER: Final = "DEMO HOSPITAL"


@dataclass(frozen=True)
class _Person:
    patient_id: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True)
class _Order:
    """One study: who, what, and the modality and number of instances of each series."""

    person: int
    description: str
    body_part: str
    series: Sequence[tuple[str, str, int]]


_PEOPLE: Final = (
    _Person("DH-100234", "Albrecht^Margarete", "19470312", "F"),
    _Person("DH-100871", "Okafor^Chidi^Emeka", "19820924", "M"),
    _Person("DH-101002", "Lindström^Åsa", "19910517", "F"),
    _Person("DH-101345", "Moreau^Étienne^^Dr", "19650208", "M"),
    _Person("DH-101777", "Yamada^Taro=山田^太郎=やまだ^たろう", "19580830", "M"),
    _Person("DH-102310", "Novak^Petra", "20150603", "F"),
    _Person("DH-102866", "Santos^Beatriz^da Silva", "19730119", "F"),
    _Person("DH-103019", "Fischer^Jonas", "19991122", "M"),
    _Person("DH-103555", "Haddad^Leila", "19391204", "F"),
    _Person("DH-104001", "O'Brien^Sean^^^Jr", "1988", "M"),
)

_ORDERS: Final = (
    _Order(0, "CT Chest with contrast", "CHEST", [("CT", "Scout", 1), ("CT", "Lung 1.0", 12), ("CT", "Soft 3.0", 8)]),
    _Order(1, "MRI Knee left", "KNEE", [("MR", "PD SAG", 8), ("MR", "T1 COR", 8), ("MR", "T2 TRA", 8)]),
    _Order(2, "US Abdomen", "ABDOMEN", [("US", "Abdomen", 6)]),
    _Order(3, "XR Chest PA and lateral", "CHEST", [("DX", "PA", 1), ("DX", "LAT", 1)]),
    _Order(4, "Mammography screening", "BREAST", [("MG", "R CC", 1), ("MG", "L CC", 1), ("MG", "R MLO", 1)]),
    _Order(5, "XR Hand right", "HAND", [("CR", "AP", 1), ("CR", "Oblique", 1)]),
    _Order(6, "PET/CT whole body", "WHOLEBODY", [("CT", "CTAC", 10), ("PT", "PET AC", 10), ("SR", "Dose", 1)]),
    _Order(7, "MRI Brain", "HEAD", [("MR", "T1", 10), ("MR", "FLAIR", 10), ("MR", "DWI", 6)]),
    _Order(8, "XA Coronary angiography", "HEART", [("XA", "LCA", 2), ("XA", "RCA", 2)]),
    _Order(9, "CT Head without contrast", "HEAD", [("CT", "Brain 5.0", 10), ("CT", "Bone 1.0", 10)]),
    _Order(0, "CT Chest follow-up", "CHEST", [("CT", "Lung 1.0", 12), ("SR", "CAD", 1)]),
    _Order(1, "XR Knee left", "KNEE", [("DX", "AP", 1), ("DX", "LAT", 1)]),
    _Order(2, "MRI Pelvis", "PELVIS", [("MR", "T2 TRA", 8), ("MR", "T2 SAG", 8)]),
    _Order(3, "US Thyroid", "NECK", [("US", "Thyroid", 4)]),
    _Order(4, "Bone densitometry", "SPINE", [("OT", "Report page", 1)]),
    _Order(5, "US Hip", "HIP", [("US", "Hip", 4)]),
    _Order(6, "CT Abdomen", "ABDOMEN", [("CT", "Portal venous", 14), ("KO", "For conference", 1)]),
    _Order(7, "XR Skull", "SKULL", [("CR", "AP", 1)]),
    _Order(8, "Echocardiography", "HEART", [("US", "Parasternal", 4), ("US", "Apical", 4)]),
    _Order(9, "Bone scintigraphy", "WHOLEBODY", [("NM", "Whole body", 2)]),
    _Order(0, "XR Chest bedside", "CHEST", [("DX", "AP", 1)]),
    _Order(1, "MRI Lumbar spine", "LSPINE", [("MR", "T1 SAG", 8), ("MR", "T2 SAG", 8)]),
    _Order(2, "Mammography diagnostic", "BREAST", [("MG", "L CC", 1), ("MG", "L MLO", 1), ("PR", "Markings", 1)]),
    _Order(3, "CT Sinuses", "HEAD", [("CT", "Bone 0.75", 12)]),
    _Order(4, "Fundus photography", "EYE", [("OP", "Right", 2), ("OP", "Left", 2)]),
    _Order(5, "XR Forearm", "ARM", [("CR", "AP", 1), ("CR", "LAT", 1)]),
    _Order(6, "Barium swallow", "NECK", [("RF", "Swallow", 3)]),
    _Order(7, "MRI Shoulder", "SHOULDER", [("MR", "PD COR", 8), ("MR", "PD SAG", 8)]),
    _Order(8, "CT Pulmonary angiography", "CHEST", [("CT", "PE 1.0", 14)]),
    _Order(9, "Radiotherapy planning", "PELVIS", [("CT", "Planning", 10), ("RTSTRUCT", "Contours", 1)]),
    _Order(0, "XR Pelvis", "PELVIS", [("DX", "AP", 1)]),
    _Order(1, "Outside report", "", [("DOC", "Scanned letter", 1)]),
)
_LATE: Final = _Order(2, "CT Appendix", "ABDOMEN", [("CT", "Portal venous", 10)])


def demo_studies() -> list[Dataset]:
    """32 studies of 10 patients and 17 modalities, about 330 instances."""
    return [dataset for number, order in enumerate(_ORDERS) for dataset in _study(number, order)]


def late_study() -> list[Dataset]:
    """One more study of a known patient, to be stored while the daemon runs."""
    return _study(len(_ORDERS), _LATE)


def _study(number: int, order: _Order) -> list[Dataset]:
    person = _PEOPLE[order.person]
    common: dict[str, Any] = {
        "PatientID": person.patient_id,
        "IssuerOfPatientID": _ISSUER,
        "PatientName": person.name,
        "PatientBirthDate": person.birth_date if len(person.birth_date) == 8 else "",
        "PatientSex": person.sex,
        "StudyDate": f"202403{4 + number // 6:02d}",
        "StudyTime": f"{8 + number % 6:02d}{number % 4 * 15:02d}00",
        "TimezoneOffsetFromUTC": "+0100",
        "StudyID": str(5000 + number),
        "AccessionNumber": f"DH24{number + 1:05d}",
        "StudyDescription": order.description,
        "ReferringPhysicianName": "Berg^Ingrid^^Dr",
        "InstitutionName": "Demo Hospital",
        **({"BodyPartExamined": order.body_part} if order.body_part else {}),
    }
    made = []
    for place, (modality, description, count) in enumerate(order.series):
        series = {
            "SeriesDescription": description,
            "SeriesDate": common["StudyDate"],
            "SeriesTime": common["StudyTime"],
        }
        made += [instance(_SEED, number, place, index, modality=modality, **common, **series) for index in range(count)]
    return made
