"""DICOM files whose values are any bytes: pydicom would encode or refuse them."""

import struct
from collections.abc import Mapping

import requests
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.samples.senders import Archive

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def raw_file(seed: str, values: Mapping[str, bytes]) -> bytes:
    """A CT image without pixel data, with these values by keyword, each shorter than 64 KiB; its UIDs are the seed's.

    A value of a VR with a long length (PS3.5 2024e, section 7.1.2) is not supported.
    """
    study, series, instance = (generate_uid(entropy_srcs=[seed, keyword]) for keyword in UIDS)
    elements = {
        "SOPClassUID": CT_IMAGE_STORAGE.encode(),
        "SOPInstanceUID": instance.encode(),
        "Modality": b"CT",
        "StudyInstanceUID": study.encode(),
        "SeriesInstanceUID": series.encode(),
        **values,
    }
    meta = _encoded(
        {
            "MediaStorageSOPClassUID": elements["SOPClassUID"],
            "MediaStorageSOPInstanceUID": elements["SOPInstanceUID"],
            "TransferSyntaxUID": ExplicitVRLittleEndian.encode(),
        }
    )
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    return b"\0" * 128 + b"DICM" + length + meta + _encoded(elements)


def study_instance_uid(seed: str) -> str:
    """The StudyInstanceUID of `raw_file`."""
    return generate_uid(entropy_srcs=[seed, "StudyInstanceUID"])


def store_raw(orthanc: Archive, file: bytes) -> None:
    """Store one file as it is."""
    requests.post(f"{orthanc.url}/instances", data=file, auth=orthanc.auth, timeout=60).raise_for_status()


def _encoded(elements: Mapping[str, bytes]) -> bytes:
    tags = {tag_for_keyword(keyword) or 0: value for keyword, value in elements.items()}
    return b"".join(_element(tag, tags[tag]) for tag in sorted(tags))


def _element(tag: int, value: bytes) -> bytes:
    vr = dictionary_VR(tag)
    padded = value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(padded)) + padded
