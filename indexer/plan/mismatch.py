"""Whether two Patients of one patient number seem to be different people."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import orjson

from indexer import mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
"""Katakana → hiragana: systems write the same reading in one or the other."""

_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe"})
"""Letters that Unicode does not decompose."""

_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
"""Letters that systems without them write as two."""


def is_mismatch(archive: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Whether the birth dates differ, and so do the family names or the sexes; what one side lacks does not differ.

    Parameters
    ----------
    archive
        The Patient as it is mapped from the archive.
    present
        The Patient on the FHIR server.
    """
    return _birth_dates_differ(archive, present) and (
        _family_names_differ(archive, present) or _genders_differ(archive, present)
    )


def demographics_digest(patient: Mapping[str, Any]) -> str:
    """SHA-256 of what the comparison is about, 64 hexadecimal digits."""
    compared = {name: patient[name] for name in ("name", "gender", "birthDate") if name in patient}
    return mapping.fingerprint(orjson.dumps(compared))


def _birth_dates_differ(archive: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """A date may lack its day and month (FHIR R4, 2.24.0.1 "date"); it then equals every date that begins with it."""
    first, second = (str(patient.get("birthDate") or "") for patient in (archive, present))
    return not (first.startswith(second) or second.startswith(first))


def _genders_differ(archive: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    genders = {patient.get("gender") for patient in (archive, present)} - {None, "unknown"}
    return len(genders) > 1


def _family_names_differ(archive: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Every spelling of one side is compared with every spelling of the other, in any script, and of former names."""
    first, second = _family_names(archive), _family_names(present)
    return bool(first) and bool(second) and first.isdisjoint(second)


def _family_names(patient: Mapping[str, Any]) -> set[str]:
    names = [name.get("family") for name in patient.get("name") or () if isinstance(name, dict)]
    folded = {spelling for name in names if isinstance(name, str) for spelling in _spellings(name)}
    return folded - {""}


def _spellings(name: str) -> set[str]:
    """The name without case, accents, marks and blanks; with umlauts as one letter, and as two."""
    lower = unicodedata.normalize("NFC", name).casefold()
    return {_folded(lower.translate(_PLAIN)), _folded(lower.translate(_SPELT_OUT).translate(_PLAIN))}


def _folded(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold().translate(_HIRAGANA)
    return "".join(character for character in decomposed if character.isalnum())
