"""Search for resources by identifier: the search token, and which results have the identifier.

Source: FHIR R4 (4.0.1) "Search", sections 3.1.1.4.10 "token" and 3.1.1.4.0.1 "Escaping Search Parameters"; "Patient",
``Patient.link``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.model import Lookup

ELEMENTS: Final = "identifier,link"
"""Elements that a result must contain."""

_SPECIAL: Final = re.compile(r"([\\,|$])")
_REFERENCE: Final = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")


def token(lookup: Lookup) -> str:
    """The value of ``identifier`` in a search; without a system, it matches any."""
    parts = (lookup.value,) if lookup.system is None else (lookup.system, lookup.value)
    return "|".join(_SPECIAL.sub(r"\\\1", part) for part in parts)


def bearers(lookup: Lookup, resources: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """References to the resources with an identifier, each once; a server may return others as well."""
    return tuple(dict.fromkeys(_reference(resource) for resource in resources if _has(resource, lookup)))


def dicts(resource: dict[str, Any], element: str) -> list[dict[str, Any]]:
    """The values of a repeating element, without what is not an object."""
    return [value for value in resource.get(element) or [] if isinstance(value, dict)]


def _has(resource: dict[str, Any], lookup: Lookup) -> bool:
    return any(
        identifier.get("value") == lookup.value and lookup.system in (None, identifier.get("system"))
        for identifier in dicts(resource, "identifier")
    )


def _reference(resource: dict[str, Any]) -> str:
    """Reference to a resource, or to the Patient that replaced it when two were merged."""
    others = (link.get("other") for link in dicts(resource, "link") if link.get("type") == "replaced-by")
    references = (str(other.get("reference")) for other in others if isinstance(other, dict))
    replacement = next((reference for reference in references if _REFERENCE.fullmatch(reference)), None)
    return replacement or f"{resource['resourceType']}/{resource['id']}"
