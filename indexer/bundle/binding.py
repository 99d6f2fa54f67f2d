"""Give mapped resources the ids that a FHIR server knows them by."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NO_REFERENCES: Final[Mapping[str, str]] = MappingProxyType({})

# A string of JSON holds no bare quotation mark, so this is a member of an object, never a piece of a text.
_REFERENCE: Final = re.compile(rb'"reference":("(?:[^"\\]|\\.)*")')


def bind(body: bytes, *, fhir_id: str | None = None, references: Mapping[str, str] = NO_REFERENCES) -> bytes:
    """A resource with its id, and with literal references for those that are known."""
    return b"".join(bound(body, fhir_id=fhir_id, references=references)) if fhir_id or references else body


def bound(
    body: bytes, *, fhir_id: str | None = None, references: Mapping[str, str] = NO_REFERENCES
) -> Iterator[bytes | memoryview]:
    """The same in pieces: the body is neither parsed nor copied.

    Parameters
    ----------
    body
        Compact JSON with ``resourceType`` first, and without an ``id`` if one is given; no name of a member holds a
        quotation mark.
    references
        ``Type/id`` by what stands in the body.
    """
    view, at = memoryview(body), 0
    if fhir_id is not None:
        at = body.index(b",")
        yield from (view[:at], b',"id":', orjson.dumps(fhir_id))
    for match in _REFERENCE.finditer(body) if references else ():
        # A body has few references, a Bundle many: each is looked up, so that none is prepared for every body.
        literal = references.get(orjson.loads(match[1]))
        if literal is not None:
            yield from (view[at : match.start(1)], orjson.dumps(literal))
            at = match.end(1)
    yield view[at:]
