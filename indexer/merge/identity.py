"""By what two elements are known to be the same one, wherever they stand in a list.

JSON carries no types, so a datatype is recognised by its encoding: the names of its elements.
Source: FHIR R4 (4.0.1) and R5 (5.0.0), "Data Types", "References", "Extensibility".
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    Keys = tuple[Hashable, ...]
    """Keys of one element, the one by which it is known best first."""

_ELEMENT = frozenset({"id", "extension"})

EXTENSIONS = frozenset({"extension", "modifierExtension"})


def likeness(one: Keys, other: Keys) -> int | None:
    """How near two elements are: the place of the best key of one among the keys of the other, None if they differ.

    So a reference by identifier is the one to which somebody added the literal reference, and a concept is the one to
    which somebody added a translation; but two literal references with one identifier are two.
    """
    places = [keys.index(best[0]) for best, keys in ((one, other), (other, one)) if best and best[0] in keys]
    return min(places, default=None)


def is_same(one: Keys, other: Keys) -> bool:
    """Whether two elements are the same one."""
    return likeness(one, other) is not None


def keys_of(element: Any) -> Keys:
    """Keys of a datatype with an identity; none where it has no such thing (a Period, a Quantity, a HumanName)."""
    if not isinstance(element, dict):
        return ()
    if "" in element:
        return (("", canonical(element[""])),)
    if isinstance(element.get("actor"), dict):
        return _performer_keys(element)
    names = {name.lstrip("_") for name in element} - _ELEMENT
    return tuple(
        (encoding, key) for encoding, (known, keys) in _SHAPES.items() if names <= known for key in keys(element)
    )


def keys_in_lists(name: str, versions: Sequence[Sequence[Any]]) -> list[list[Keys]]:
    """Keys of every element of several versions of one list.

    Parameters
    ----------
    name
        Of the list's element, such as ``identifier``.
    """
    if name in EXTENSIONS:
        repeated = _repeated_urls(versions)
        return [[_extension_keys(one, repeated) for one in version] for version in versions]
    keys = _BY_NAME.get(name, keys_of)
    return [[keys(one) or (canonical(one),) for one in version] for version in versions]


def canonical(value: Any) -> Hashable:
    """A value as a key: its canonical JSON, without what stands beside any value (``id`` and ``extension``)."""
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if name not in _ELEMENT} or value
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return id(value)  # nested deeper than orjson writes, though it reads it: the same as nothing else


def _coding_keys(coding: dict[str, Any]) -> Keys:
    system, code, display = (coding.get(name) for name in ("system", "code", "display"))
    if isinstance(code, str):
        return (("code", canonical(system), code),)
    return (("display", display),) if isinstance(display, str) else ()


def _concept_keys(concept: dict[str, Any]) -> Keys:
    codings, text = concept.get("coding"), concept.get("text")
    listed = [one for one in codings if isinstance(one, dict)] if isinstance(codings, list) else []
    coded = [key for one in listed for key in _coding_keys(one)]
    return (*coded, *([("text", text)] if isinstance(text, str) else []))


def _identifier_keys(identifier: dict[str, Any]) -> Keys:
    value = identifier.get("value")
    return (("identifier", canonical(identifier.get("system")), value),) if isinstance(value, str) else ()


def _reference_keys(reference: dict[str, Any]) -> Keys:
    literal, identifier, display = (reference.get(name) for name in ("reference", "identifier", "display"))
    return (
        *([("reference", literal)] if isinstance(literal, str) else []),
        *(_identifier_keys(identifier) if isinstance(identifier, dict) else ()),
        *([("display", display)] if isinstance(display, str) else []),
    )


def _codeable_reference_keys(element: dict[str, Any]) -> Keys:
    parts = (("concept", _concept_keys), ("reference", _reference_keys))
    known = ((name, keys(element[name])) for name, keys in parts if isinstance(element.get(name), dict))
    return tuple((name, key) for name, keys in known for key in keys)


def _performer_keys(performer: dict[str, Any]) -> Keys:
    return tuple(product(keys_of(performer["actor"]), keys_of(performer.get("function")) or (None,)))


_SHAPES: dict[str, tuple[frozenset[str], Callable[[dict[str, Any]], Keys]]] = {
    "CodeableReference": (frozenset({"concept", "reference"}), _codeable_reference_keys),
    "Reference": (frozenset({"reference", "type", "identifier", "display"}), _reference_keys),
    "Coding": (frozenset({"system", "version", "code", "display", "userSelected"}), _coding_keys),
    "CodeableConcept": (frozenset({"coding", "text"}), _concept_keys),
    "Identifier": (frozenset({"use", "type", "system", "value", "period", "assigner"}), _identifier_keys),
}
"""Elements of each datatype beside those of every one; what has a display alone may be of two."""


def _uid_keys(element: Any) -> Keys:
    uid = element.get("uid") if isinstance(element, dict) else None
    return (uid,) if isinstance(uid, str) else ()


def _resource_keys(resource: Any) -> Keys:
    named = isinstance(resource, dict) and isinstance(resource.get("id"), str)
    return ((canonical(resource.get("resourceType")), resource["id"]),) if named else ()


_BY_NAME: dict[str, Callable[[Any], Keys]] = {
    "series": _uid_keys,
    "instance": _uid_keys,
    "contained": _resource_keys,
}


def _url(extension: Any) -> Hashable:
    return canonical(extension.get("url") if isinstance(extension, dict) else extension)


def _repeated_urls(versions: Sequence[Sequence[Any]]) -> set[Hashable]:
    counted = (Counter(_url(one) for one in version) for version in versions)
    return {url for counts in counted for url, count in counts.items() if count > 1}


def _extension_keys(extension: Any, repeated: set[Hashable]) -> Keys:
    """The URL; where it stands more than once in a version, the value as well."""
    url = _url(extension)
    if url not in repeated:
        return (url,)
    return ((url, canonical(_value_of(extension))),)


def _value_of(extension: Any) -> Any:
    if not isinstance(extension, dict):
        return None
    value = {name: one for name, one in extension.items() if name.lstrip("_").startswith("value")}
    return value or [extension.get("extension")]
