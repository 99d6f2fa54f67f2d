"""Study → ImagingStudy."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from indexer.errors import StudyInvalid
from indexer.mapping import coding
from indexer.mapping.accession import order_accessions, study_accession
from indexer.mapping.identity import imaging_study_id
from indexer.mapping.people import practitioners
from indexer.mapping.procedure import procedures, reasons
from indexer.mapping.rules import Element
from indexer.mapping.series import MappedSeries, map_series
from indexer.mapping.started import study_started
from indexer.mapping.syntax import UID, filled
from indexer.mapping.visit import encounter, location, notes
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.mapping.context import Context
    from indexer.mapping.evidence import Evidence
    from indexer.model import Series, Study


_REFERRER = ("ReferringPhysicianName", "ReferringPhysicianIdentificationSequence")
_READERS = ("NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence")


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
    study: Study, context: Context, *, subject: Mapping[str, Any], endpoint_ids: Sequence[str]
) -> dict[str, Any]:
    """The ImagingStudy of one study.

    Parameters
    ----------
    subject
        The elements that tell whom the study is of.
    """
    uid = study_uid(study)
    encoding, evidence = context.encoding, context.evidence
    series = [map_series(one, context) for one in _distinct(study.series)]
    listed = [one for one in sorted(series, key=lambda one: one.order) if one.element is not None]
    modalities = encoding.study_modalities(sorted({one.modality for one in listed}))
    resource = filled(
        resourceType="ImagingStudy",
        id=imaging_study_id(uid),
        extension=_regions(listed, context),
        identifier=_identifiers(uid, context),
        status="available",
        modality=[encoding.coded(coding.concept(coding.modality(code))) for code in modalities],
        **subject,
        started=study_started(evidence, context.rules) or _earliest_start(listed, context),
        **_context_of_care(context),
        endpoint=[{"reference": f"Endpoint/{one}"} for one in endpoint_ids],
        numberOfSeries=len(series),
        numberOfInstances=sum(one.number_of_instances for one in series),
        description=_description(evidence),
        series=[one.element for one in listed],
    )
    encoding.fit(resource, context.issues)
    return resource


def _context_of_care(context: Context) -> dict[str, Any]:
    """Order, stay, persons, procedure, reason, place and comments, as far as they are wanted."""
    evidence, entries, wants = context.evidence, context.entries, context.wants
    people = partial(practitioners, evidence, entries)
    referrers = people(*_REFERRER) if wants(Element.REFERRER) else []
    readers = people(*_READERS) if wants(Element.INTERPRETER) and context.encoding.has_interpreter else []
    return {
        "basedOn": _orders(context) if wants(Element.BASED_ON) else [],
        "encounter": encounter(evidence) if wants(Element.ENCOUNTER) else None,
        "referrer": referrers[0] if referrers else None,
        "interpreter": readers,
        **context.encoding.procedures(procedures(evidence, entries) if wants(Element.PROCEDURE) else []),
        **context.encoding.reasons(reasons(evidence, entries) if wants(Element.REASON) else []),
        "location": location(evidence) if wants(Element.LOCATION) else None,
        "note": notes(evidence) if wants(Element.NOTE) else [],
    }


def _regions(series: Sequence[MappedSeries], context: Context) -> list[dict[str, Any]]:
    """The regions that a preset wants at the study: those of the series' body sites that its value set holds."""
    preset = context.rules.preset
    url = preset.regions.get(context.rules.release)
    sites = {one.site["code"]: one.site for one in series if one.site and one.site["code"] in preset.region_codes}
    return [{"url": url, "valueCodeableConcept": {"coding": [sites[code]]}} for code in sorted(sites)] if url else []


def _earliest_start(series: Sequence[MappedSeries], context: Context) -> str | None:
    """The earliest day or moment of a series, where the study has none and the rules allow to take it."""
    if not context.wants(Element.STARTED_FALLBACK):
        return None
    starts = [one.element["started"] for one in series if one.element and "started" in one.element]
    return min(starts, default=None)


def _distinct(series: Sequence[Series]) -> list[Series]:
    """Series by UID; what stands under one UID in two places is one series."""
    found: dict[str, Series] = {}
    for one in series:
        uid = clean(one.series_instance_uid)
        other = found.get(uid)
        found[uid] = one if other is None else _united(other, one)
    return list(found.values())


def _united(first: Series, second: Series) -> Series:
    return replace(first, instances=(*first.instances, *second.instances), sampled={**second.sampled, **first.sampled})


def _identifiers(uid: str, context: Context) -> list[dict[str, Any]]:
    found = [
        {
            "use": "official",
            "type": coding.STUDY_INSTANCE_UID,
            "system": "urn:dicom:uid",
            "value": f"urn:oid:{uid}",
        }
    ]
    accession = study_accession(context.evidence, context.rules)
    if accession and context.encoding.has_accession_identifier:
        found.append({"use": "usual", **accession})
    study_id = context.evidence.text("StudyID") if context.wants(Element.STUDY_ID) else None
    if study_id:
        found.append({"use": "secondary", "value": study_id})
    return found


def _orders(context: Context) -> list[dict[str, Any]]:
    accessions = order_accessions(context.evidence, context.rules)
    return [{"type": "ServiceRequest", "identifier": one} for one in accessions]


def _description(evidence: Evidence) -> str | None:
    stated = evidence.text("StudyDescription")
    if stated:
        return stated
    meanings = (code.text("CodeMeaning") for code in evidence.items("ProcedureCodeSequence"))
    return next((text for text in meanings if text), None)
