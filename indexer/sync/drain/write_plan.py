"""Prepared studies on their way to the FHIR server: what goes into the next Bundle, and what its answer settles."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.log import Event
from indexer.model import Deferred, Patient, Quarantined, ResourceKey, Settled
from indexer.sync.drain.patients import Mode
from indexer.sync.drain.read import WAIT_S
from indexer.sync.drain.write import Draft

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from indexer.model import Published, Settlement
    from indexer.sync.drain.patients import PatientPolicy, StatedPatient
    from indexer.sync.drain.prepared import Prepared
    from indexer.sync.drain.send import Answer, Answers

_log = logging.getLogger(__name__)

MANY_NAMES = 3
"""A number that stands for this many names is warned about, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPlan:
    """What becomes of one Patient in one Bundle.

    Attributes
    ----------
    draft
        None if what the server holds stays.
    row
        What the ledger knows once the Bundle is in.
    """

    draft: Draft | None
    row: Patient


def plan_patients(
    prepared: Sequence[Prepared], known: Mapping[str, Patient], policy: PatientPolicy
) -> dict[str, PatientPlan]:
    """One plan per patient: of several studies in a Bundle the latest speaks for the Patient.

    Parameters
    ----------
    known
        What the server holds, by patient key.
    """
    by_key: dict[str, list[Prepared]] = defaultdict(list)
    for one in prepared:
        if one.patient is not None:
            by_key[one.patient.row.patient_key].append(one)
    return {key: _plan(group, known.get(key), policy) for key, group in by_key.items()}


def _plan(group: Sequence[Prepared], known: Patient | None, policy: PatientPolicy) -> PatientPlan:
    stated = [one.patient for one in group if one.patient is not None]
    latest = max(stated, key=lambda one: one.row.basis)
    is_due = policy.is_due(known, latest.row)
    names = _names(known, stated)
    row = replace(known, names=names) if known else replace(latest.row, names=names)
    if not is_due:
        return PatientPlan(draft=None, row=row)
    row = replace(row, fingerprint=latest.row.fingerprint, basis=latest.row.basis)
    is_abandoned = any(one.task.is_abandoned and not one.task.force for one in group)
    draft = Draft(
        key=ResourceKey("Patient", row.patient_key),
        entry=replace(latest.entry, fhir_id=row.fhir_id),
        version_id=row.version_id,
        is_shared=row.is_shared,
        is_new=known is None and policy.mode is not Mode.CREATE,
        is_foreign=not row.is_ours,
        is_abandoned=is_abandoned,
    )
    return PatientPlan(draft=draft, row=row)


def _names(known: Patient | None, stated: Sequence[StatedPatient]) -> tuple[str, ...]:
    seen = known.names if known else ()
    names = tuple(dict.fromkeys([*seen, *(name for one in stated for name in one.row.names)]))[: Patient.MAX_NAMES]
    if len(seen) < MANY_NAMES <= len(names):
        _log.warning(
            "one patient number stands for many names; the name of the latest study is published",
            extra={"event": Event.PATIENT_NAMES_DIFFER, "count": len(names)},
        )
    return names


def drafts_of(
    prepared: Sequence[Prepared], patients: Mapping[str, PatientPlan], there: Collection[str] = ()
) -> list[Draft]:
    """Every resource that has to be written, each identity once.

    Parameters
    ----------
    there
        References of studies that stand in the server although the ledger does not know of it.
    """
    # Two numbers may lead to one Patient of others: the latest study speaks for it.
    by_time = sorted(patients.values(), key=lambda one: one.row.basis)
    of_patients = {one.draft.reference: one.draft for one in by_time if one.draft is not None}
    return [
        *of_patients.values(),
        *(_draft(one, is_new=one.entry.reference not in there) for one in prepared if one.is_changed),
    ]


def _draft(one: Prepared, *, is_new: bool) -> Draft:
    known = one.task.published
    return Draft(
        key=_key(one),
        entry=one.entry,
        version_id=known.version_id if known else None,
        is_shared=known is not None and known.is_shared,
        is_new=known is None and is_new,
        is_abandoned=one.task.is_abandoned and not one.task.force,
        force=one.task.force,
    )


def _key(one: Prepared) -> ResourceKey:
    return ResourceKey("ImagingStudy", one.task.study_instance_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How studies end by the answers to what was sent for them.

    Attributes
    ----------
    gone
        Keys of Patients that the server turned out to hold no longer.
    now
        Epoch seconds, the time of publication.
    chance
        A random number from 0 to 1, for the jitter of retries.
    """

    patients: Mapping[str, PatientPlan]
    answers: Answers
    now: float
    chance: float
    gone: Collection[str] = ()

    def of(self, one: Prepared) -> Settlement:
        """How one study ends."""
        plan_of = self.patients[one.patient.row.patient_key] if one.patient else None
        of_patient = self.answers[plan_of.draft.reference] if plan_of and plan_of.draft else None
        of_study = self.answers[one.entry.reference] if one.is_changed else None
        row = _confirmed(plan_of.row, of_patient) if plan_of and plan_of.row.patient_key not in self.gone else None
        written = _landed(one, of_study, plan_of, of_patient)
        bad = next((answer for answer in (of_patient, of_study) if answer and not answer.is_accepted), None)
        if bad is None:
            published = self._published(one, of_study) if of_study else None
            return Settled(task=one.task, published=published, patient=row, written=written)
        is_patient_in = of_patient is not None and of_patient.is_accepted
        settlement = self._failed(one, bad)
        return replace(settlement, patient=row if is_patient_in else None, written=written)

    def _published(self, one: Prepared, answer: Answer) -> Published:
        return replace(one.published, version_id=answer.version_id, is_shared=answer.is_shared, published_at=self.now)

    def _failed(self, one: Prepared, answer: Answer) -> Quarantined | Deferred:
        if one.patient is not None and one.patient.row.patient_key in self.gone:
            again = _put_off(one, replace(answer, cause="patient_gone"), self.chance)
            return again if one.task.attempts else replace(again, due_in_s=0.0)
        return _refused(one, answer) if answer.is_final else _put_off(one, answer, self.chance)


def _confirmed(row: Patient, answer: Answer | None) -> Patient:
    if answer is None or not answer.is_accepted:
        return row
    return replace(row, version_id=answer.version_id, is_shared=answer.is_shared)


def _landed(
    one: Prepared, of_study: Answer | None, patient: PatientPlan | None, of_patient: Answer | None
) -> tuple[ResourceKey, ...]:
    keys = [_key(one)] if of_study and of_study.is_accepted else []
    if patient and patient.draft and of_patient and of_patient.is_accepted:
        keys.append(patient.draft.key)
    return tuple(keys)


def _refused(one: Prepared, answer: Answer) -> Quarantined:
    hint = "See what the FHIR server says above; when the cause is gone, 'quarantine replay' this study."
    return Quarantined(task=one.task, cause=answer.cause, text=answer.text, hint=answer.hint or hint)


def _put_off(one: Prepared, answer: Answer, chance: float) -> Deferred:
    first_s, most_s = WAIT_S
    delay_s = answer.retry_after_s
    if delay_s is None:
        delay_s = schedule.backoff_s(one.task.attempts, first_s=first_s, most_s=most_s, chance=chance)
    return Deferred(task=one.task, due_in_s=delay_s, cause=answer.cause, counts=True)
