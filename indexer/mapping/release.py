"""Where the FHIR releases differ: one `Shape` for each, so that no other module asks for the release.

The mapping makes every coded value a CodeableConcept; a shape puts it into the form of its release.
Sources: ImagingStudy, Endpoint and Patient of FHIR R4 (4.0.1), R4B (4.3.0), R5 (5.0.0) and R6 (6.0.0-ballot5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.mapping import coding
from indexer.mapping.rules import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one release writes what the mapping found.

    Attributes
    ----------
    coded
        A concept as the release wants it for a coded element.
    modalities
        Which of the series' modalities stand at the study.
    sop_class
        ``series.instance.sopClass`` of a SOP Class UID.
    connection
        ``Endpoint.connectionType``, ``payload…`` of a connection type and of payload types.
    """

    coded: Callable[[dict[str, Any]], dict[str, Any]]
    modalities: Callable[[Sequence[str]], Sequence[str]]
    sop_class: Callable[[str], Any]
    connection: Callable[[dict[str, Any], dict[str, Any], str], dict[str, Any]]


def _first_coding(concept: dict[str, Any]) -> dict[str, Any]:
    codings = concept.get("coding") or [{"display": concept["text"]}]
    first: dict[str, Any] = codings[0]
    return first


def _whole_concept(concept: dict[str, Any]) -> dict[str, Any]:
    return concept


def _acquisition_only(modalities: Sequence[str]) -> Sequence[str]:
    return [code for code in modalities if coding.is_acquisition(code)] or modalities


def _every(modalities: Sequence[str]) -> Sequence[str]:
    return modalities


def _sop_class_coding(sop_class_uid: str) -> dict[str, Any]:
    return coding.coding(coding.URI_SYSTEM, f"urn:oid:{sop_class_uid}", coding.name_of_uid(sop_class_uid))


def _flat_payload(connection: dict[str, Any], payload: dict[str, Any], mime_type: str) -> dict[str, Any]:
    return {
        "connectionType": _first_coding(connection),
        "payloadType": [payload],
        "payloadMimeType": [mime_type],
    }


_R4 = Shape(
    coded=_first_coding,
    modalities=_acquisition_only,
    sop_class=_sop_class_coding,
    connection=_flat_payload,
)

SHAPES: Mapping[Release, Shape] = {Release.R4: _R4, Release.R4B: _R4}
