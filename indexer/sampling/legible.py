"""Elements of the DICOM JSON Model that can be read; the others are marked, and neither used nor taken for absent.

Source: PS3.18 2024e, section F.2.3 "DICOM JSON Value Representation"; value representations: PS3.6 2024e, chapter 6.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = Literal["charset_unknown", "malformed", "too_deep"]

MAX_LEVELS: Final = 16
"""Datasets within datasets that are read; what is mapped stands in the third at most."""

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_TEXTS: Final = frozenset({"AE", "AS", "AT", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
_NUMBERS: Final = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})


def marked(vr: str, cause: Cause) -> dict[str, Any]:
    """The element that stands for one that cannot be read."""
    return {"vr": vr, "undecoded": True, "cause": cause}


def legible(tag: str, element: Mapping[str, Any], levels: int = MAX_LEVELS) -> Mapping[str, Any]:
    """The element, or a mark if its values are not what its VR has; in a sequence, that of each item.

    Parameters
    ----------
    levels
        Datasets that may stand within each other here.
    """
    stated = element.get("vr")
    vr = vr_of(tag) or (stated if isinstance(stated, str) else "UN")
    values = element.get("Value", [])
    if "undecoded" in element or values == []:
        return {**element, "vr": vr}
    if not isinstance(values, list) or not all(value is None or _is_of(vr, value) for value in values):
        return marked(vr, "malformed")
    if vr != "SQ":
        return element if stated == vr else {**element, "vr": vr}
    if levels <= 1:
        return marked(vr, "too_deep")
    return {"vr": vr, "Value": [_item(item or {}, levels - 1) for item in values]}


@functools.lru_cache(maxsize=4096)
def vr_of(tag: str) -> str | None:
    """The VR of the DICOM dictionary, the first where it names several; None for a tag that it does not have."""
    from pydicom.datadict import dictionary_VR  # slow to import, and only reading studies asks for it

    try:
        return dictionary_VR(int(tag, 16)).split(" ", maxsplit=1)[0] if _TAG.fullmatch(tag) else None
    except KeyError:
        return None


def _item(item: Mapping[str, Any], levels: int) -> dict[str, Any]:
    return {
        tag: legible(tag, element, levels) if isinstance(element, dict) else marked(vr_of(tag) or "UN", "malformed")
        for tag, element in item.items()
    }


def _is_of(vr: str, value: object) -> bool:
    if vr == "SQ":
        return isinstance(value, dict)
    if vr == "PN":
        return isinstance(value, str) or _is_name(value)
    if vr in _NUMBERS:
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return isinstance(value, str) or (vr not in _TEXTS and isinstance(value, int | float))


def _is_name(value: object) -> bool:
    return isinstance(value, dict) and all(group is None or isinstance(group, str) for group in value.values())
