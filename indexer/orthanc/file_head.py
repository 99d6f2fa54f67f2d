"""The dataset in the head of a DICOM file: everything before its pixel data, as the file has it.

Source: PS3.10 2024e, chapter 7 "DICOM File Format"; PS3.18 2024e, Annex F "DICOM JSON Model".
"""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from indexer.model import Attributes
from indexer.orthanc.answers import split
from indexer.sampling import slim
from indexer.sampling.character_set import ENCODED, CharacterSet, terms_of
from indexer.sampling.legible import MAX_LEVELS, marked, vr_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

_CHARACTER_SET: Final = 0x00080005
_PLAIN: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_LOCK: Final = threading.Lock()
"""`warnings.catch_warnings` is not safe between threads."""

_BROKEN: Final = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError, TypeError,
    ValueError, struct.error, zlib.error,
)  # fmt: skip
"""What pydicom raises on bytes that are no DICOM."""


def parse(head: bytes, tags: Collection[str]) -> Attributes | None:
    """The attributes that are asked for; None if these bytes are no DICOM file.

    A text that cannot be decoded for certain has no ``Value`` but ``undecoded``; other values that do not fit their
    VR stay as they stand.

    Parameters
    ----------
    tags
        Eight hexadecimal digits each.
    """
    from pydicom import dcmread  # slow to import, and few studies need it
    from pydicom.errors import BytesLengthException, InvalidDicomError

    wanted = [int(tag, 16) for tag in tags]
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what it repairs or replaces
        try:
            dataset = dcmread(BytesIO(head), stop_before_pixels=True, specific_tags=wanted)
            elements = _elements(dataset, _character_set(dataset, CharacterSet.of(())))
        except (BytesLengthException, InvalidDicomError, *_BROKEN):
            return None
    # Of a broken file pydicom also returns what was not asked for.
    return Attributes(slim({tag: element for tag, element in elements.items() if tag in tags}))


def _elements(dataset: Dataset, character_set: CharacterSet, levels: int = MAX_LEVELS) -> dict[str, dict[str, Any]]:
    elements = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating over the dataset itself converts each value
        element = _element(dataset, dataset.get_item(tag), character_set, levels)
        if element is not None:
            elements[f"{tag:08X}"] = element
    return elements


def _element(
    dataset: Dataset, raw: RawDataElement | DataElement, character_set: CharacterSet, levels: int
) -> dict[str, Any] | None:
    vr = _vr(raw)
    if vr == "SQ" and levels <= 1:
        return marked(vr, "too_deep")
    if vr == "SQ":
        items = dataset[raw.tag].value or ()
        return {"vr": vr, "Value": [_elements(item, _character_set(item, character_set), levels - 1) for item in items]}
    if vr not in ENCODED and vr not in _PLAIN:
        return None
    if not raw.value:
        return {"vr": vr}
    text = _text(raw, vr, character_set)
    if text is None:
        return marked(vr, "charset_unknown")
    return {"vr": vr, "Value": [value.strip(" \0") or None for value in split(vr, text)]}


def _vr(raw: RawDataElement | DataElement) -> str:
    """The VR that the file states, else that of the dictionary."""
    stated = str(raw.VR or "UN")
    return (vr_of(f"{raw.tag:08X}") or stated) if stated == "UN" else stated


def _text(raw: RawDataElement | DataElement, vr: str, character_set: CharacterSet) -> str | None:
    """All values of an element, with the backslashes between them; None if they cannot be decoded for certain."""
    value: Any = raw.value
    if not isinstance(value, bytes):  # SpecificCharacterSet, which pydicom reads at once
        return "\\".join([value] if isinstance(value, str) else value)
    if vr in ENCODED:
        return character_set.decode(value, is_name=vr == "PN")
    return value.decode("ascii") if value.isascii() else None


def _character_set(dataset: Dataset, outer: CharacterSet) -> CharacterSet:
    """The set of a dataset or an item; an item that names none has that of the dataset around it."""
    if _CHARACTER_SET not in dataset:
        return outer
    return CharacterSet.of(terms_of(_text(dataset.get_item(_CHARACTER_SET), "CS", outer) or ""))
