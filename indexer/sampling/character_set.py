"""SpecificCharacterSet: where an archive's decoding can be trusted, and how bytes are decoded where it cannot.

Sources: PS3.3 2024e, C.12.1.1.2 "Specific Character Set"; PS3.5 2024e, section 6.1.2.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ENCODED: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs of texts in the character set of their dataset (PS3.5, section 6.1.2.2)."""

_ANY_SPELLING: Final = re.compile(r"ISO[-_ ]?IR[-_ ]?(\d+)")
_SPELLINGS: Final = {
    "UTF-8": "ISO_IR 192",
    "UTF8": "ISO_IR 192",
    "UTF_8": "ISO_IR 192",
    "ASCII": "ISO_IR 6",
    "US-ASCII": "ISO_IR 6",
    "LATIN1": "ISO_IR 100",
    "LATIN-1": "ISO_IR 100",
    "ISO-8859-1": "ISO_IR 100",
    "ISO8859-1": "ISO_IR 100",
    "ISO_8859-1": "ISO_IR 100",
}
_UNDEFINED: Final = frozenset({"ISO 2022 58", "ISO 2022 GBK"})
"""Terms that pydicom knows and the standard does not define."""

_ASCII: Final = {"", "ISO_IR 6", "ISO 2022 IR 6"}
_UNREADABLE: Final = re.compile(r"[\x1b\ufffd]")
# PS3.5, 6.1.2.5.3: these end a set that an escape sequence chose.
_DELIMITERS: Final = frozenset(b"\\\r\n\f\t")
_NAME_DELIMITERS: Final = _DELIMITERS | frozenset(b"^=")


def terms_of(text: str) -> tuple[str, ...]:
    """Values of a SpecificCharacterSet, in capitals; Orthanc may show the backslash between them as a yen sign."""
    values = text.upper().replace("\N{YEN SIGN}", "\\").split("\\")
    return tuple(value.strip(" \0") for value in values)


def is_misread(terms: Sequence[str]) -> bool:
    """Whether Orthanc decodes sound texts of this set wrongly.

    Of several sets it uses the first alone unless that is empty; if it does not know the set, it drops what is beyond
    ASCII, without a word.
    """
    return (len(terms) > 1 and bool(terms[0])) or any(term not in _terms() for term in terms)


@functools.cache
def _terms() -> frozenset[str]:
    from pydicom.charset import python_encoding  # slow to import

    return frozenset(python_encoding) - _UNDEFINED


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """Decodes the texts of one dataset.

    Attributes
    ----------
    codecs
        Python's names; the first decodes what follows no escape sequence. Empty if the set is not known.
    """

    codecs: tuple[str, ...]

    @classmethod
    def of(cls, terms: Sequence[str]) -> CharacterSet:
        """The set that these terms name, common misspellings among them; anything else is not guessed."""
        from pydicom.charset import python_encoding  # slow to import

        codecs = []
        for term in map(_defined, terms or ("",)):
            if term not in python_encoding and term not in _ASCII:
                return cls(())
            codecs.append("ascii" if term in _ASCII else python_encoding[term])
        return cls(tuple(codecs))

    def decode(self, value: bytes, *, is_name: bool = False) -> str | None:
        """Text of a value, all its parts; None if it cannot be decoded for certain."""
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        if not self.codecs:
            return None
        try:
            text = self._decoded(value, _NAME_DELIMITERS if is_name else _DELIMITERS)
        except UnicodeError:
            return None
        return None if _UNREADABLE.search(text) else text

    def _decoded(self, value: bytes, delimiters: frozenset[int]) -> str:
        if b"\x1b" not in value:
            return value.decode(self.codecs[0])
        from pydicom.charset import decode_bytes

        # pydicom replaces what it cannot decode, and warns; `decode` notices the replacement. Version 3.0 leaves the
        # escape sequence of GB 2312 in the text.
        return decode_bytes(value, self.codecs, set(delimiters)).replace("\x1b$)A", "")


def _defined(term: str) -> str:
    """The defined term that a term means."""
    match = _ANY_SPELLING.fullmatch(term)
    return f"ISO_IR {match[1]}" if match else _SPELLINGS.get(term, term)
