"""A DICOM dataset as the DICOM JSON Model has it, read by keyword.

Source: PS3.18 2024e, Annex F "DICOM JSON Model"; keywords and tags: PS3.6 2024e, chapter 6.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MAX_INTEGER = 10**18
"""Larger numbers stand in no DICOM attribute, and writing them out may be forbidden or slow."""


@functools.cache
def tag_of(keyword: str) -> str:
    """Tag of a keyword as the DICOM JSON Model writes it, eight hexadecimal digits.

    Raises
    ------
    KeyError
        If the DICOM dictionary has no such keyword.
    """
    from pydicom.datadict import tag_for_keyword  # here, because it takes longer than `status` as a whole

    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def clean(text: str) -> str:
    """Text without padding and without the control characters that FHIR forbids in a string."""
    is_plain = text.isascii() and text.isprintable()
    return (text if is_plain else _NOT_TEXT.sub("", text)).strip()


@dataclass(frozen=True, slots=True)
class PersonName:
    """The component groups of a PN value, as received, carets and all (PS3.5 2024e, section 6.2)."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of one dataset or of one sequence item.

    Unreadable content never raises: a value of a wrong encoding is as good as absent.
    """

    json: Mapping[str, Any]

    def values(self, keyword: str) -> list[Any]:
        """Values as the JSON has them, without nulls."""
        element = self.json.get(tag_of(keyword))
        values = element.get("Value") if isinstance(element, dict) else None
        return [value for value in values if value is not None] if isinstance(values, list) else []

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Every value that is text or a number, cleaned; empty ones left out."""
        return tuple(text for text in map(_text, self.values(keyword)) if text)

    def stated(self, keyword: str) -> tuple[str, ...]:
        """Every value of an identifying text as it stands, without the padding at its ends; empty ones left out.

        Source: PS3.5 2024e, section 6.2: text is padded with spaces, in some implementations with NUL.
        """
        stated = (str(value).strip(" \0") for value in self.values(keyword) if isinstance(value, str | int))
        return tuple(text for text in stated if text)

    def text(self, keyword: str) -> str | None:
        """First value as text, or None."""
        for value in self.values(keyword):
            if text := _text(value):
                return text
        return None

    def items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of a sequence."""
        return tuple(Attributes(value) for value in self.values(keyword) if isinstance(value, dict))

    def item(self, keyword: str) -> Attributes:
        """First item of a sequence; an empty one where there is none."""
        return next(iter(self.items(keyword)), NOTHING)

    def person_names(self, keyword: str) -> tuple[PersonName, ...]:
        """Every value of a PN attribute; Orthanc's database writes one string, DICOMweb an object."""
        return tuple(name for name in map(_person_name, self.values(keyword)) if name)


def _text(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value) if -_MAX_INTEGER < value < _MAX_INTEGER else ""


def _person_name(value: object) -> PersonName | None:
    if isinstance(value, str):
        groups = [clean(group) for group in value.split("=")][:3]
    elif isinstance(value, dict):
        groups = [_text(value.get(group)) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    else:
        return None
    return PersonName(*groups) if any(groups) else None


NOTHING = Attributes({})
