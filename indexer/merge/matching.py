"""By what two elements are known to be the same one, wherever they stand in a list, and how a merged list is ordered.

JSON carries no types, so a datatype is recognised by its encoding: the names of its elements.
Source: FHIR R4 (4.0.1) and R5 (5.0.0), "Data Types", "References", "Extensibility".
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, product
from typing import TYPE_CHECKING, Any

from indexer.equality import canonical
from indexer.merge.folding import is_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    Keys = tuple[Hashable, ...]
    """Keys of one element, the one by which it is known best first."""

    Slot = tuple[int | None, Any]
    """One element of a merged list, and its place in our list, None for what others wrote."""

Node = dict[str, Any]

_ELEMENT = frozenset({"id", "extension"})

EXTENSIONS = frozenset({"extension", "modifierExtension"})

OWN_ORDER = frozenset({"series", "instance"})
"""Lists in which our elements stand in our order."""

FIRST_STAYS = frozenset({"endpoint"})
"""Lists whose first element stays one of ours if it was: readers take the first endpoint."""


def is_same(one: Keys, other: Keys) -> bool:
    """Whether two elements are the same one."""
    return _likeness(one, other) is not None


def keys_of(element: Any) -> Keys:
    """Keys of a datatype with an identity; none where it has no such thing (a Period, a Quantity, a HumanName)."""
    if not isinstance(element, dict):
        return ()
    if "" in element:
        return (("", _canonical(element[""])),)
    if isinstance(element.get("actor"), dict):
        return _performer_keys(element)
    names = {name.lstrip("_") for name in element} - _ELEMENT
    return tuple(
        (encoding, key) for encoding, (known, keys) in _DATATYPES.items() if names <= known for key in keys(element)
    )


def keys_in_lists(name: str, versions: Sequence[Sequence[Any]]) -> list[list[Keys]]:
    """Keys of every element of several versions of the list of that name, such as ``identifier``."""
    if name in EXTENSIONS:
        repeated = _repeated_urls(versions)
        return [[_extension_keys(element, repeated) for element in version] for version in versions]
    keys = _BY_NAME.get(name, keys_of)
    return [[keys(element) or (_canonical(element),) for element in version] for version in versions]


def pair(ours: Sequence[Keys], theirs: Sequence[Keys]) -> dict[int, int]:
    """Places in their list → places in ours; each stands once. Like elements pair by occurrence."""
    places = {key: place for place, key in enumerate(_numbered(theirs))}
    pairs = {places[key]: here for here, key in enumerate(_numbered(ours)) if key in places}
    if len(pairs) < min(len(ours), len(theirs)):
        _pair_by_any_key(ours, theirs, pairs)
    return pairs


def arranged(name: str, slots: list[Slot], *, is_first_gone: bool) -> list[Any]:
    """Elements of a merged list in their order.

    Parameters
    ----------
    slots
        What stays, in their order, then our new ones.
    is_first_gone
        Whether the first element of their list was one of ours that we hold no longer: our first takes its place.
    """
    if name in OWN_ORDER:
        slots = _in_own_order(slots)
    elif name in FIRST_STAYS and is_first_gone:
        slots = sorted(slots, key=lambda slot: slot[0] != 0)
    return [element for _, element in slots]


def _likeness(one: Keys, other: Keys) -> int | None:
    """How near two elements are: the place of the best key of one among the keys of the other, None if they differ.

    So a reference by identifier is the one to which somebody added the literal reference, and a concept is the one to
    which somebody added a translation; but two literal references with one identifier are two.
    """
    places = [keys.index(best[0]) for best, keys in ((one, other), (other, one)) if best and best[0] in keys]
    return min(places, default=None)


def _numbered(elements: Sequence[Keys]) -> list[Hashable]:
    """Best key of each; the second and later ones of a key with their number."""
    best = [keys[0] for keys in elements]
    if len(set(best)) == len(best):
        return best
    seen: Counter[Hashable] = Counter()
    numbered: list[Hashable] = []
    for key in best:
        numbered.append((key, seen[key]) if seen[key] else key)
        seen[key] += 1
    return numbered


def _pair_by_any_key(ours: Sequence[Keys], theirs: Sequence[Keys], pairs: dict[int, int]) -> None:
    """Pair what is left by weaker keys; two of which each has only one key would have paired already."""
    paired = set(pairs.values())
    left = [place for place in range(len(ours)) if place not in paired]
    free = [place for place in range(len(theirs)) if place not in pairs]
    many = [place for place in free if len(theirs[place]) > 1]
    near = (
        (likeness, here, there)
        for here in left
        for there in (free if len(ours[here]) > 1 else many)
        if (likeness := _likeness(ours[here], theirs[there])) is not None
    )
    for _, here, there in sorted(near):
        if there not in pairs and here not in paired:
            pairs[there] = here
            paired.add(here)


def _in_own_order(slots: list[Slot]) -> list[Slot]:
    """Ours in our order; what others wrote stays behind the element of ours that it followed."""
    places = (place for place, _ in slots)
    followed = list(accumulate(places, lambda last, place: last if place is None else place, initial=-1))[1:]
    return [slots[index] for index in sorted(range(len(slots)), key=followed.__getitem__)]


def _canonical(value: Any) -> Hashable:
    """A value as a key: its canonical JSON, without what stands beside any value (``id`` and ``extension``)."""
    if isinstance(value, dict):
        value = {name: part for name, part in value.items() if name not in _ELEMENT} or value
    return canonical(value)


def _text_key(element: Node, name: str) -> Keys:
    text = element.get(name)
    return ((name, text),) if isinstance(text, str) else ()


def _coding_keys(coding: Node) -> Keys:
    code = coding.get("code")
    is_coded = isinstance(code, str)
    return (("code", _canonical(coding.get("system")), code),) if is_coded else _text_key(coding, "display")


def _concept_keys(concept: Node) -> Keys:
    codings = concept.get("coding")
    listed = codings if isinstance(codings, list) else []
    coded = (key for coding in listed if isinstance(coding, dict) for key in _coding_keys(coding))
    return (*coded, *_text_key(concept, "text"))


def _identifier_keys(identifier: Node) -> Keys:
    value = identifier.get("value")
    return (("identifier", _canonical(identifier.get("system")), value),) if isinstance(value, str) else ()


def _reference_keys(reference: Node) -> Keys:
    identifier = reference.get("identifier")
    logical = _identifier_keys(identifier) if isinstance(identifier, dict) else ()
    return (*_text_key(reference, "reference"), *logical, *_text_key(reference, "display"))


def _codeable_reference_keys(element: Node) -> Keys:
    parts = (("concept", _concept_keys), ("reference", _reference_keys))
    stated = ((name, keys(element[name])) for name, keys in parts if isinstance(element.get(name), dict))
    return tuple((name, key) for name, keys in stated for key in keys)


def _performer_keys(performer: Node) -> Keys:
    return tuple(product(keys_of(performer["actor"]), keys_of(performer.get("function")) or (None,)))


_DATATYPES: dict[str, tuple[frozenset[str], Callable[[Node], Keys]]] = {
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
    return ((_canonical(resource.get("resourceType")), resource["id"]),) if named else ()


_BY_NAME: dict[str, Callable[[Any], Keys]] = {"series": _uid_keys, "instance": _uid_keys, "contained": _resource_keys}


def _url(extension: Any) -> Hashable:
    return _canonical(extension.get("url") if isinstance(extension, dict) else extension)


def _repeated_urls(versions: Sequence[Sequence[Any]]) -> set[Hashable]:
    return {url for version in versions for url, count in Counter(map(_url, version)).items() if count > 1}


def _extension_keys(extension: Any, repeated: set[Hashable]) -> Keys:
    """The URL; where it stands more than once in a version, the value as well."""
    url = _url(extension)
    return ((url, _canonical(_value_of(extension))),) if url in repeated else (url,)


def _value_of(extension: Any) -> Any:
    if not isinstance(extension, dict):
        return None
    value = {name: part for name, part in extension.items() if is_value(name)}
    return value or [extension.get("extension")]
