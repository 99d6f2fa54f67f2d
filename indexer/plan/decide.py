"""Decide what becomes of each resource. The only place that does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from indexer import mapping
from indexer.model import Lookup, Patient, ResourceKey, literal_references
from indexer.plan.action import Action, Verb, WritePlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import EndpointState, Published
    from indexer.plan.action import Strategy
    from indexer.plan.patients import PatientPolicy
    from indexer.plan.study import MappedStudy, TargetState


def plan_writes(
    studies: Sequence[MappedStudy], state: TargetState, policy: PatientPolicy, strategy: Strategy
) -> WritePlan:
    """What becomes of these studies and their Patients; each resource is planned once."""
    by_patient: dict[str, list[MappedStudy]] = defaultdict(list)
    for study in studies:
        if study.patient is not None:
            by_patient[study.patient.patient_key].append(study)
    planned = [
        _plan_patient(group, state.patients.get(key), policy, strategy) for key, group in sorted(by_patient.items())
    ]
    of_patients = _each_once(planned)
    references = _references(of_patients, state)
    of_studies = [_plan_study(study, state, references, strategy) for study in studies]
    return WritePlan(
        actions={action.key: action for action in (*of_patients, *of_studies)},
        references=references,
        patients={patient.patient_key: patient for _, patient in planned},
    )


def plan_endpoint(key: ResourceKey, body: bytes, known: EndpointState | None, strategy: Strategy) -> WritePlan:
    """What becomes of a source's Endpoint: it is written if it is new or differs from what the server confirmed."""
    (identifier,) = orjson.loads(body)["identifier"]
    fingerprint = mapping.fingerprint(body)
    is_confirmed = known is not None and known.fingerprint == fingerprint
    action = Action(
        verb=Verb.NOTHING if is_confirmed else Verb.UPDATE,
        key=key,
        body=body,
        fingerprint=fingerprint,
        identifier=Lookup("Endpoint", identifier["system"], identifier["value"]),
        fhir_id=known.fhir_id if known else strategy.fhir_id(key),
        version_id=known.version_id if known else None,
        is_shared=known is not None and known.is_shared,
    )
    return WritePlan(actions={key: action})


def plan_withdrawal(published: Published, written: Mapping[str, object]) -> WritePlan:
    """What becomes of a published study that no archive has any more; `written` is the ImagingStudy as last sent."""
    key = ResourceKey("ImagingStudy", published.study_instance_uid)
    body = orjson.dumps(mapping.withdrawn(written))
    action = Action(
        verb=Verb.WITHDRAW,
        key=key,
        body=body,
        fingerprint=mapping.fingerprint(body),
        identifier=study_lookup(published.study_instance_uid),
        fhir_id=published.fhir_id,
        version_id=published.version_id,
        is_shared=published.is_shared,
    )
    return WritePlan(actions={key: action})


def study_lookup(study_instance_uid: str) -> Lookup:
    """The identifier of a study's ImagingStudy."""
    return Lookup("ImagingStudy", "urn:dicom:uid", f"urn:oid:{study_instance_uid}")


def bound_references(study: MappedStudy, references: Mapping[str, str]) -> str:
    """References of a study to its Endpoint and its Patient. The ledger keeps them beside the fingerprint."""
    keys = [ResourceKey("Endpoint", study.source)]
    if study.patient is not None:
        keys.append(ResourceKey("Patient", study.patient.patient_key))
    return " ".join(references.get(key.reference, "") for key in keys)


def _references(patients: Sequence[Action], state: TargetState) -> dict[str, str]:
    endpoints = ((ResourceKey("Endpoint", source), fhir_id) for source, fhir_id in state.endpoints.items())
    return literal_references([*((action.key, action.fhir_id) for action in patients), *endpoints])


def _plan_patient(
    group: Sequence[MappedStudy], known: Patient | None, policy: PatientPolicy, strategy: Strategy
) -> tuple[Action, Patient]:
    """One Patient, and what the ledger knows about it afterwards; the latest study that may be of it decides."""
    stated = [(study.patient, study) for study in group if study.patient is not None]
    agreeing = [pair for pair in stated if not pair[1].patient_mismatch]
    newest, latest = max(agreeing or stated, key=lambda pair: pair[0].basis)
    key = ResourceKey("Patient", newest.patient_key)
    seen = known.names if known else ()
    names = tuple(dict.fromkeys([*seen, *(name for patient, _ in stated for name in patient.names)]))[
        : Patient.MAX_NAMES
    ]
    fhir_id = known.fhir_id if known else strategy.fhir_id(key)
    patient = replace(known or replace(newest, fhir_id=fhir_id or ""), names=names)
    is_due = bool(agreeing) and policy.is_due(known, newest)
    if is_due:
        patient = replace(patient, fingerprint=newest.fingerprint, basis=newest.basis)
    action = Action(
        verb=_verb(is_due=is_due, is_new=known is None and policy.searches(latest.patient_lookup)),
        key=key,
        body=latest.patient_body,
        fingerprint=newest.fingerprint,
        identifier=latest.patient_lookup,
        fhir_id=fhir_id,
        version_id=patient.version_id,
        is_shared=patient.is_shared,
        is_foreign=not patient.is_ours,
        is_abandoned=any(study.task.is_abandoned and not study.task.force for study in group),
        patient_key=key.key,
    )
    return action, patient


def _each_once(planned: Sequence[tuple[Action, Patient]]) -> list[Action]:
    """Two patient numbers may lead to one existing Patient: the latest study decides, and it is written once."""
    by_time = sorted((pair for pair in planned if pair[0].is_due), key=lambda pair: pair[1].basis)
    latest = {action.fhir_id or action.key: action.key for action, _ in by_time}
    return [
        action
        if not action.is_due or latest[action.fhir_id or action.key] == action.key
        else replace(action, verb=Verb.NOTHING)
        for action, _ in planned
    ]


def _plan_study(study: MappedStudy, state: TargetState, references: Mapping[str, str], strategy: Strategy) -> Action:
    task, known = study.task, study.task.published
    # If the server refused to search for the study, it may hold it.
    bearers = state.hits.get(study_lookup(task.study_instance_uid), ())
    fhir_id = known.fhir_id if known else strategy.fhir_id(study.key, _ids(bearers or ()))
    exists = known is not None or bearers is None or (fhir_id is not None and study.key.literal(fhir_id) in bearers)
    literal = {lookup: hits[0] for lookup in study.lookups if len(hits := state.hits.get(lookup) or ()) == 1}
    body = orjson.dumps(mapping.resolved(orjson.loads(study.body), literal)) if literal else study.body
    fingerprint = mapping.fingerprint(body) if literal else study.fingerprint
    stated = (fingerprint, study.mapping_generation, bound_references(study, references))
    is_confirmed = known is not None and stated == (known.fingerprint, known.mapping_generation, known.references)
    return Action(
        verb=_verb(is_due=task.force or not is_confirmed, is_new=not exists),
        key=study.key,
        body=body,
        fingerprint=fingerprint,
        identifier=study_lookup(task.study_instance_uid),
        fhir_id=fhir_id,
        version_id=known.version_id if known else None,
        is_shared=known is not None and known.is_shared,
        is_abandoned=task.is_abandoned and not task.force,
        force=task.force,
        patient_key=study.patient_key,
        patient_body=study.patient_body,
    )


def _verb(*, is_due: bool, is_new: bool) -> Verb:
    if not is_due:
        return Verb.NOTHING
    return Verb.CREATE if is_new else Verb.UPDATE


def _ids(references: Sequence[str]) -> tuple[str, ...]:
    return tuple(reference.partition("/")[2] for reference in references)
