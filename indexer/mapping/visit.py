"""Where and in which stay of the patient: encounter, location, comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import IDENTIFIER_TYPE, coding, concept
from indexer.mapping.issuer import designated_system
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.evidence import Evidence

_VISIT_NUMBER = concept(coding(IDENTIFIER_TYPE, "VN", "Visit number"))
_PLACES = ("InstitutionalDepartmentName", "PerformedLocation", "InstitutionName")
_COMMENTS = ("StudyComments", "CommentsOnThePerformedProcedureStep")


def encounter(evidence: Evidence) -> dict[str, Any] | None:
    """Logical reference to the stay by its AdmissionID."""
    value = evidence.text("AdmissionID")
    if value is None:
        return None
    systems = [designated_system(one) for one in evidence.items("IssuerOfAdmissionIDSequence")]
    system = evidence.one("IssuerOfAdmissionIDSequence", systems)
    return {"type": "Encounter", "identifier": filled(type=_VISIT_NUMBER, system=system, value=value)}


def location(evidence: Evidence) -> dict[str, Any] | None:
    """Reference to the place by the first name that is stated."""
    name = next((text for text in map(evidence.text, _PLACES) if text), None)
    return {"type": "Location", "display": name} if name else None


def notes(evidence: Evidence) -> list[dict[str, Any]]:
    """Comments on the study; free text that may name anybody."""
    texts = [evidence.text(keyword) for keyword in _COMMENTS]
    return [{"text": text} for text in dict.fromkeys(texts) if text]
