"""Codes: code systems that FHIR knows by a URI, and coded entries of DICOM sequences.

Source: PS3.3 2024e, section 8 "Encoding of Coded Entry Data"; PS3.16 2024e, section 8 "Coding Schemes".
"""

from __future__ import annotations

from typing import Any

from pydicom._uid_dict import UID_dictionary

from indexer.mapping.syntax import filled
from indexer.mapping.tables import column

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED_CT = "http://snomed.info/sct"
URI_SYSTEM = "urn:ietf:rfc:3986"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"

OTHER_MODALITY = "OT"


def coding(system: str | None, code: str, display: str | None = None) -> dict[str, Any]:
    """A Coding; without a system where none is known."""
    return filled(system=system, code=code, display=display)


def concept(*codings: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept."""
    return filled(coding=[one for one in codings if one], text=text)


def modality(code: str) -> dict[str, Any]:
    """A modality as a Coding; a term that DICOM does not define bears no system."""
    display = column("modality", 2).get(code)
    return coding(DCM if display else None, code, display)


def is_acquisition(code: str) -> bool:
    """Whether the modality belongs to CID 29 "Acquisition Modality"."""
    return column("modality").get(code) == "acquisition"


def modality_of_sop_class(sop_class_uid: str | None) -> str:
    """Modality of a series that states none, by the class of its objects; ``OT`` where the class tells nothing."""
    return column("sop-class-modality").get(sop_class_uid or "", OTHER_MODALITY)


ACCESSION_NUMBER = concept(coding(IDENTIFIER_TYPE, "ACSN", "Accession ID"))
MEDICAL_RECORD_NUMBER = concept(coding(IDENTIFIER_TYPE, "MR", "Medical record number"))
STUDY_INSTANCE_UID = concept(coding(DCM, "110180", "Study Instance UID"))


def name_of_uid(uid: str) -> str | None:
    """Name of a UID that DICOM registers (PS3.6 2024e, Annex A "Registry of DICOM Unique Identifiers"), else None."""
    entry = UID_dictionary.get(uid)
    return entry[0] if entry else None


def is_defined_modality(code: str) -> bool:
    """Whether DICOM defines the modality, be it retired."""
    return code in column("modality", 2)
