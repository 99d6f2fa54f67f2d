"""Generated studies: small, valid enough for every Orthanc, the same for the same seed."""

import datetime
import io
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, Final

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

_PREFIX: Final = "1.2.826.0.1.3680043.8.498."
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_FIRST_DAY: Final = datetime.date(2024, 1, 8)

# PS3.6 2024e, table A-1; one usual class per modality.
SOP_CLASSES: Final[Mapping[str, str]] = {
    "CR": _STORAGE + "1",
    "CT": _STORAGE + "2",
    "DX": _STORAGE + "1.1",
    "ECG": _STORAGE + "9.1.1",
    "IO": _STORAGE + "1.3",
    "KO": _STORAGE + "88.59",
    "MG": _STORAGE + "1.2",
    "MR": _STORAGE + "4",
    "NM": _STORAGE + "20",
    "DOC": _STORAGE + "104.1",
    "OP": _STORAGE + "77.1.5.1",
    "OT": _STORAGE + "7",
    "PR": _STORAGE + "11.1",
    "PT": _STORAGE + "128",
    "RF": _STORAGE + "12.2",
    "RTSTRUCT": _STORAGE + "481.3",
    "SEG": _STORAGE + "66.4",
    "SR": _STORAGE + "88.11",
    "US": _STORAGE + "6.1",
    "XA": _STORAGE + "12.1",
}
_WITHOUT_PIXELS: Final = frozenset({"DOC", "ECG", "KO", "PR", "RTSTRUCT", "SR"})


def generate(
    studies: int = 1,
    series: int = 1,
    instances: int = 1,
    *,
    modality: str | Sequence[str] = "CT",
    patients: int | None = None,
    patient_ids: Sequence[str] | None = None,
    issuers: Sequence[str | None] = (None,),
    seed: str = "sample",
    **attributes: Any,
) -> list[Dataset]:
    """Make studies, in the order study, series, instance.

    Parameters
    ----------
    studies, series, instances
        How many studies, series per study, instances per series.
    modality
        One for all, or several that the series take in turn.
    patients
        How many patients share the studies in turn; by default each study has its own.
    patient_ids, issuers
        Values that the studies take in turn; `patient_ids` wins over `patients`. An issuer of None is left out.
    seed
        The same seed gives the same UIDs.
    attributes
        DICOM keywords and values set in every dataset.
    """
    modalities = [modality] if isinstance(modality, str) else list(modality)
    ids = patient_ids or [f"{seed.upper()}-{number + 1}" for number in range(patients or studies)]
    made = []
    for study in range(studies):
        common = _study_attributes(seed, study, ids[study % len(ids)], issuers[study % len(issuers)])
        for number in range(series):
            kind = modalities[(study * series + number) % len(modalities)]
            for index in range(instances):
                made.append(instance(seed, study, number, index, modality=kind, **{**common, **attributes}))
    return made


def _study_attributes(seed: str, study: int, patient_id: str, issuer: str | None) -> dict[str, Any]:
    day = _FIRST_DAY + datetime.timedelta(days=study % 700)
    found = {
        "PatientID": patient_id,
        "PatientName": f"Sample^{patient_id}",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyDate": day.strftime("%Y%m%d"),
        "StudyTime": f"{8 + study % 10:02d}{study % 60:02d}00",
        "StudyID": str(study + 1),
        "AccessionNumber": f"{seed.upper()[:8]}{study + 1:06d}",
        "StudyDescription": f"Sample study {study + 1}",
    }
    return found | ({"IssuerOfPatientID": issuer} if issuer else {})


def instance(
    seed: str, study: int = 0, series: int = 0, index: int = 0, *, modality: str = "CT", **attributes: Any
) -> Dataset:
    """Make one instance; the numbers say which study, series and instance of the seed it is."""
    made = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128, is_implicit_VR=False)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = SOP_CLASSES[modality]
    made.StudyInstanceUID = _uid(seed, study)
    made.SeriesInstanceUID = _uid(seed, study, series)
    made.SOPInstanceUID = _uid(seed, study, series, index)
    made.Modality = modality
    made.SeriesNumber = series + 1
    made.InstanceNumber = index + 1
    made.SeriesDescription = f"{modality} series {series + 1}"
    if modality not in _WITHOUT_PIXELS:
        _add_pixels(made)
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _uid(seed: str, *numbers: int) -> str:
    return str(generate_uid(prefix=_PREFIX, entropy_srcs=[seed, *map(str, numbers)]))


def _add_pixels(made: Dataset) -> None:
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows = made.Columns = 2
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    made.PixelData = b"\0\1\2\3"


def to_bytes(dataset: Dataset) -> bytes:
    """The dataset as a DICOM file (PS3.10)."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def by_turns(datasets: Sequence[Dataset]) -> list[Dataset]:
    """The same datasets with their series interleaved: one of each series, then the next of each."""
    groups: dict[str, list[Dataset]] = {}
    for dataset in datasets:
        groups.setdefault(dataset.SeriesInstanceUID, []).append(dataset)
    return [one for one in chain.from_iterable(zip_longest(*groups.values())) if one is not None]
