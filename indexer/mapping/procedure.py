"""What was done and why: procedure codes and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import concept

if TYPE_CHECKING:
    from indexer.mapping.coded_entry import Entries
    from indexer.mapping.evidence import Evidence

_REASON_CODES = ("ReasonForRequestedProcedureCodeSequence", "ReasonForPerformedProcedureCodeSequence")
_REASON_TEXTS = ("ReasonForTheRequestedProcedure", "ReasonForStudy")


def procedures(evidence: Evidence, entries: Entries) -> list[dict[str, Any]]:
    """Concepts of the performed procedure, else of the requested one."""
    for keyword in ("ProcedureCodeSequence", "RequestedProcedureCodeSequence"):
        found = entries.concepts(keyword, evidence.items(keyword))
        if found:
            return found
    return []


def reasons(evidence: Evidence, entries: Entries) -> list[dict[str, Any]]:
    """Concepts of the reasons: coded ones first, then texts that no code already says."""
    requests = evidence.items("RequestAttributesSequence")
    found: list[dict[str, Any]] = []
    for keyword in _REASON_CODES:
        items = [*evidence.items(keyword), *(item for one in requests for item in one.items(keyword))]
        found.extend(one for one in entries.concepts(keyword, items) if one not in found)
    said = {one.get("text", "").casefold() for one in found}
    for keyword in _REASON_TEXTS:
        for dataset in (evidence.database, *evidence.sampled, *requests):
            text = dataset.text(keyword)
            if text and text.casefold() not in said:
                said.add(text.casefold())
                found.append(concept(text=text))
    return found
