"""Persons and organizations by name: referrer, readers, performers. Only logical references, never resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.person_name import shown
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.coded_entry import Entries
    from indexer.mapping.evidence import Evidence
    from indexer.model import Attributes, PersonName


def practitioners(evidence: Evidence, entries: Entries, names: str, codes: str) -> list[dict[str, Any]]:
    """References to the persons of a PN attribute, by order with the items of its identification sequence."""
    stated = evidence.person_names(names)
    items = evidence.first_items(codes)
    return [one for one in (_person(name, item, entries) for name, item in _paired(stated, items)) if one]


def organization(evidence: Evidence) -> dict[str, Any] | None:
    """Reference to the institution where the series was made."""
    name = evidence.text("InstitutionName")
    return {"type": "Organization", "display": name} if name else None


def _paired(
    names: tuple[PersonName, ...], items: tuple[Attributes, ...]
) -> list[tuple[PersonName | None, Attributes | None]]:
    """Names with the items of like position, if there are as many; the names alone otherwise."""
    if names and len(names) != len(items):
        return [(name, None) for name in names]
    return [(names[index] if names else None, item) for index, item in enumerate(items)]


def _person(name: PersonName | None, item: Attributes | None, entries: Entries) -> dict[str, Any] | None:
    display = shown(name) if name else None
    code = item.item("PersonIdentificationCodeSequence") if item else None
    found = entries.concept("PersonIdentificationCodeSequence", code) if code else None
    coding = (found or {}).get("coding", [{}])[0]
    identifier = filled(system=coding.get("system"), value=coding.get("code"))
    reference = filled(identifier=identifier, display=display or (found or {}).get("text"))
    return {"type": "Practitioner", **reference} if reference else None
