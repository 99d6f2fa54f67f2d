"""Specimens that a series shows → ``series.specimen``.

Source: PS3.3 2024e, C.7.6.22 "Specimen Module".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.issuer import designated_system
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.evidence import Evidence
    from indexer.model import Attributes


def specimens(evidence: Evidence) -> list[dict[str, Any]]:
    """Logical references to the specimens of the sampled instances, each once."""
    found: list[dict[str, Any]] = []
    for item in evidence.items("SpecimenDescriptionSequence"):
        reference = _reference(item)
        if reference and reference not in found:
            found.append(reference)
    return found


def _reference(item: Attributes) -> dict[str, Any] | None:
    value = item.text("SpecimenIdentifier")
    if value is None:
        return None
    system = designated_system(item.item("IssuerOfTheSpecimenIdentifierSequence"))
    return {"type": "Specimen", "identifier": filled(system=system, value=value)}
