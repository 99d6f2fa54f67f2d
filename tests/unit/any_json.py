"""Answers in which any JSON stands at any place."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)

ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
"""Any JSON."""

DEEP = st.sampled_from([90, 300, 700, 3000]).map(lambda levels: b'[{"Value":' * levels + b"0" + b"}]" * levels)
"""JSON that is nested deeper than a program can follow."""

_MARK = "2c1e-mark"


def spoil(body: bytes, draw: st.DataObject) -> bytes:
    """The same answer with something else at one place."""
    answer = json.loads(body)
    places = list(_places(answer))
    place = places[draw.draw(st.integers(0, 9999)) % len(places)]
    marked = json.dumps(_with(answer, place, _MARK)).encode()
    other = draw.draw(ANY.map(lambda value: json.dumps(value).encode()) | DEEP)
    return marked.replace(json.dumps(_MARK).encode(), other)


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*above, key))


def _with(value: Any, place: tuple[Any, ...], other: object) -> Any:
    if not place:
        return other
    copy = value.copy()
    copy[place[0]] = _with(value[place[0]], place[1:], other)
    return copy
