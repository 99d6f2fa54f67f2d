"""Which attributes the mapping reads from the dataset of a single instance: no more than these are asked for.

Keywords of PS3.6 2024e, chapter 6; a sequence comes whole. `tests/unit/mapping/test_requested_tags.py` maps every
golden study, and fails for one that is read and does not stand here, and for one that stands here and is never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indexer.mapping.rules import Element

if TYPE_CHECKING:
    from indexer.mapping.rules import Rules

_ALWAYS: Final = frozenset(
    {
        "AccessionNumber",
        "AcquisitionDate",
        "AcquisitionDateTime",
        "AcquisitionTime",
        "AnatomicRegionSequence",
        "BodyPartExamined",
        "CodingSchemeIdentificationSequence",
        "ConceptNameCodeSequence",
        "ContentDate",
        "ContentDescription",
        "ContentLabel",
        "ContentTime",
        "DeviceSerialNumber",
        "DocumentTitle",
        "ImageLaterality",
        "IssuerOfAccessionNumberSequence",
        "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence",
        "Laterality",
        "Manufacturer",
        "ManufacturerModelName",
        "Modality",
        "PatientBirthDate",
        "PatientID",
        "PatientName",
        "PatientSex",
        "ProcedureCodeSequence",
        "ProtocolName",
        "ReasonForPerformedProcedureCodeSequence",
        "ReasonForRequestedProcedureCodeSequence",
        "ReasonForStudy",
        "ReasonForTheRequestedProcedure",
        "RequestAttributesSequence",
        "RequestedProcedureCodeSequence",
        "RTPlanLabel",
        "SeriesDate",
        "SeriesDescription",
        "SeriesDescriptionCodeSequence",
        "SeriesTime",
        "SharedFunctionalGroupsSequence",
        "SpecimenDescriptionSequence",
        "StationName",
        "StructureSetLabel",
        "StructureSetName",
        "StudyDate",
        "StudyDescription",
        "StudyTime",
        "TimezoneOffsetFromUTC",
    }
)

_OF_ELEMENT: Final = {
    Element.DEVICE_SUBJECT: ("QualityControlSubject",),
    Element.ENCOUNTER: ("AdmissionID", "IssuerOfAdmissionIDSequence"),
    Element.IMAGE_TITLE: ("ImageType",),
    Element.INTERPRETER: ("NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence"),
    Element.LOCATION: ("InstitutionalDepartmentName", "PerformedLocation", "InstitutionName"),
    Element.NOTE: ("StudyComments", "CommentsOnThePerformedProcedureStep"),
    Element.ORGANIZATION: ("InstitutionName",),
    Element.PERFORMER: (
        "PerformingPhysicianName",
        "PerformingPhysicianIdentificationSequence",
        "OperatorsName",
        "OperatorIdentificationSequence",
    ),
    Element.REFERRER: ("ReferringPhysicianName", "ReferringPhysicianIdentificationSequence"),
    Element.STUDY_ID: ("StudyID",),
}
"""What is read only for an element that a site has to want."""


def sampled_keywords(rules: Rules) -> frozenset[str]:
    """Keywords of the attributes that are read from sampled datasets under these rules."""
    return _ALWAYS.union(*(keywords for element, keywords in _OF_ELEMENT.items() if element in rules.elements))
