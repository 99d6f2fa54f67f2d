"""Resources that are looked up by an identifier: how it is asked for, and which answers bear it.

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
"""Elements that an answer has to have."""

_SPECIAL: Final = re.compile(r"([\\,|$])")
_REFERENCE: Final = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")


def token(lookup: Lookup) -> str:
    """The value of ``identifier`` in a search; without a system, one of any system."""
    parts = (lookup.value,) if lookup.system is None else (lookup.system, lookup.value)
    return "|".join(_SPECIAL.sub(r"\\\1", part) for part in parts)


def bearers(lookup: Lookup, found: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """References of the resources that bear an identifier, each once; a server may answer with others as well."""
    return tuple(dict.fromkeys(_snapshot(one) for one in found if _bears(one, lookup)))


def _bears(resource: dict[str, Any], lookup: Lookup) -> bool:
    held = [one for one in resource.get("identifier") or [] if isinstance(one, dict)]
    return any(one.get("value") == lookup.value and lookup.system in (None, one.get("system")) for one in held)


def _snapshot(resource: dict[str, Any]) -> str:
    """Reference of a resource, or of the Patient that stands in its place since two were merged."""
    links = [one for one in resource.get("link") or [] if isinstance(one, dict)]
    others = (one.get("other") for one in links if one.get("type") == "replaced-by")
    references = (one.get("reference") for one in others if isinstance(one, dict))
    snapshot = next((one for one in references if isinstance(one, str) and _REFERENCE.fullmatch(one)), None)
    return snapshot or f"{resource['resourceType']}/{resource['id']}"
