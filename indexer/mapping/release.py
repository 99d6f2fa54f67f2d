"""Where the FHIR releases differ: one `ReleaseEncoding` for each, so that no other module asks for the release.

The mapping makes every coded value a CodeableConcept; an encoding puts it into the form of its release.
Sources: ImagingStudy, Endpoint and Patient of FHIR R4 (4.0.1), R4B (4.3.0), R5 (5.0.0) and R6 (6.0.0-ballot5).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from indexer.mapping import coding
from indexer.mapping.issues import Cause
from indexer.mapping.rules import Release
from indexer.mapping.syntax import OID, filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.mapping.issues import Issues
    from indexer.mapping.syntax import Json

_DATE_LENGTH = len("2024-01-02")


class ReleaseEncoding:
    """How R4 and R4B write what the mapping found; a later release overrides what it writes in another way.

    Attributes
    ----------
    has_accession_identifier
        Whether the accession number is an identifier of the study, beside its place in ``basedOn``.
    has_interpreter
        Whether the study names its readers.
    has_frames
        Whether instances bear ``numberOfFrames``.
    """

    has_accession_identifier = True
    has_interpreter = True
    has_frames = False

    def coded(self, concept: Json) -> Json:
        """A concept as the release wants it for a modality."""
        codings: list[Json] = concept.get("coding") or [{"display": concept["text"]}]
        return codings[0]

    def study_modalities(self, modalities: Sequence[str]) -> Sequence[str]:
        """Which of the series' modalities stand at the study."""
        return [code for code in modalities if coding.is_acquisition(code)] or modalities

    def procedures(self, concepts: list[Json]) -> Json:
        """The element of the study that holds its procedures."""
        return {"procedureCode": concepts}

    def reasons(self, concepts: list[Json]) -> Json:
        """The element of the study that holds its reasons."""
        return {"reasonCode": concepts}

    def anatomy(self, site: Json | None, side: Json | None) -> Json:
        """The elements of a series that hold its body site and its side."""
        return {"bodySite": site and self.coded(site), "laterality": side and self.coded(side)}

    def sop_class(self, sop_class_uid: str, name: str | None) -> Any:
        """``instance.sopClass`` of a SOP Class UID and the class' name; None if the release cannot write it."""
        return coding.coding(coding.URI_SYSTEM, f"urn:oid:{sop_class_uid}", name)

    def connection(self, connection_type: Json, payload_type: Json, mime_type: str) -> Json:
        """The elements of an Endpoint for what it offers."""
        codings = self.coded(connection_type)
        return {"connectionType": codings, "payloadType": [payload_type], "payloadMimeType": [mime_type]}

    def fit(self, study: Json, issues: Issues) -> None:
        """Make a finished study obey the release's invariants."""

    def invariants(self, study: Mapping[str, Any]) -> Iterable[str]:
        """Invariants of this release alone that a study breaks."""
        del study
        return ()


class _R5(ReleaseEncoding):
    has_accession_identifier = False
    has_interpreter = False

    def coded(self, concept: Json) -> Json:
        return concept

    def study_modalities(self, modalities: Sequence[str]) -> Sequence[str]:
        return modalities

    def procedures(self, concepts: list[Json]) -> Json:
        return {"procedure": [{"concept": concept} for concept in concepts]}

    def reasons(self, concepts: list[Json]) -> Json:
        return {"reason": [{"concept": concept} for concept in concepts]}

    def anatomy(self, site: Json | None, side: Json | None) -> Json:
        return {"bodySite": site and {"concept": site}, "laterality": side}

    def connection(self, connection_type: Json, payload_type: Json, mime_type: str) -> Json:
        return {"connectionType": [connection_type], "payload": [{"type": [payload_type], "mimeType": [mime_type]}]}


class _R6(_R5):
    """The ballot, with its invariants ist-3 to ist-8 (ist-1 and ist-2 hold in every release).

    A count that R6 would compare with a list that is not whole is left out, never lowered; a series' start that is not
    plainly after the study's is left out, never moved.
    """

    # The page of the build (6.0.0, Notes) encodes it in identifier; R5 left it to basedOn.
    has_accession_identifier = True
    has_frames = True

    def procedures(self, concepts: list[Json]) -> Json:
        """R6 refers to Procedure resources alone; a description stands for the one that nobody wrote."""
        texts = dict.fromkeys(concept.get("text") for concept in concepts)
        return {"procedure": [{"type": "Procedure", "display": text} for text in texts if text]}

    def anatomy(self, site: Json | None, side: Json | None) -> Json:
        """R6 has no laterality: the side stands in the text of the body site, which keeps its code."""
        if site is None:
            return {}
        texts = (site.get("text"), side and side["coding"][0]["display"])
        return {"bodySite": [{"concept": filled(**site | {"text": ", ".join(text for text in texts if text)})}]}

    def sop_class(self, sop_class_uid: str, name: str | None) -> str | None:
        """None for a UID with leading zeros, which FHIR's ``oid`` forbids."""
        del name
        return f"urn:oid:{sop_class_uid}" if OID.fullmatch(sop_class_uid) else None

    def fit(self, study: Json, issues: Issues) -> None:
        series = study.get("series", [])
        if study.get("numberOfSeries") != len(series) and series:
            _leave_out(study, "numberOfSeries", "NumberOfStudyRelatedSeries", Cause.NOT_LISTED, issues)
        for element in series:
            listed = len(element.get("instance", []))
            if listed and listed != element["numberOfInstances"]:
                _leave_out(element, "numberOfInstances", "NumberOfSeriesRelatedInstances", Cause.NOT_LISTED, issues)
            if "started" in element and not _is_ordered(study.get("started"), element["started"]):
                _leave_out(element, "started", "SeriesDate", Cause.BEFORE_STUDY, issues)
        if series and study["numberOfInstances"] != sum(len(element.get("instance", [])) for element in series):
            _leave_out(study, "numberOfInstances", "NumberOfStudyRelatedInstances", Cause.NOT_LISTED, issues)

    def invariants(self, study: Mapping[str, Any]) -> Iterator[str]:
        series = study.get("series", [])
        listed = sum(len(element.get("instance", [])) for element in series)
        if series and study.get("numberOfSeries", len(series)) != len(series):
            yield "ImagingStudy: ist-3"
        if series and study.get("numberOfInstances", listed) != listed:
            yield "ImagingStudy: ist-4"
        counts = [element["numberOfInstances"] for element in series if "numberOfInstances" in element]
        if counts and study.get("numberOfInstances", sum(counts)) != sum(counts):
            yield "ImagingStudy: ist-5"
        counted = (element for element in series if "instance" in element and "numberOfInstances" in element)
        if any(len(element["instance"]) != element["numberOfInstances"] for element in counted):
            yield "ImagingStudy: ist-6"
        of_series = {key for element in series for key in _keys(element["modality"])}
        if "modality" in study and {key for concept in study["modality"] for key in _keys(concept)} != of_series:
            yield "ImagingStudy: ist-7"
        if any(
            "started" in element and not _is_ordered(study.get("started"), element["started"]) for element in series
        ):
            yield "ImagingStudy: ist-8"


def _keys(concept: Mapping[str, Any]) -> set[tuple[str | None, str | None]]:
    return {(coded.get("system"), coded.get("code")) for coded in concept.get("coding", [])}


def _leave_out(place: Json, name: str, keyword: str, cause: Cause, issues: Issues) -> None:
    del place[name]
    issues.add(keyword, cause)


def _is_ordered(study: str | None, series: str) -> bool:
    """Whether FHIRPath says that a series started with or after its study; it cannot say so of a day and a moment."""
    if study is None:
        return True
    if len(study) != len(series):
        return False
    is_day = len(study) == _DATE_LENGTH
    return study <= series if is_day else datetime.fromisoformat(study) <= datetime.fromisoformat(series)


_R4 = ReleaseEncoding()
ENCODINGS: Mapping[Release, ReleaseEncoding] = {Release.R4: _R4, Release.R4B: _R4, Release.R5: _R5(), Release.R6: _R6()}
