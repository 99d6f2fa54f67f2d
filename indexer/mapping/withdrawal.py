"""What is left of an ImagingStudy once no archive holds its study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNRETRIEVABLE = frozenset({"id", "endpoint", "series"})


def withdrawn(study: Mapping[str, Any], status: str = "entered-in-error") -> dict[str, Any]:
    """The study without what can no longer be retrieved: no Endpoint, no series, counts of 0.

    Source: FHIR R4 (4.0.1) "ImagingStudy", `status`; its value set has ``cancelled`` and ``entered-in-error``.
    """
    kept = {name: value for name, value in study.items() if name not in _UNRETRIEVABLE}
    return {**kept, "status": status, "numberOfSeries": 0, "numberOfInstances": 0}
