"""What was ordered, done and why, in which stay and where: orders, procedures, reasons, encounter, location, comments.

Source: FHIR R4 and R5 ImagingStudy, "Notes"; PS3.3 2024e, C.7.2.1 "General Study Module".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.mapping.coding import ACCESSION_NUMBER, IDENTIFIER_TYPE, coding, concept
from indexer.mapping.issuer import accession_system, designated_system
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.context import Context
    from indexer.mapping.rules import Rules
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes

_PROCEDURES = ("ProcedureCodeSequence", "RequestedProcedureCodeSequence")
_REASON_CODES = ("ReasonForRequestedProcedureCodeSequence", "ReasonForPerformedProcedureCodeSequence")
_REASON_TEXTS = ("ReasonForTheRequestedProcedure", "ReasonForStudy")
_VISIT_NUMBER = concept(coding(IDENTIFIER_TYPE, "VN", "Visit number"))
_PLACES = ("InstitutionalDepartmentName", "PerformedLocation", "InstitutionName")
_COMMENTS = ("StudyComments", "CommentsOnThePerformedProcedureStep")


def accession(context: Context) -> Json | None:
    """The study's own accession number as an Identifier."""
    evidence, rules = context.evidence, context.rules
    value = evidence.text("AccessionNumber")
    if value is None:
        return None
    systems = [accession_system(item, rules) for item in evidence.items("IssuerOfAccessionNumberSequence")]
    system = evidence.only("IssuerOfAccessionNumberSequence", systems) if systems else rules.accession_system
    return _accession(system, value)


def orders(context: Context) -> list[Json]:
    """References to the orders that the study fulfils by their accession numbers, each once, the study's own first."""
    own = accession(context)
    requested = (_requested(item, context.rules) for item in context.evidence.items("RequestAttributesSequence"))
    identifiers: dict[str, Json] = {}
    for identifier in (own, *requested):
        if identifier:
            identifiers.setdefault(identifier["value"], identifier)
    return [{"type": "ServiceRequest", "identifier": identifier} for identifier in identifiers.values()]


def procedures(context: Context) -> list[Json]:
    """Concepts of the performed procedure, else of the requested one."""
    read = (context.entries.concepts(keyword, context.evidence.items(keyword)) for keyword in _PROCEDURES)
    return next((concepts for concepts in read if concepts), [])


def reasons(context: Context) -> list[Json]:
    """Concepts of the reasons: coded ones first, then texts that no code already says."""
    evidence = context.evidence
    requests = evidence.items("RequestAttributesSequence")
    concepts: list[Json] = []
    for keyword in _REASON_CODES:
        items = [*evidence.items(keyword), *(item for request in requests for item in request.items(keyword))]
        concepts.extend(one for one in context.entries.concepts(keyword, items) if one not in concepts)
    said = {reason.get("text", "").casefold() for reason in concepts}
    for keyword in _REASON_TEXTS:
        for dataset in (*evidence.all, *requests):
            text = dataset.text(keyword)
            if text and text.casefold() not in said:
                said.add(text.casefold())
                concepts.append(concept(text=text))
    return concepts


def encounter(context: Context) -> Json | None:
    """Logical reference to the stay by its AdmissionID."""
    evidence = context.evidence
    value = evidence.text("AdmissionID")
    if value is None:
        return None
    systems = [designated_system(item) for item in evidence.items("IssuerOfAdmissionIDSequence")]
    system = evidence.only("IssuerOfAdmissionIDSequence", systems)
    return {"type": "Encounter", "identifier": filled(type=_VISIT_NUMBER, system=system, value=value)}


def location(context: Context) -> Json | None:
    """Reference to the place by the first name that is stated."""
    name = next((text for text in map(context.evidence.text, _PLACES) if text), None)
    return {"type": "Location", "display": name} if name else None


def notes(context: Context) -> list[Json]:
    """Comments on the study; free text that may name anybody."""
    texts = map(context.evidence.text, _COMMENTS)
    return [{"text": text} for text in dict.fromkeys(texts) if text]


def _requested(request: Attributes, rules: Rules) -> Json | None:
    value = request.text("AccessionNumber")
    if value is None:
        return None
    return _accession(accession_system(request.item("IssuerOfAccessionNumberSequence"), rules), value)


def _accession(system: str | None, value: str) -> Json:
    return filled(type=ACCESSION_NUMBER, system=system, value=value)
