"""Search for resources by identifier: the search token, and which results have the identifier.

Source: FHIR R4 (4.0.1) "Search", sections 3.1.1.4.10 "token" and 3.1.1.4.0.1 "Escaping Search Parameters".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.model import Lookup

_ELEMENTS: Final = {"Patient": "identifier,link,name,gender,birthDate"}

_SPECIAL: Final = re.compile(r"([\\,|$])")


def token(lookup: Lookup) -> str:
    """The value of ``identifier`` in a search; without a system, it matches any."""
    parts = (lookup.value,) if lookup.system is None else (lookup.system, lookup.value)
    return "|".join(_SPECIAL.sub(r"\\\1", part) for part in parts)


def elements(resource_type: str) -> str:
    """Elements that a result must contain; of a Patient also those that say who it is, and whether it was replaced."""
    return _ELEMENTS.get(resource_type, "identifier")


def bearers(lookup: Lookup, resources: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The resources with an identifier, each once; a server may return others as well."""
    return tuple({resource["id"]: resource for resource in resources if _has(resource, lookup)}.values())


def dicts(resource: dict[str, Any], element: str) -> list[dict[str, Any]]:
    """The values of a repeating element, without what is not an object."""
    return [value for value in resource.get(element) or [] if isinstance(value, dict)]


def _has(resource: dict[str, Any], lookup: Lookup) -> bool:
    return any(
        identifier.get("value") == lookup.value and lookup.system in (None, identifier.get("system"))
        for identifier in dicts(resource, "identifier")
    )
