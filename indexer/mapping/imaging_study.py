"""Study → ImagingStudy, and what is left of it once no archive holds the study."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from indexer.errors import StudyInvalid
from indexer.mapping import coding
from indexer.mapping.dates import study_started
from indexer.mapping.order import accessions, encounter, location, notes, orders, procedures, reasons
from indexer.mapping.people import interpreters, referrer
from indexer.mapping.rules import Element
from indexer.mapping.syntax import MAX_UNSIGNED, UID, filled
from indexer.model import ResourceKey
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.mapping.context import Context
    from indexer.mapping.series import MappedSeries
    from indexer.mapping.syntax import Json
    from indexer.model import Study

_UNRETRIEVABLE = frozenset({"id", "endpoint", "series"})


def study_uid(study: Study) -> str:
    """The study's UID without padding.

    Raises
    ------
    StudyInvalid
        With ``bad_study_uid``.
    """
    uid = clean(study.study_instance_uid)
    if not UID.fullmatch(uid):
        raise StudyInvalid(
            "The StudyInstanceUID is no UID: other characters than digits and dots, or longer than 64.",
            cause="bad_study_uid",
            hint="No DICOM client can ask for such a study. Correct it in the archive.",
        )
    return uid


def map_imaging_study(
    study: Study, context: Context, series: Sequence[MappedSeries], *, subject: Mapping[str, Any]
) -> Json:
    """The ImagingStudy of one study, without an id; it refers to the Endpoint of its source.

    Parameters
    ----------
    subject
        The elements that tell whom the study is of.
    """
    uid = study_uid(study)
    encoding, wanted = context.encoding, context.wanted
    listed = sorted((mapped for mapped in series if mapped.element), key=_number_and_uid)
    numbers = accessions(context)
    modalities = encoding.study_modalities(sorted({mapped.modality for mapped in listed}))
    resource = filled(
        resourceType="ImagingStudy",
        extension=_regions(listed, context),
        identifier=_identifiers(uid, numbers, context),
        status="available",
        modality=[encoding.coded(coding.concept(coding.modality(code))) for code in modalities],
        **subject,
        started=study_started(context) or _earliest_start(listed, context),
        basedOn=wanted(Element.BASED_ON, partial(orders, own=numbers)),
        encounter=wanted(Element.ENCOUNTER, encounter),
        referrer=wanted(Element.REFERRER, referrer),
        interpreter=wanted(Element.INTERPRETER, interpreters) if encoding.has_interpreter else [],
        **encoding.procedures(wanted(Element.PROCEDURE, procedures) or []),
        **encoding.reasons(wanted(Element.REASON, reasons) or []),
        location=wanted(Element.LOCATION, location),
        note=wanted(Element.NOTE, notes),
        endpoint=[{"reference": ResourceKey("Endpoint", study.source).reference}],
        numberOfSeries=len(series),
        numberOfInstances=sum(mapped.number_of_instances for mapped in series),
        description=_description(context),
        series=[mapped.element for mapped in listed],
    )
    encoding.fit(resource, context.issues)
    return resource


def withdrawn(study: Mapping[str, Any], status: str = "entered-in-error") -> Json:
    """The study without what can no longer be retrieved: no Endpoint, no series, counts of 0.

    Source: FHIR R4 (4.0.1) "ImagingStudy", `status`; its value set has ``cancelled`` and ``entered-in-error``.
    """
    kept = {name: value for name, value in study.items() if name not in _UNRETRIEVABLE}
    return {**kept, "status": status, "numberOfSeries": 0, "numberOfInstances": 0}


def _regions(series: Sequence[MappedSeries], context: Context) -> list[Json]:
    """The regions that a preset wants at the study: those of the series' body sites that its value set holds."""
    preset = context.rules.preset
    url = preset.regions.get(context.rules.release)
    sites = {
        site["code"]: site
        for site in (mapped.site for mapped in series)
        if site and site["code"] in preset.region_codes
    }
    return [{"url": url, "valueCodeableConcept": {"coding": [sites[code]]}} for code in sorted(sites)] if url else []


def _number_and_uid(series: MappedSeries) -> tuple[int, str]:
    return series.element.get("number", MAX_UNSIGNED + 1), series.element["uid"]


def _earliest_start(series: Sequence[MappedSeries], context: Context) -> str | None:
    """The earliest day or moment of a series, where the study has none and the rules allow to take it."""
    if not context.wants(Element.STARTED_FALLBACK):
        return None
    return min((mapped.element["started"] for mapped in series if "started" in mapped.element), default=None)


def _identifiers(uid: str, numbers: Sequence[Json], context: Context) -> list[Json]:
    first = {"use": "official", "type": coding.STUDY_INSTANCE_UID, "system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}
    identifiers = [first]
    if context.encoding.has_accession_identifier:
        identifiers += [{"use": "usual", **identifier} for identifier in numbers]
    study_id = context.evidence.text("StudyID") if context.wants(Element.STUDY_ID) else None
    if study_id:
        identifiers.append({"use": "secondary", "value": study_id})
    return identifiers


def _description(context: Context) -> str | None:
    meanings = (code.text("CodeMeaning") for code in context.evidence.items("ProcedureCodeSequence"))
    return context.evidence.text("StudyDescription") or next(filter(None, meanings), None)
