"""Study → ImagingStudy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from indexer.errors import StudyUnfit
from indexer.mapping import coding
from indexer.mapping.accession import order_accessions, study_accession
from indexer.mapping.identity import imaging_study_id
from indexer.mapping.release import SHAPES
from indexer.mapping.series import MappedSeries, map_series
from indexer.mapping.started import study_started
from indexer.mapping.syntax import UID, filled
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.mapping.evidence import Evidence
    from indexer.mapping.issues import Issues
    from indexer.mapping.rules import Rules
    from indexer.model import Series, Study


def study_uid(study: Study) -> str:
    """The study's UID without padding.

    Raises
    ------
    StudyUnfit
        With ``bad_study_uid``.
    """
    uid = clean(study.study_instance_uid)
    if not UID.fullmatch(uid):
        raise StudyUnfit(
            "The StudyInstanceUID is no UID: other characters than digits and dots, or longer than 64.",
            cause="bad_study_uid",
            hint="No DICOM client can ask for such a study. Correct it in the archive.",
        )
    return uid


def map_imaging_study(
    study: Study, evidence: Evidence, rules: Rules, *, patient_id: str, endpoint_ids: Sequence[str], issues: Issues
) -> dict[str, Any]:
    """The ImagingStudy of one study."""
    uid = study_uid(study)
    shape = SHAPES[rules.release]
    list_instances = rules.instances.are_listed(study.number_of_instances)
    series = [map_series(one, rules, list_instances=list_instances, issues=issues) for one in _distinct(study.series)]
    modalities = shape.modalities(sorted({one.modality for one in series}))
    return filled(
        resourceType="ImagingStudy",
        id=imaging_study_id(uid),
        identifier=_identifiers(uid, evidence, rules),
        status="available",
        modality=[shape.coded(coding.concept(coding.modality(code))) for code in modalities],
        subject={"reference": f"Patient/{patient_id}"},
        started=study_started(evidence, rules),
        basedOn=_orders(evidence, rules),
        endpoint=[{"reference": f"Endpoint/{one}"} for one in endpoint_ids],
        numberOfSeries=len(series),
        numberOfInstances=sum(one.number_of_instances for one in series),
        description=_description(evidence),
        series=_elements(series),
    )


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


def _identifiers(uid: str, evidence: Evidence, rules: Rules) -> list[dict[str, Any]]:
    own = {
        "use": "official",
        "type": coding.STUDY_INSTANCE_UID,
        "system": "urn:dicom:uid",
        "value": f"urn:oid:{uid}",
    }
    accession = study_accession(evidence, rules)
    return [own, {"use": "usual", **accession}] if accession else [own]


def _orders(evidence: Evidence, rules: Rules) -> list[dict[str, Any]]:
    if not rules.based_on:
        return []
    return [{"type": "ServiceRequest", "identifier": one} for one in order_accessions(evidence, rules)]


def _description(evidence: Evidence) -> str | None:
    stated = evidence.text("StudyDescription")
    if stated:
        return stated
    meanings = (code.text("CodeMeaning") for code in evidence.items("ProcedureCodeSequence"))
    return next((text for text in meanings if text), None)


def _elements(series: Sequence[MappedSeries]) -> list[dict[str, Any]]:
    return [one.element for one in sorted(series, key=lambda one: one.order) if one.element is not None]
