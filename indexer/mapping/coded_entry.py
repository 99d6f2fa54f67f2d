"""Items of coded sequences → CodeableConcept.

Source: PS3.3 2024e, section 8 "Encoding of Coded Entry Data"; PS3.16 2024e, section 8 "Coding Schemes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.sr import _snomed_dict

from indexer.mapping.coding import SNOMED_CT, URI_SYSTEM, coding, concept
from indexer.mapping.issues import Cause, Issues
from indexer.mapping.syntax import CODE, OID, URI
from indexer.mapping.tables import column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.mapping.rules import Rules
    from indexer.model import Attributes

_SNOMED_RT = "snomed-rt"


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
        found: list[dict[str, Any]] = []
        for item in items:
            one = self.concept(keyword, item)
            if one and one not in found:
                found.append(one)
        return found

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
    found: dict[str, str] = {}
    for dataset in datasets:
        for item in dataset.items("CodingSchemeIdentificationSequence"):
            designator, uid = item.text("CodingSchemeDesignator"), item.text("CodingSchemeUID")
            if designator and uid and OID.fullmatch(uid):
                found.setdefault(designator, f"urn:oid:{uid}")
    return found
