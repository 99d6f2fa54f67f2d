"""How an ImagingStudy on a server differs from what the archive says. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from indexer.equality import is_equal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Resource = dict[str, Any]


def differences(expected: Resource, present: Sequence[Resource]) -> tuple[str, ...]:
    """Every difference that matters to a reader of the index, such as ``missing instance 1.2.3``.

    Parameters
    ----------
    expected
        The ImagingStudy as it would be published now.
    present
        Every ImagingStudy on the server that has the study's identifier.
    """
    ours = next((study for study in present if study.get("id") == expected["id"]), None)
    if ours is None:
        return ("missing study",)
    others = (study.get("id") for study in present if study.get("id") != expected["id"])
    doubled = (f"doubled study: also ImagingStudy/{fhir_id}" for fhir_id in others)
    return (*doubled, *_of_study(expected, ours), *_of_elements("series", expected.get("series"), ours.get("series")))


def _of_study(expected: Resource, present: Resource) -> Iterator[str]:
    for key in ("numberOfSeries", "numberOfInstances", "status", "started"):
        if not is_equal(present.get(key), expected.get(key), key):
            yield f"wrong {key}: {present.get(key)} instead of {expected.get(key)}"
    if _reference(present.get("subject")) != _reference(expected.get("subject")):
        yield "wrong subject"
    if set(map(_reference, expected.get("endpoint", ()))) - set(map(_reference, present.get("endpoint", ()))):
        yield "missing endpoint"


def _of_elements(name: str, expected: object, present: object) -> Iterator[str]:
    """Differences of two lists of series, and of the instances in them, or of two lists of instances."""
    wanted, elements = _by_uid(expected), _by_uid(present)
    yield from (f"missing {name} {uid}" for uid in sorted(wanted.keys() - elements.keys()))
    yield from (f"extra {name} {uid}" for uid in sorted(elements.keys() - wanted.keys()))
    counts = Counter(str(element.get("uid")) for element in _list(present))
    yield from (f"doubled {name} {uid}" for uid, count in sorted(counts.items()) if count > 1)
    for uid in sorted(wanted.keys() & elements.keys()):
        if wanted[uid].get("numberOfInstances") != elements[uid].get("numberOfInstances"):
            yield f"wrong numberOfInstances of series {uid}"
        yield from _of_elements("instance", wanted[uid].get("instance"), elements[uid].get("instance"))


def _by_uid(elements: object) -> dict[str, Resource]:
    return {str(element.get("uid")): element for element in _list(elements)}


def _list(elements: object) -> list[Resource]:
    return [element for element in elements if isinstance(element, dict)] if isinstance(elements, list) else []


def _reference(value: object) -> object:
    return value.get("reference") if isinstance(value, dict) else None
