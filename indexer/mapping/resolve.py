"""Logical references of a study that may be looked up in the FHIR server, and their literal form once found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from indexer.model import Lookup
from indexer.model.choices import Resolvable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from indexer.mapping.syntax import Json


def lookups(study: Mapping[str, Any], elements: Collection[Resolvable]) -> tuple[Lookup, ...]:
    """What to look up for these elements, each once; only identifiers with a system mean one thing everywhere."""
    return tuple(dict.fromkeys(_logical(study, elements)))


def resolved(study: Json, targets: Mapping[Lookup, str]) -> Json:
    """The study with the literal references that were found (``Type/id``) beside the identifiers."""
    return study | {name: _literal(study[name], targets) for name in get_args(Resolvable) if name in study}


def _literal(reference: Any, targets: Mapping[Lookup, str]) -> Any:
    if isinstance(reference, list):
        return [_literal(element, targets) for element in reference]
    target = targets.get(_lookup(reference)) if "identifier" in reference else None
    return {"reference": target, **reference} if target else dict(reference)


def _logical(study: Mapping[str, Any], elements: Collection[Resolvable]) -> Iterator[Lookup]:
    for name in elements:
        value = study.get(name, [])
        for reference in value if isinstance(value, list) else [value]:
            # A number without a system may be another patient's.
            if "system" in reference.get("identifier", {}):
                yield _lookup(reference)


def _lookup(reference: Mapping[str, Any]) -> Lookup:
    identifier = reference["identifier"]
    return Lookup(reference["type"], identifier.get("system"), identifier["value"])
