"""What was ordered, done and why, in which stay and where: orders, procedures, reasons, encounter, location, comments.

Source: FHIR R4 and R5 ImagingStudy, "Notes"; PS3.3 2024e, C.7.2.1 "General Study Module".
"""

from __future__ import annotations

from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING

from indexer.mapping.coding import ACCESSION_NUMBER, IDENTIFIER_TYPE, coding, concept
from indexer.mapping.issuer import designated_system, names_issuer
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indexer.mapping.context import Context
    from indexer.mapping.rules import Rules
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes

_PROCEDURES = ("ProcedureCodeSequence", "RequestedProcedureCodeSequence")
_PROCEDURE_TEXTS = ("RequestedProcedureDescription", "PerformedProcedureStepDescription")
_REASON_CODES = ("ReasonForRequestedProcedureCodeSequence", "ReasonForPerformedProcedureCodeSequence")
_REASON_TEXTS = ("ReasonForTheRequestedProcedure", "ReasonForStudy")
_VISIT_NUMBER = concept(coding(IDENTIFIER_TYPE, "VN", "Visit number"))
_PLACES = ("InstitutionalDepartmentName", "PerformedLocation", "InstitutionName")
_COMMENTS = ("StudyComments", "CommentsOnThePerformedProcedureStep")


def accessions(context: Context) -> list[Json]:
    """Every accession number of the study as an Identifier, that of the preferred dataset first."""
    evidence, read = context.evidence, methodcaller("texts", "AccessionNumber")
    numbers = evidence.chosen(lambda dataset: read(dataset) or None, "AccessionNumber")
    if numbers is None:
        return []
    preferred = evidence.where(read, numbers, "AccessionNumber")
    systems, keyword = partial(_issuing_system, rules=context.rules), "IssuerOfAccessionNumberSequence"
    issued = preferred.where(systems, preferred.chosen(systems, keyword), keyword)
    ordered = {id(dataset): dataset for part in (issued, preferred, evidence) for dataset in part.datasets}
    return _accessions(ordered.values(), context.rules)


def orders(context: Context, own: Sequence[Json]) -> list[Json]:
    """References to the orders that the study fulfils by their accession numbers, each once, the study's own first."""
    numbers = {identifier["value"] for identifier in own}
    requested = _accessions(context.evidence.items("RequestAttributesSequence"), context.rules)
    others = [identifier for identifier in requested if identifier["value"] not in numbers]
    return [{"type": "ServiceRequest", "identifier": identifier} for identifier in (*own, *others)]


def procedures(context: Context) -> list[Json]:
    """Concepts of the performed procedure, else of the requested one; then descriptions that no code already says."""
    coded = (context.entries.concepts(keyword, context.evidence.items(keyword)) for keyword in _PROCEDURES)
    return _with_texts(next((concepts for concepts in coded if concepts), []), _PROCEDURE_TEXTS, context)


def reasons(context: Context) -> list[Json]:
    """Concepts of the reasons: coded ones first, then texts that no code already says."""
    evidence = context.evidence
    requests = evidence.items("RequestAttributesSequence")
    concepts: list[Json] = []
    for keyword in _REASON_CODES:
        items = [*evidence.items(keyword), *(item for request in requests for item in request.items(keyword))]
        concepts += [reason for reason in context.entries.concepts(keyword, items) if reason not in concepts]
    return _with_texts(concepts, _REASON_TEXTS, context)


def encounter(context: Context) -> Json | None:
    """Logical reference to the stay by its AdmissionID."""
    evidence = context.evidence
    value = evidence.text("AdmissionID")
    if value is None:
        return None
    issuer = "IssuerOfAdmissionIDSequence"
    admitted = evidence.where(methodcaller("text", "AdmissionID"), value, "AdmissionID")
    system = admitted.chosen(lambda dataset: designated_system(dataset.item(issuer)), issuer)
    return {"type": "Encounter", "identifier": filled(type=_VISIT_NUMBER, system=system, value=value)}


def location(context: Context) -> Json | None:
    """Reference to the place by the first name that is stated."""
    name = next((text for text in map(context.evidence.text, _PLACES) if text), None)
    return {"type": "Location", "display": name} if name else None


def notes(context: Context) -> list[Json]:
    """Comments on the study, each once; free text that may name anybody."""
    texts = (dataset.text(keyword) for keyword in _COMMENTS for dataset in context.evidence.datasets)
    return [{"text": text} for text in dict.fromkeys(texts) if text]


def _with_texts(concepts: list[Json], keywords: Iterable[str], context: Context) -> list[Json]:
    """Coded concepts, then the texts of the study and of its requests that none of them says."""
    datasets = [*context.evidence.datasets, *context.evidence.items("RequestAttributesSequence")]
    texts = [text for keyword in keywords for dataset in datasets if (text := dataset.text(keyword))]
    said = {concept.get("text", "").casefold() for concept in concepts}
    unsaid: dict[str, str] = {}
    for text in texts:
        if text.casefold() not in said:
            unsaid.setdefault(text.casefold(), text)
    return concepts + [concept(text=text) for text in unsaid.values()]


def _issuing_system(dataset: Attributes, rules: Rules) -> str | None:
    return designated_system(dataset.item("IssuerOfAccessionNumberSequence"), rules.accession_systems)


def _accessions(datasets: Iterable[Attributes], rules: Rules) -> list[Json]:
    """Accession numbers of datasets or of requests, once for each known issuer.

    Where a number stands without an issuer, it is that of the issuer that another dataset names.
    """
    issuers: dict[str, dict[str | None, None]] = {}
    for dataset in datasets:
        for number in dataset.texts("AccessionNumber"):
            systems = issuers.setdefault(number, {})
            if names_issuer(dataset.item("IssuerOfAccessionNumberSequence")):
                systems[_issuing_system(dataset, rules)] = None
    return [
        filled(type=ACCESSION_NUMBER, system=system, value=number)
        for number, systems in issuers.items()
        for system in _known(systems) or (None if systems else rules.accession_system,)
    ]


def _known(systems: Iterable[str | None]) -> list[str]:
    return [system for system in systems if system]
