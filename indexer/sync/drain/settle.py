"""Settle studies by the answers to what was sent for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.model import Deferred, Published, Quarantined, ResourceKey, Settled, literal_references
from indexer.plan import bound_references

if TYPE_CHECKING:
    from collections.abc import Collection

    from indexer.model import Patient, Settlement
    from indexer.plan import MappedStudy, WritePlan
    from indexer.sync.drain.answers import Answer, Answers


_BY_THE_SERVER = frozenset({"invalid", "refused", "unsupported", "denied", "too_large"})
"""Causes that are the server's word alone; it may think otherwise another time."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a plan.

    Attributes
    ----------
    answers
        To every action that was due.
    gone
        Keys of Patients that the server no longer holds.
    now
        Time of publication, epoch seconds.
    chance
        A random number from 0 to 1, for the jitter of retries.
    """

    plan: WritePlan
    answers: Answers
    now: float
    chance: float
    gone: Collection[str] = ()

    def of(self, study: MappedStudy) -> Settlement:
        """How one study ends."""
        answers = {key: self.answers[key] for key in _keys(study) if key in self.answers}
        failure = next((answer for answer in answers.values() if not answer.is_accepted), None)
        written = tuple(key for key, answer in answers.items() if answer.is_accepted)
        patient = None if study.patient_key in self.gone else self._patient(study)
        if failure is None:
            published = self._published(study, answers[study.key]) if study.key in answers else None
            return Settled(task=study.task, published=published, patient=patient, written=written)
        is_patient_written = any(key.type == "Patient" for key in written)
        return replace(self._failed(study, failure), patient=patient if is_patient_written else None, written=written)

    def _patient(self, study: MappedStudy) -> Patient | None:
        """What the ledger knows about the Patient now."""
        if study.patient_key is None:
            return None
        patient = self.plan.patients[study.patient_key]
        answer = self.answers.get(ResourceKey("Patient", study.patient_key))
        if answer is None or not answer.is_accepted:
            return patient
        fhir_id = answer.fhir_id or patient.fhir_id
        return replace(patient, fhir_id=fhir_id, version_id=answer.version_id, is_shared=answer.is_shared)

    def _published(self, study: MappedStudy, answer: Answer) -> Published:
        action = self.plan.actions[study.key]
        return Published(
            study_instance_uid=study.key.key,
            fhir_id=answer.fhir_id or "",
            version_id=answer.version_id,
            fingerprint=action.fingerprint,
            mapping_generation=study.mapping_generation,
            last_update=study.last_update,
            number_of_series=study.number_of_series,
            number_of_instances=study.number_of_instances,
            patient_key=study.patient_key,
            published_at=self.now,
            is_shared=answer.is_shared,
            references=bound_references(study, self._references),
            patient_mismatch=study.patient_mismatch,
        )

    @cached_property
    def _references(self) -> dict[str, str]:
        """References as they were sent, with the ids that the server assigned."""
        given = ((key, answer.fhir_id) for key, answer in self.answers.items())
        return {**self.plan.references, **literal_references(given)}

    def _failed(self, study: MappedStudy, answer: Answer) -> Quarantined | Deferred:
        if study.patient_key in self.gone:
            deferred = _deferred(study, replace(answer, cause="patient_gone"), self.chance)
            return deferred if study.task.attempts else replace(deferred, due_in_s=0.0)
        return _refused(study, answer) if answer.is_final else _deferred(study, answer, self.chance)


def _keys(study: MappedStudy) -> list[ResourceKey]:
    """Keys of the resources of a study, the Patient first."""
    patients = [] if study.patient_key is None else [ResourceKey("Patient", study.patient_key)]
    return [*patients, study.key]


def _refused(study: MappedStudy, answer: Answer) -> Quarantined:
    hint = "See the FHIR server's answer above. It is tried again, ever more rarely; at once with 'quarantine replay'."
    return Quarantined(
        task=study.task,
        cause=answer.cause,
        text=answer.text,
        hint=answer.hint or hint,
        is_retried=answer.cause in _BY_THE_SERVER,
    )


def _deferred(study: MappedStudy, answer: Answer, chance: float) -> Deferred:
    delay_s = answer.retry_after_s
    if delay_s is None:
        delay_s = schedule.backoff_s(study.task.attempts, chance)
    return Deferred(task=study.task, due_in_s=delay_s, cause=answer.cause, counts=True)
