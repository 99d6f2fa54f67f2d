"""Synthetic files for the golden cases: what the public files lack, and what no file should be."""

import struct
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from tests.samples import instance, to_bytes

Files = dict[str, list[bytes]]
Datasets = dict[str, list[Dataset]]

_CLASS = "1.2.840.10008.5.1.4.1.1."
_SHORT_FORM = "AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US"


def code(value: str, scheme: str, meaning: str, **more: Any) -> Dataset:
    """An item of a coded sequence."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning, **more)


def item(**attributes: Any) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def sound() -> Files:
    """Files by case, one study each."""
    return _written(_objects() | _times() | _names() | _attributes() | _disagreeing())


def malformed() -> Files:
    """Files with one mistake by case, after the failures that archives hold."""
    plain = {name: [_broken(name, **attributes)] for name, attributes in _MISTAKES.items()}
    for name, declared in (("charset-unknown", b"ISO_IR 999"), ("charset-wrong", b"ISO_IR 100")):
        in_utf_8 = to_bytes(_made(name, PatientName="Müller^Jörg"))
        plain[name] = [in_utf_8.replace(b"ISO_IR 192", declared)]
    return plain | {
        name: [to_bytes(dataset) for dataset in datasets] for name, datasets in _between_instances().items()
    }


def _written(cases: Datasets) -> Files:
    return {name: [to_bytes(dataset) for dataset in datasets] for name, datasets in cases.items()}


def _made(seed: str, series: int = 0, index: int = 0, *, modality: str = "CT", **attributes: Any) -> Dataset:
    common = {
        "PatientID": f"G-{seed}",
        "PatientName": "Golden^Case",
        "PatientSex": "F",
        "PatientBirthDate": "19700102",
        "StudyDate": "20240305",
        "StudyTime": "101112",
        "StudyDescription": f"Golden {seed}",
    }
    return instance(f"golden {seed}", 0, series, index, modality=modality, **{**common, **attributes})


def _objects() -> Datasets:
    report = [code("18748-4", "LN", "Diagnostic imaging study")]
    title = [code("113000", "DCM", "Of Interest")]
    issuer = item(UniversalEntityID="2.16.840.1.113883.2.99.5", UniversalEntityIDType="ISO")
    specimen = [item(SpecimenIdentifier="B24-1234", IssuerOfTheSpecimenIdentifierSequence=[issuer])]
    slide = {"SOPClassUID": _CLASS + "77.1.6", "Modality": "SM", "NumberOfFrames": 40}
    return {
        "ct-sr-ko-pr": [
            _made("many"),
            _made("many", 0, 1),
            _made("many", 1, modality="SR", ConceptNameCodeSequence=report),
            _made("many", 2, modality="KO", ConceptNameCodeSequence=title),
            _made("many", 3, modality="PR", ContentLabel="LUNG", ContentDescription="Lung window"),
        ],
        "pdf": [_made("pdf", modality="DOC", DocumentTitle="Consent form")],
        "cda": [_made("cda", modality="DOC", SOPClassUID=_CLASS + "104.2", DocumentTitle="Discharge letter")],
        "stl": [_made("stl", modality="DOC", SOPClassUID=_CLASS + "104.3", Modality="M3D", DocumentTitle="Jaw")],
        "rtstruct": [_made("rtstruct", modality="RTSTRUCT", StructureSetLabel="Plan A", StructureSetName="Prostate")],
        "whole-slide": [_made("wsi", **slide, SpecimenDescriptionSequence=specimen)],
        "xa-multi-frame": [_made("xa", modality="XA", NumberOfFrames=30, PixelData=b"\0\1\2\3" * 30)],
        "pt-ct": [_made("pt", modality="PT"), _made("pt", 1)],
        "mg-four-views": [
            _made("mg", index // 2, index, modality="MG", ImageLaterality=side, BodyPartExamined="BREAST")
            for index, side in enumerate("LLRR")
        ],
        "raw-data": [_made("raw", SOPClassUID=_CLASS + "66", Modality="MR")],
    }


def _times() -> Datasets:
    return {
        "no-study-time": [_made("no time", StudyTime="")],
        "no-study-date": [_made("no date", StudyDate="", AcquisitionDate="20240306", AcquisitionTime="0708")],
        "zone-east": [_made("east", TimezoneOffsetFromUTC="+0545", SeriesDate="20240305", SeriesTime="1012")],
        "zone-west": [_made("west", TimezoneOffsetFromUTC="-0330")],
        "summer-time": [_made("summer", StudyDate="20240705")],
        "repeated-hour": [_made("repeated", StudyDate="20241027", StudyTime="023000")],
        "series-before-study": [_made("before", SeriesDate="20240304", SeriesTime="2300")],
        "acquisition-date-time": [_made("dt", AcquisitionDateTime="20240305090000.5+0100")],
    }


def _names() -> Datasets:
    latin = _made("latin", PatientName="Müller^Jörg", StudyDescription="Schädel")
    latin.SpecificCharacterSet = "ISO_IR 100"
    return {
        "name-japanese": [_made("japanese", PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")],
        "name-korean": [_made("korean", PatientName="Hong^Gildong=洪^吉洞=홍^길동")],
        "name-arabic": [_made("arabic", PatientName="قباني^لنزار")],
        "name-cyrillic": [_made("cyrillic", PatientName="Люкceмбypг")],
        "name-ideographic-only": [_made("ideographic", PatientName="=王^小东")],
        "name-five-parts": [_made("five", PatientName="Adams^John Robert Quincy^^Rev.^B.A. M.Div.")],
        "charset-latin-1": [latin],
    }


def _attributes() -> Datasets:
    qualifiers = item(UniversalEntityID="2.16.840.1.113883.2.99.7", UniversalEntityIDType="ISO")
    coded = {
        "AccessionNumber": "ACC-1",
        "IssuerOfAccessionNumberSequence": [item(LocalNamespaceEntityID="RIS")],
        "ProcedureCodeSequence": [code("24627-2", "LN", "CT Chest"), code("CTTH", "99HOSP", "CT Thorax")],
        "ReasonForRequestedProcedureCodeSequence": [code("29857009", "SCT", "Chest pain")],
        "AnatomicRegionSequence": [code("816094009", "SCT", "Chest")],
        "RequestAttributesSequence": [item(AccessionNumber="ACC-2", ReasonForTheRequestedProcedure="Cough")],
    }
    persons = {
        "ReferringPhysicianName": "House^Gregory^^Dr.",
        "NameOfPhysiciansReadingStudy": ["Reader^One", "Reader^Two"],
        "PerformingPhysicianName": "Performer^P",
        "OperatorsName": "Operator^O",
    }
    place = {
        "InstitutionName": "General Hospital",
        "InstitutionalDepartmentName": "Radiology",
        "AdmissionID": "V-77",
        "Manufacturer": "ACME",
        "ManufacturerModelName": "Scan 3",
        "StationName": "CT1",
        "DeviceSerialNumber": "4711",
    }
    nothing = dict.fromkeys(("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"), "")
    return {
        "codes": [_made("codes", **coded)],
        "codes-snomed-rt": [_made("rt codes", AnatomicRegionSequence=[code("T-D3000", "SRT", "Chest")])],
        "side-right": [_made("side", Laterality="R", BodyPartExamined="KNEE", modality="DX")],
        "body-part-unknown": [_made("unknown part", BodyPartExamined="LINKER ZEH")],
        "persons": [_made("persons", **persons)],
        "place-and-stay": [_made("place", **place)],
        "issuer-local": [_made("issuer", IssuerOfPatientID="GINORMOUS")],
        "issuer-universal": [_made("universal", IssuerOfPatientIDQualifiersSequence=[qualifiers])],
        "de-identified": [_made("anon", PatientID="ANON-1", **nothing)],
        "modality-retired": [_made("retired", Modality="ST")],
        "modality-own": [_made("own", Modality="MYOWN")],
        "class-private": [_made("private", SOPClassUID="1.3.12.2.1107.5.9.1")],
        "texts-with-backslashes": [_made("backslash", StudyDescription="Head\\Neck", SeriesDescription="T1\\T2")],
        "accession-numbers": [_made("accessions", AccessionNumber="ACC-1\\ACC-2")],
        "procedures-without-codes": [
            _made("texts", RequestedProcedureDescription="CT Chest", PerformedProcedureStepDescription="Routine")
        ],
    }


def _disagreeing() -> Datasets:
    """What is no image comes first, so that Orthanc's rows are not those of the images."""
    ris, pacs = ([item(LocalNamespaceEntityID=name, UniversalEntityID="")] for name in ("RIS", "PACS"))
    of_images = {"AccessionNumber": "ACC-1", "IssuerOfAccessionNumberSequence": ris, "DeviceSerialNumber": "4711"}
    of_key_object = {
        "StudyDate": "20240306",
        "StudyTime": "080000",
        "StudyDescription": "Key images",
        "AccessionNumber": "KEY-1",
        "IssuerOfAccessionNumberSequence": pacs,
        "DeviceSerialNumber": "4712",
    }
    of_series = {"SeriesDescription": "Structures", "SeriesNumber": 9, "SeriesDate": "20240307", "SeriesTime": "0900"}
    images = [_made("kinds", 0, index, SeriesDescription="Axial", SeriesNumber=2) for index in range(2)]
    structures = _made("kinds", 0, 2, modality="RTSTRUCT", **of_series)
    return {
        "key-object-that-disagrees": [
            _made("key", 1, modality="KO", **of_key_object),
            *(_made("key", 0, index, **of_images) for index in range(2)),
        ],
        "images-and-structures-in-one-series": [structures, *images],
    }


_MISTAKES: dict[str, dict[str, Any]] = {
    "series-uid-of-letters": {"SeriesInstanceUID": "1.2.826.ABC"},
    "series-uid-too-long": {"SeriesInstanceUID": "1." + "2" * 68},
    "series-uid-padded": {"SeriesInstanceUID": "1.2.826.77.1 \0"},
    "instance-uid-of-letters": {"SOPInstanceUID": "1.2.826.77.X"},
    "study-uid-with-leading-zeros": {"StudyInstanceUID": "1.2.826.007.1"},
    "study-uid-of-letters": {"StudyInstanceUID": "1.2.826.study"},
    "number-of-words": {"SeriesNumber": "first"},
    "number-decimal": {"SeriesNumber": "1.5"},
    "number-too-large": {"SeriesNumber": "4294967297", "InstanceNumber": "4294967297"},
    "number-negative": {"SeriesNumber": "-3", "InstanceNumber": "-3"},
    "instance-number-of-words": {"InstanceNumber": "one"},
    "frames-of-words": {"NumberOfFrames": "many"},
    "date-that-is-none": {"StudyDate": "20240231", "PatientBirthDate": "19990229"},
    "date-range": {"StudyDate": "20240101-20240201"},
    "date-legacy": {"StudyDate": "2004.01.19", "StudyTime": "10:11:12"},
    "date-year-zero": {"StudyDate": "00000101"},
    "date-of-birth-medieval": {"PatientBirthDate": "10661014"},
    "time-24": {"StudyTime": "240000"},
    "time-of-words": {"StudyTime": "noon"},
    "time-leap-second": {"StudyTime": "235960"},
    "zone-too-far": {"TimezoneOffsetFromUTC": "+9900"},
    "zone-by-name": {"TimezoneOffsetFromUTC": "UTC"},
    "name-of-seven-parts": {"PatientName": "A^B^C^D^E^F^G"},
    "name-too-long": {"PatientName": "X" * 300},
    "name-with-controls": {"PatientName": "A\r\nB^C\x07D"},
    "name-of-carets": {"PatientName": "^^^^"},
    "patient-number-of-blanks": {"PatientID": "   "},
    "patient-number-twice": {"PatientID": "1\\2"},
    "sex-unknown": {"PatientSex": "X"},
    "modality-missing": {"Modality": ""},
    "modality-of-two": {"Modality": "CT\\MR"},
    "modality-lower-case": {"Modality": "ct"},
    "modality-of-signs": {"Modality": "C/T"},
    "text-of-60-kilobytes": {"StudyDescription": "x" * 60_000},
    "accession-of-blanks": {"AccessionNumber": "    "},
    "side-unknown": {"Laterality": "Q"},
    "body-part-of-the-vendor": {"BodyPartExamined": "C-SPINE"},
    "body-part-of-signs": {"BodyPartExamined": "?!"},
    "class-that-is-none": {"SOPClassUID": "CT Image Storage"},
}


def _between_instances() -> Datasets:
    twice, other = _made("twice"), _made("twice", 1)
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = twice.SOPInstanceUID
    deep = Dataset()
    for _ in range(12):
        deep = item(ProcedureCodeSequence=[deep])
    return {
        "instance-in-two-series": [twice, other],
        "two-names": [_made("names"), _made("names", 1, PatientName="Other^Name")],
        "two-issuers": [_made("issuers", IssuerOfPatientID="A"), _made("issuers", 1, IssuerOfPatientID="B")],
        "two-zones": [_made("zones", n, TimezoneOffsetFromUTC=zone) for n, zone in enumerate(("+0100", "+0200"))],
        "nested-deeply": [_made("deep", ProcedureCodeSequence=[deep])],
        "codes-empty": [_made("empty codes", ProcedureCodeSequence=[Dataset(), code("1", "", "no scheme")])],
    }


def _broken(name: str, **attributes: Any) -> bytes:
    """A file whose attributes hold these raw texts, whatever their value representation allows."""
    wrong: dict[int, str] = {}
    with _AsGiven():
        dataset = _made(name)
        for keyword, text in attributes.items():
            tag = tag_for_keyword(keyword) or 0
            dataset[tag] = DataElement(tag, "LO", text, validation_mode=config.IGNORE)
            wrong[tag] = dictionary_VR(tag)
        content = to_bytes(dataset)
    for tag, vr in wrong.items():
        content = _with_vr(content, tag, vr)
    return content


def _with_vr(content: bytes, tag: int, vr: str) -> bytes:
    """Explicit VR Little Endian with the right name of the value representation; short forms are as long."""
    if vr not in _SHORT_FORM:
        raise ValueError(f"{vr} is written in another form than LO")
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if content.count(head + b"LO") != 1:
        raise ValueError(f"{tag:08X} does not stand there once")
    return content.replace(head + b"LO", head + vr.encode())


class _AsGiven:
    """pydicom writes what it is given."""

    def __enter__(self) -> None:
        self._modes = config.settings.reading_validation_mode, config.settings.writing_validation_mode
        config.settings.reading_validation_mode = config.settings.writing_validation_mode = config.IGNORE

    def __exit__(self, *_: object) -> None:
        config.settings.reading_validation_mode, config.settings.writing_validation_mode = self._modes
