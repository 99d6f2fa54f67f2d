"""Give mapped resources the ids that a FHIR server knows them by."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_REFERENCES: Final[Mapping[str, str]] = MappingProxyType({})

# A string of JSON holds no bare quotation mark, so this is a member of an object, never a piece of a text.
_REFERENCE: Final = re.compile(rb'"reference":("(?:[^"\\]|\\.)*")')


def bind(body: bytes, *, fhir_id: str | None = None, references: Mapping[str, str] = NO_REFERENCES) -> bytes:
    """A resource with its id, and with literal references for those that are known. It is not parsed.

    Parameters
    ----------
    body
        Compact JSON with ``resourceType`` first, and without an ``id`` if one is given; no name of a member holds a
        quotation mark.
    references
        ``Type/id`` by what stands in the body.
    """
    literal = {orjson.dumps(key): orjson.dumps(reference) for key, reference in references.items()}
    if literal:
        body = _REFERENCE.sub(lambda match: b'"reference":' + literal.get(match[1], match[1]), body)
    if fhir_id is None:
        return body
    resource_type, comma, rest = body.partition(b",")
    return b"".join([resource_type, b',"id":', orjson.dumps(fhir_id), comma, rest])
