"""What an Orthanc 1.12 would answer that holds studies of the shape of NCI's Imaging Data Commons, rendered ahead.

Bodies are made as that Orthanc makes them, field by field and space by space. Of all studies one is rendered; for the
others its number is put in where the mark stands.
"""

from __future__ import annotations

import json
from itertools import accumulate
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydicom.datadict import dictionary_VR, tag_for_keyword

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MEAN: Final = 317.034
"""Instances per study: 634,068 in 2,000 studies."""

PER_SERIES: Final = 48

_SPREAD: Final = 1.3
_MARK: Final = "@@@@@@@@"
_ROOT: Final = "1.3.6.1.4.1.14519.5.2.1.6450.9002"
_STUDY_UID: Final = f"{_ROOT}.1{_MARK}"
_UIDS: Final = {"0020,000d": _STUDY_UID, "0020,000e": "#SERIES#", "0008,0018": "#INSTANCE#"}
# Ids and UIDs of instances come in no order, as in Orthanc; the number of one is found by the inverse.
_SCRAMBLE: Final = 2654435761
_UNSCRAMBLE: Final = pow(_SCRAMBLE, -1, 2**32)
_DIGITS: Final = slice(-19, -9)
_MOMENT: Final = "20260101T000000"
_SIGNATURE: Final = (
    "0008,0012;0008,0013;0008,0018;0020,0012;0020,0013;0020,0032;0020,0037;0020,0100;0020,4000;0028,0008"
)
_STATED: Final = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "StudyDate": "20240108",
    "StudyTime": "101500",
    "AccessionNumber": _MARK,
    "Modality": "CT",
    "Manufacturer": "SAMPLE",
    "InstitutionName": "Sample Hospital",
    "StationName": "CT1",
    "StudyDescription": "CT CHEST",
    "SeriesDescription": "AXIAL 1.25",
    "ManufacturerModelName": "Sample 64",
    "PatientName": f"Sample^{_MARK}",
    "PatientID": _MARK,
    "PatientBirthDate": "19600101",
    "PatientSex": "O",
    "BodyPartExamined": "CHEST",
    "SliceThickness": "1.25",
    "KVP": "120",
    "ProtocolName": "CHEST",
    "DeviceSerialNumber": "1234",
    "SoftwareVersions": "1.0",
    "XRayTubeCurrent": "200",
    "ConvolutionKernel": "STANDARD",
    "PatientPosition": "HFS",
    "StudyID": "1",
    "SeriesNumber": "1",
    "InstanceNumber": "1",
    "ImagePositionPatient": "-250\\-250\\100",
    "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
    "SamplesPerPixel": "1",
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": "512",
    "Columns": "512",
    "PixelSpacing": "0.7\\0.7",
    "BitsAllocated": "16",
    "WindowCenter": "40",
    "WindowWidth": "400",
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
}
_OF_DATABASE: Final = {
    "Patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "Study": ("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "StudyID", "InstitutionName"),
    "Series": ("Modality", "Manufacturer", "SeriesDescription", "BodyPartExamined", "ProtocolName", "SeriesNumber"),
}


def sizes(count: int) -> list[int]:
    """Instances of each study: a lognormal distribution, in no order."""
    normal = NormalDist(0, _SPREAD)
    drawn = [2.718281828 ** normal.inv_cdf((number + 0.5) / count) for number in range(count)]
    scale = MEAN * count / sum(drawn)
    ordered = [max(1, round(one * scale)) for one in drawn]
    ordered[-1] += round(MEAN * count) - sum(ordered)
    return [ordered[number * 7919 % count] for number in range(count)]


class NullArchive:
    """Answers of one archive.

    Parameters
    ----------
    counts
        Instances of each study.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = counts
        rows = [_text(_instance(number)) + b"," for number in range(max(counts))]
        self._ends = [0, *accumulate(map(len, rows))]
        self._rows = b"".join(rows)
        self._found = _text(_study(has_metadata=True))
        self._expanded = _text(_study(has_metadata=False))
        self._series_row = _text(_series())
        self._requested: dict[str, bytes] = {}
        self._dataset = json.dumps([_dicom_json()], indent="\t").encode()

    def __call__(self, target: str, body: bytes) -> bytes | None:
        """Answer one request."""
        path = target.partition("?")[0]
        if path == "/tools/find":
            return b"[%b]" % b",".join(self._find(orjson.loads(body)))
        if path == "/tools/bulk-content":
            return b"[%b]" % b",".join(self._study(int(one[:8])) for one in orjson.loads(body)["Resources"])
        if path.startswith("/studies/"):
            return self._study(int(path[9:17]))
        if path.startswith("/dicom-web/"):
            _, _, _, study, _, series, _, instance, _ = path.split("/")
            return _filled(self._dataset, _study_of(study), series, instance)
        return self._fixed(path)

    def _fixed(self, path: str) -> bytes | None:
        known: dict[str, object] = {
            "/system": {"Version": "1.12.7", "Capabilities": {"HasExtendedFind": True}},
            "/changes": {"Changes": [], "Done": True, "Last": 0},
            "/plugins/dicom-web": {"RootUri": "../dicom-web/app/client/index.html"},
            "/studies": [_id(1).replace(_MARK, f"{number:08}") for number in range(len(self._counts))],
        }
        return _text(known[path]) if path in known else None

    def _find(self, asked: dict[str, Any]) -> Iterable[bytes]:
        query = asked["Query"]
        if uids := query.get("SOPInstanceUID"):
            return [self._requested_of(uid, asked["RequestedTags"]) for uid in uids.split("\\")]
        parent = asked.get("ParentStudy")
        studies = [int(parent[:8])] if parent else list(map(_study_of, query["StudyInstanceUID"].split("\\")))
        if asked["Level"] == "Study":
            return [self._study(study, self._found) for study in studies]
        since, limit = asked.get("Since", 0), asked.get("Limit") or max(self._counts)
        if asked["Level"] == "Series":
            return [row for study in studies for row in self._series(study, since, limit)]
        pages = (self._instances(study, since, limit) for study in studies)
        return [page for page in pages if page]

    def _study(self, study: int, template: bytes = b"") -> bytes:
        count = self._counts[study]
        series = [_id(2, number) for number in range(-(-count // PER_SERIES))]
        row = (template or self._expanded).replace(b'"#SERIES#"', _text(series))
        return _filled(row.replace(b"#COUNT#", b"%d" % count), study)

    def _series(self, study: int, since: int, limit: int) -> Iterable[bytes]:
        count = self._counts[study]
        for number in range(since, min(since + limit, -(-count // PER_SERIES))):
            children = [_id(3, one) for one in range(number * PER_SERIES, min((number + 1) * PER_SERIES, count))]
            row = self._series_row.replace(b'"#INSTANCES#"', _text(children)).replace(b"#ID#", _id(2, number).encode())
            yield _filled(row, study, _series_uid(number))

    def _instances(self, study: int, since: int, limit: int) -> bytes:
        begin, end = self._ends[since], self._ends[min(since + limit, self._counts[study])]
        return _filled(self._rows[begin : end - 1], study) if end > begin else b""

    def _requested_of(self, uid: str, tags: Sequence[str]) -> bytes:
        key = ",".join(tags)
        if key not in self._requested:
            self._requested[key] = _text(_with_requested_tags(tags))
        number = int(uid[_DIGITS]) * _UNSCRAMBLE % 2**32
        return _filled(self._requested[key], _study_of(uid), _series_uid(number // PER_SERIES), uid)


def _filled(template: bytes, study: int, series: str = "", instance: str = "") -> bytes:
    if series:
        template = template.replace(b"#SERIES#", series.encode()).replace(b"#INSTANCE#", instance.encode())
    return template.replace(_MARK.encode(), b"%08d" % study)


def _text(value: object) -> bytes:
    """As Orthanc writes it, but for a line break before an opening brace."""
    return json.dumps(value, indent=3, separators=(",", " : ")).encode()


def _id(level: int, number: int = 0) -> str:
    return f"{_MARK}-0000000{level}-{number * _SCRAMBLE % 2**32:08x}-5b85c8e2-c80b5470"


def _series_uid(number: int) -> str:
    return f"{_STUDY_UID}.2{number:019}"


def _study_of(uid: str) -> int:
    return int(uid[len(_ROOT) + 2 : len(_ROOT) + 10])


def _rows_of(level: str) -> dict[str, str]:
    return {_short(keyword): _STATED[keyword] for keyword in _OF_DATABASE[level]}


def _study(*, has_metadata: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ID": _id(1),
        "MainDicomTags": {**_rows_of("Study"), "0020,000d": _STUDY_UID},
        "PatientMainDicomTags": _rows_of("Patient"),
        "Series": "#SERIES#",
        "Type": "Study",
    }
    if has_metadata:
        requested = {"0020,1208": "#COUNT#"}
        return row | {
            "Metadata": {"LastUpdate": _MOMENT, "MainDicomTagsSignature": _SIGNATURE},
            "RequestedTags": requested,
        }
    return row | {"IsStable": True, "Labels": [], "LastUpdate": _MOMENT, "ParentPatient": _id(0)}


def _series() -> dict[str, Any]:
    return {
        "ID": "#ID#",
        "Instances": "#INSTANCES#",
        "MainDicomTags": {**_rows_of("Series"), "0020,000e": "#SERIES#"},
        "Metadata": {"LastUpdate": _MOMENT, "MainDicomTagsSignature": _SIGNATURE * 2, "RemoteAET": "CT1"},
        "ParentStudy": _id(1),
        "Type": "Series",
    }


def _instance(number: int) -> dict[str, Any]:
    return {
        "ID": _id(3, number),
        "MainDicomTags": {
            "0008,0018": f"{_STUDY_UID}.3{number * _SCRAMBLE % 2**32:010}012345678",
            "0020,0012": "1",
            "0020,0013": str(number % PER_SERIES + 1),
            "0020,0032": "-250\\-250\\100",
            "0020,0037": "1\\0\\0\\0\\1\\0",
        },
        "Metadata": _metadata(number),
        "ParentSeries": _id(2, number // PER_SERIES),
        "Type": "Instance",
    }


def _metadata(number: int) -> dict[str, str]:
    return {
        "IndexInSeries": str(number % PER_SERIES + 1),
        "MainDicomTagsSignature": _SIGNATURE,
        "Origin": "DicomProtocol",
        "PixelDataOffset": "1892",
        "ReceptionDate": _MOMENT,
        "RemoteAET": "CT1",
        "RemoteIP": "10.0.0.7",
        "SopClassUid": _STATED["SOPClassUID"],
        "TransferSyntax": "1.2.840.10008.1.2.1",
    }


def _with_requested_tags(tags: Sequence[str]) -> dict[str, Any]:
    stated = {_short(keyword): value for keyword, value in _STATED.items()} | _UIDS
    md5 = "5dbe4b105368c9a34bfc9c283e93020b"
    attachment = {"CompressedMD5": md5, "CompressedSize": 526_000, "ContentType": 1, "UncompressedMD5": md5}
    return {
        "Attachments": [attachment | {"UncompressedSize": 526_000, "Uuid": "5df2dca2-ba4d-40ed-8346-2277558790f5"}],
        "ID": _id(3),
        "Metadata": _metadata(0),
        "RequestedTags": {tag: stated.get(tag) for tag in tags},
        "Type": "Instance",
    }


def _dicom_json() -> dict[str, Any]:
    stated = {_short(keyword): value for keyword, value in _STATED.items()} | _UIDS
    return {tag.replace(",", "").upper(): _element(tag, value) for tag, value in sorted(stated.items())}


def _element(tag: str, value: str) -> dict[str, Any]:
    vr = dictionary_VR(int(tag.replace(",", ""), 16))[:2]
    values: list[Any] = value.split("\\")
    return {"Value": [{"Alphabetic": one} for one in values] if vr == "PN" else values, "vr": vr}


def _short(keyword: str) -> str:
    tag = f"{tag_for_keyword(keyword) or 0:08x}"
    return f"{tag[:4]},{tag[4:]}"
