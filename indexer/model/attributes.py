"""A DICOM dataset as the DICOM JSON Model has it, read by keyword.

Source: PS3.18 2024e, Annex F "DICOM JSON Model"; keywords and tags: PS3.6 2024e, chapter 6.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSPLIT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations of texts: where the dictionary allows one value, a backslash is a part of it."""

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


@functools.cache
def is_one_text(keyword: str) -> bool:
    """Whether an attribute is a text with a value multiplicity of 1 (PS3.6 2024e, chapter 6)."""
    from pydicom.datadict import dictionary_VM, dictionary_VR

    tag = int(tag_of(keyword), 16)
    return dictionary_VR(tag) in _UNSPLIT and dictionary_VM(tag) == "1"


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
        """Values as the JSON has them, nulls too."""
        element = self.json.get(tag_of(keyword))
        if element is None:
            return []
        values = element.get("Value") if isinstance(element, dict) else None
        return values if isinstance(values, list) else []

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Every value that is text or a number, cleaned; empty ones left out."""
        values = self.values(keyword)
        return tuple(text for text in map(_text, values) if text) if values else ()

    def identifying(self, keyword: str) -> str:
        """A text that identifies somebody, as it stands, without the padding at its ends; empty if there is none.

        Source: PS3.5 2024e, section 6.2: text is padded with spaces, in some implementations with NUL.
        """
        texts = (str(value) if isinstance(value, str | int) else "" for value in self.values(keyword))
        return "\\".join(texts).strip(" \0")

    def text(self, keyword: str) -> str | None:
        """First value as text, or None; of an attribute that can have only one text, the whole text."""
        values = self.values(keyword)
        if len(values) < 2:
            return _text(values[0]) or None if values else None
        texts = [_text(value) for value in values]
        if any(texts) and is_one_text(keyword):
            return "\\".join(texts)
        return next(filter(None, texts), None)

    def items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of a sequence."""
        values = self.values(keyword)
        return tuple(Attributes(value) for value in values if isinstance(value, dict)) if values else ()

    def item(self, keyword: str) -> Attributes:
        """First item of a sequence; an empty one where there is none."""
        return next(iter(self.items(keyword)), NOTHING)

    def person_names(self, keyword: str) -> tuple[PersonName, ...]:
        """Every value of a PN attribute; Orthanc's database writes one string, DICOMweb an object."""
        names = tuple(name for name in map(_person_name, self.values(keyword)) if name)
        return (_joined(names),) if len(names) > 1 and is_one_text(keyword) else names

    @property
    def undecoded(self) -> Mapping[str, str]:
        """Why attributes could not be read, by tag: ``charset_unknown``, ``malformed`` or ``too_deep``.

        A sequence has the cause of the first attribute in it that could not.
        """
        causes = {tag: _cause(element) for tag, element in self.json.items() if isinstance(element, dict)}
        return {tag: cause for tag, cause in causes.items() if cause}

    def undecoded_cause(self, keyword: str) -> str | None:
        """Why this attribute could not be read; None if it could."""
        element = self.json.get(tag_of(keyword))
        return _cause(element) if isinstance(element, dict) else None


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


def _joined(names: tuple[PersonName, ...]) -> PersonName:
    """A name with a backslash in it, which was taken for several."""
    groups = zip(*((name.alphabetic, name.ideographic, name.phonetic) for name in names), strict=True)
    return PersonName(*("\\".join(filter(None, group)) for group in groups))


def _cause(element: Mapping[str, Any]) -> str | None:
    if "undecoded" in element:
        return str(element.get("cause", "charset_unknown"))
    items = element.get("Value") if element.get("vr") == "SQ" else None
    causes = (Attributes(item).undecoded for item in items or () if isinstance(item, dict))
    return next((cause for by_tag in causes for cause in by_tag.values()), None)


NOTHING = Attributes({})
