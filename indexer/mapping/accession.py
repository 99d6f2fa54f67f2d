"""Accession numbers: an identifier of the study, and a logical reference to the order.

Source: FHIR R4 and R5 ImagingStudy, "Notes"; PS3.3 2024e, C.7.2.1 "General Study Module".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping import coding
from indexer.mapping.issuer import accession_system
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.evidence import Evidence
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes


def study_accession(evidence: Evidence, rules: Rules) -> dict[str, Any] | None:
    """The study's own accession number as an Identifier, None if it has none."""
    value = evidence.text("AccessionNumber")
    if value is None:
        return None
    systems = [accession_system(item, rules) for item in evidence.items("IssuerOfAccessionNumberSequence")]
    system = evidence.one("IssuerOfAccessionNumberSequence", systems) if systems else rules.accession_system
    return _identifier(system, value)


def order_accessions(evidence: Evidence, rules: Rules) -> list[dict[str, Any]]:
    """The accession numbers of every order that the study fulfils, each once, the study's own first."""
    own = study_accession(evidence, rules)
    found = [own] if own else []
    for request in evidence.items("RequestAttributesSequence"):
        identifier = _of_request(request, rules)
        if identifier and all(identifier["value"] != one["value"] for one in found):
            found.append(identifier)
    return found


def _of_request(request: Attributes, rules: Rules) -> dict[str, Any] | None:
    value = request.text("AccessionNumber")
    if value is None:
        return None
    return _identifier(accession_system(request.item("IssuerOfAccessionNumberSequence"), rules), value)


def _identifier(system: str | None, value: str) -> dict[str, Any]:
    return filled(type=coding.ACCESSION_NUMBER, system=system, value=value)
