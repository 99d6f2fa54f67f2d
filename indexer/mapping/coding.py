"""Codes: the standard's tables, code systems that FHIR knows by a URI, and coded entries of DICOM sequences.

Source: PS3.3 2024e, section 8 "Encoding of Coded Entry Data"; PS3.16 2024e, section 8 "Coding Schemes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom._uid_dict import UID_dictionary
from pydicom.sr import _snomed_dict

from indexer.mapping.issues import Cause
from indexer.mapping.syntax import CODE, OID, URI, filled
from indexer.mapping.tables import column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.mapping.issues import Issues
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED_CT = "http://snomed.info/sct"
URI_SYSTEM = "urn:ietf:rfc:3986"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"

OTHER_MODALITY = "OT"

_SNOMED_RT = "snomed-rt"


def coding(system: str | None, code: str, display: str | None = None) -> dict[str, Any]:
    """A Coding; without a system where none is known."""
    return filled(system=system, code=code, display=display)


def concept(*codings: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept."""
    return filled(coding=[part for part in codings if part], text=text)


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
    return UID_dictionary[uid][0] if uid in UID_dictionary else None


class Entries:
    """Reads the coded entries of one study.

    Parameters
    ----------
    datasets
        Where the CodingSchemeIdentificationSequence may name the UIDs of schemes that DICOM does not list.
    """

    def __init__(self, rules: Rules, issues: Issues, datasets: Iterable[Attributes]) -> None:
        self._rules = rules
        self._issues = issues
        self._named = _named_schemes(datasets)

    def concepts(self, keyword: str, items: Iterable[Attributes]) -> list[dict[str, Any]]:
        """Every entry of a sequence that says anything, each once."""
        concepts: list[dict[str, Any]] = []
        for item in items:
            entry = self.concept(keyword, item)
            if entry and entry not in concepts:
                concepts.append(entry)
        return concepts

    def concept(self, keyword: str, item: Attributes) -> dict[str, Any] | None:
        """One entry: coded where its scheme has a URI, otherwise by its meaning alone."""
        meaning = item.text("CodeMeaning")
        value = item.text("CodeValue") or item.text("LongCodeValue")
        address = item.text("URNCodeValue")
        if value:
            coded = self._coding(value, item, meaning)
        else:
            coded = coding(URI_SYSTEM, address, meaning) if address and URI.fullmatch(address) else None
        if coded is None and (value or address):
            self._issues.add(keyword, Cause.UNKNOWN_SYSTEM)
        return concept(coded or {}, text=meaning) or None

    def _coding(self, value: str, item: Attributes, meaning: str | None) -> dict[str, Any] | None:
        system = self._system(item.text("CodingSchemeDesignator") or "")
        if system == _SNOMED_RT:
            system, value = SNOMED_CT, _snomed_dict.mapping["SRT"].get(value, "")
        if not system or not CODE.fullmatch(value):
            return None
        version = item.text("CodingSchemeVersion")
        return coding(system, value, meaning) | ({"version": version} if version and system != SNOMED_CT else {})

    def _system(self, designator: str) -> str | None:
        known = self._rules.coding_schemes.get(designator) or column("coding-scheme").get(designator)
        return known or self._named.get(designator)


def _named_schemes(datasets: Iterable[Attributes]) -> dict[str, str]:
    schemes: dict[str, str] = {}
    for dataset in datasets:
        for item in dataset.items("CodingSchemeIdentificationSequence"):
            designator, uid = item.text("CodingSchemeDesignator"), item.text("CodingSchemeUID")
            if designator and uid and OID.fullmatch(uid):
                schemes.setdefault(designator, f"urn:oid:{uid}")
    return schemes
