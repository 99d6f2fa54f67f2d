"""Where the FHIR releases differ: one `ReleaseEncoding` for each, so that no other module asks for the release.

The mapping makes every coded value a CodeableConcept; a encoding puts it into the form of its release.
Sources: ImagingStudy, Endpoint and Patient of FHIR R4 (4.0.1), R4B (4.3.0), R5 (5.0.0) and R6 (6.0.0-ballot5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from indexer.mapping import coding, r6
from indexer.mapping.rules import Release
from indexer.mapping.syntax import OID, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indexer.mapping.issues import Issues

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEncoding:
    """How one release writes what the mapping found.

    Attributes
    ----------
    coded
        A concept as the release wants it for a modality.
    study_modalities
        Which of the series' modalities stand at the study.
    has_accession_identifier
        Whether the accession number is an identifier of the study, beside its place in ``basedOn``.
    has_interpreter
        Whether the study names its readers.
    procedures, reasons
        The elements of the study that hold these concepts.
    anatomy
        The elements of a series that hold its body site and its side.
    sop_class
        ``series.instance.sopClass`` of a SOP Class UID and the class' name; None if the release cannot write it.
    has_frames
        Whether instances bear ``numberOfFrames``.
    connection
        The elements of an Endpoint for a connection type, a payload type and a MIME type.
    fit
        Makes a finished study obey the release's invariants.
    invariants
        Invariants of this release alone that a study breaks.
    """

    coded: Callable[[Json], Json]
    study_modalities: Callable[[Sequence[str]], Sequence[str]]
    has_accession_identifier: bool
    has_interpreter: bool
    procedures: Callable[[list[Json]], Json]
    reasons: Callable[[list[Json]], Json]
    anatomy: Callable[[Json | None, Json | None], Json]
    sop_class: Callable[[str, str | None], Any]
    has_frames: bool
    connection: Callable[[Json, Json, str], Json]
    fit: Callable[[Json, Issues], None]
    invariants: Callable[[Mapping[str, Any]], Iterable[str]]


def _first_coding(concept: Json) -> Json:
    codings = concept.get("coding") or [{"display": concept["text"]}]
    first: Json = codings[0]
    return first


def _whole_concept(concept: Json) -> Json:
    return concept


def _acquisition_only(modalities: Sequence[str]) -> Sequence[str]:
    return [code for code in modalities if coding.is_acquisition(code)] or modalities


def _every(modalities: Sequence[str]) -> Sequence[str]:
    return modalities


def _procedure_codes(concepts: list[Json]) -> Json:
    return {"procedureCode": concepts}


def _procedure_concepts(concepts: list[Json]) -> Json:
    return {"procedure": [{"concept": one} for one in concepts]}


def _procedure_references(concepts: list[Json]) -> Json:
    """R6 refers to Procedure resources alone; a description stands for the one that nobody wrote."""
    texts = dict.fromkeys(one.get("text") for one in concepts)
    return {"procedure": [{"type": "Procedure", "display": text} for text in texts if text]}


def _reason_codes(concepts: list[Json]) -> Json:
    return {"reasonCode": concepts}


def _reason_concepts(concepts: list[Json]) -> Json:
    return {"reason": [{"concept": one} for one in concepts]}


def _anatomy_codings(site: Json | None, side: Json | None) -> Json:
    return {"bodySite": site and _first_coding(site), "laterality": side and _first_coding(side)}


def _anatomy_concepts(site: Json | None, side: Json | None) -> Json:
    return {"bodySite": site and {"concept": site}, "laterality": side}


def _anatomy_with_side(site: Json | None, side: Json | None) -> Json:
    """R6 has no laterality: the side stands in the text of the body site, which keeps its code."""
    if site is None:
        return {}
    texts = (site.get("text"), side and side["coding"][0]["display"])
    return {"bodySite": [{"concept": filled(**site | {"text": ", ".join(text for text in texts if text)})}]}


def _sop_class_coding(sop_class_uid: str, name: str | None) -> Json:
    return coding.coding(coding.URI_SYSTEM, f"urn:oid:{sop_class_uid}", name)


def _sop_class_oid(sop_class_uid: str, _name: str | None) -> str | None:
    """None for a UID with leading zeros, which FHIR's ``oid`` forbids."""
    return f"urn:oid:{sop_class_uid}" if OID.fullmatch(sop_class_uid) else None


def _flat_payload(connection: Json, payload: Json, mime_type: str) -> Json:
    return {"connectionType": _first_coding(connection), "payloadType": [payload], "payloadMimeType": [mime_type]}


def _nested_payload(connection: Json, payload: Json, mime_type: str) -> Json:
    return {"connectionType": [connection], "payload": [{"type": [payload], "mimeType": [mime_type]}]}


def _as_it_is(_study: Json, _issues: Issues) -> None:
    pass


def _no_further(_study: Mapping[str, Any]) -> Iterable[str]:
    return ()


_R4 = ReleaseEncoding(
    coded=_first_coding,
    study_modalities=_acquisition_only,
    has_accession_identifier=True,
    has_interpreter=True,
    procedures=_procedure_codes,
    reasons=_reason_codes,
    anatomy=_anatomy_codings,
    sop_class=_sop_class_coding,
    has_frames=False,
    connection=_flat_payload,
    fit=_as_it_is,
    invariants=_no_further,
)
_R5 = ReleaseEncoding(
    coded=_whole_concept,
    study_modalities=_every,
    has_accession_identifier=False,
    has_interpreter=False,
    procedures=_procedure_concepts,
    reasons=_reason_concepts,
    anatomy=_anatomy_concepts,
    sop_class=_sop_class_coding,
    has_frames=False,
    connection=_nested_payload,
    fit=_as_it_is,
    invariants=_no_further,
)
_R6 = replace(
    _R5,
    # The page of the build (6.0.0, Notes) encodes it in identifier; R5 left it to basedOn.
    has_accession_identifier=True,
    procedures=_procedure_references,
    anatomy=_anatomy_with_side,
    sop_class=_sop_class_oid,
    has_frames=True,
    fit=r6.fit,
    invariants=r6.invariants,
)

ENCODINGS: Mapping[Release, ReleaseEncoding] = {Release.R4: _R4, Release.R4B: _R4, Release.R5: _R5, Release.R6: _R6}
