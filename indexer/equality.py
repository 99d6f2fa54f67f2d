"""Whether two values of FHIR's JSON mean the same, however a server spells them. Pure.

Source: FHIR R4 (4.0.1) and R5 (5.0.0), "Data Types": instant, dateTime, decimal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import orjson

MOMENTS = frozenset({"started", "start", "end", "time", "valueDateTime", "valueInstant", "deceasedDateTime"})
"""Elements of type instant or dateTime in what the program writes."""

SETS = frozenset(
    {"identifier", "basedOn", "partOf", "series", "instance", "modality", "procedure", "procedureCode", "reason"}
    | {"reasonCode", "reasonReference", "interpreter", "performer", "specimen", "coding", "extension"}
    | {"modifierExtension", "contained", "tag", "security"}
)
"""Lists whose order means nothing. That of ``endpoint`` does: readers take the first; so do the parts of a name."""

DEEPEST = 100
"""Nesting that no resource of FHIR reaches."""

_EXACT = 2.0**53
"""Whole numbers below it have a float each."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)")


def is_equal(one: Any, other: Any, name: str = "", depth: int = 0) -> bool:
    """Whether two values of the element of that name mean the same.

    The same moment in another time zone or with zeros after its seconds is equal, as is a decimal by its value and a
    list by its elements where their order means nothing. A date never equals a moment of that day.

    Parameters
    ----------
    depth
        How deeply the values are nested; beyond `DEEPEST` only identical ones are equal.
    """
    if depth > DEEPEST:
        return one is other
    if one == other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_equal(one[key], other[key], key, depth + 1) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        if name in SETS:
            one, other = sorted(one, key=_place), sorted(other, key=_place)
        return len(one) == len(other) and all(is_equal(*pair, name, depth + 1) for pair in zip(one, other, strict=True))
    moment = _moment(one, name)
    return moment is not None and moment == _moment(other, name)


def canonical(value: Any, name: str = "") -> bytes:
    """The same bytes for values that mean the same."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return str(id(value)).encode()  # nested deeper than orjson writes, though it reads it: equal to nothing else
    return orjson.dumps(_normal(value, name), option=orjson.OPT_SORT_KEYS)


def _normal(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _normal(part, key) for key, part in value.items()}
    if isinstance(value, list):
        parts = [_normal(part, name) for part in value]
        return (
            sorted(parts, key=lambda part: orjson.dumps(part, option=orjson.OPT_SORT_KEYS)) if name in SETS else parts
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return _moment(value, name) or value


def _place(element: Any) -> bytes:
    """Sorts a list so that equal elements stand at the same place; series and instances cheaply, by their UIDs."""
    uid = element.get("uid") if isinstance(element, dict) else None
    return uid.encode() if isinstance(uid, str) else canonical(element)


def _moment(value: Any, name: str) -> str | None:
    """A moment in UTC, as precise as it was written; None for whatever is no moment."""
    match = _MOMENT.fullmatch(value) if name in MOMENTS and isinstance(value, str) else None
    if match is None:
        return None
    minute, second, fraction, zone = match.groups()
    try:
        in_utc = datetime.fromisoformat(f"{minute}:{second or '00'}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    seconds = f"{in_utc:%S}.{(fraction or '').rstrip('0')}" if second else ""
    return f"{in_utc.isoformat(timespec='minutes')} {seconds}"
