"""Syntax of the values that pass from DICOM to FHIR unchanged: UIDs, numbers, URIs; and JSON without empty values."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]
"""A resource or a part of it."""

CODE = re.compile(r"[^\s]+(?: [^\s]+)*")
"""A ``code`` (FHIR R4, 2.24.0.1 "Primitive Types")."""

MAX_UNSIGNED = 2_147_483_647
"""Largest ``unsignedInt`` (FHIR R4, 2.24.0.1 "Primitive Types")."""

UID = re.compile(r"(?!.{65})[0-9]++(?:\.[0-9]++)*+")
"""A UID (PS3.5 2024e, section 9); components with leading zeros, though wrong, are kept as received."""

OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
"""An OID that ``urn:oid:`` may bear (FHIR R4, 2.24.0.1 "Primitive Types", oid)."""

URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")
"""An absolute URI (RFC 3986, section 4.3), loosely."""


def unsigned(text: str) -> int | None:
    """Value of an IS that FHIR can hold, or None; source: PS3.5 2024e, section 6.2, IS."""
    digits = text if text.isdigit() else text.strip().removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        return None
    value = int(digits)
    return value if value <= MAX_UNSIGNED else None


def filled(**elements: Any) -> Json:
    """The elements that have a value: FHIR forbids nulls, empty strings, empty arrays and empty objects."""
    return {name: value for name, value in elements.items() if value or value == 0}
