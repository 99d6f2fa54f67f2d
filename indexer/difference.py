"""In what an ImagingStudy that a server holds differs from what the archive says. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Resource = dict[str, Any]


def differences(expected: Resource, held: Sequence[Resource]) -> tuple[str, ...]:
    """Every difference that a reader of the index would suffer from.

    Parameters
    ----------
    expected
        The ImagingStudy as it would be published now.
    held
        Every ImagingStudy of the server that bears the study's identifier.

    Returns
    -------
    tuple
        One short sentence each, such as ``missing instance 1.2.3``; empty if all is well.
    """
    mine = [one for one in held if one.get("id") == expected["id"]]
    if not mine:
        return ("missing study",)
    doubled = (f"doubled study: also ImagingStudy/{one.get('id')}" for one in held if one.get("id") != expected["id"])
    return (*doubled, *_of_study(expected, mine[0]), *_of_series(expected, mine[0]))


def _of_study(expected: Resource, held: Resource) -> Iterator[str]:
    for key in ("numberOfSeries", "numberOfInstances", "status", "started"):
        if held.get(key) != expected.get(key):
            yield f"wrong {key}: {held.get(key)} instead of {expected.get(key)}"
    if _reference(held.get("subject")) != _reference(expected.get("subject")):
        yield "wrong subject"
    missing = {_reference(one) for one in expected.get("endpoint", ())} - {
        _reference(one) for one in held.get("endpoint", ())
    }
    if missing:
        yield "missing endpoint"


def _of_series(expected: Resource, held: Resource) -> Iterator[str]:
    wanted, found = _by_uid(expected.get("series")), _by_uid(held.get("series"))
    yield from _sets("series", wanted, found)
    yield from _doubles("series", held.get("series"))
    for uid in sorted(wanted.keys() & found.keys()):
        if wanted[uid].get("numberOfInstances") != found[uid].get("numberOfInstances"):
            yield f"wrong numberOfInstances of series {uid}"
        yield from _sets("instance", _by_uid(wanted[uid].get("instance")), _by_uid(found[uid].get("instance")))
        yield from _doubles("instance", found[uid].get("instance"))


def _sets(word: str, wanted: Mapping[str, Resource], found: Mapping[str, Resource]) -> Iterator[str]:
    yield from (f"missing {word} {uid}" for uid in sorted(wanted.keys() - found.keys()))
    yield from (f"extra {word} {uid}" for uid in sorted(found.keys() - wanted.keys()))


def _doubles(word: str, held: object) -> Iterator[str]:
    counts = Counter(str(one.get("uid")) for one in _list(held))
    yield from (f"doubled {word} {uid}" for uid, count in sorted(counts.items()) if count > 1)


def _by_uid(held: object) -> dict[str, Resource]:
    return {str(one.get("uid")): one for one in _list(held)}


def _list(held: object) -> list[Resource]:
    return [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []


def _reference(held: object) -> object:
    return held.get("reference") if isinstance(held, dict) else None
