"""Prepared studies on their way to the FHIR server: what goes into the next Bundle, and what its answer settles."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import plan
from indexer.log import Event
from indexer.model import Deferred, Patient, Quarantined, Settled
from indexer.sync.prepare import Prepared, patient_is_due

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.bundle import Entry
    from indexer.model import Settlement
    from indexer.sync.deliver import Answer, Answers

_log = logging.getLogger(__name__)

MANY_NAMES = 3
"""A number that stands for this many names is warned about, once."""

RETRY_S = (30.0, 6 * 3600.0)
"""First and longest delay of an entry that the server put off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPlan:
    """What becomes of one Patient in one Bundle.

    Attributes
    ----------
    entry
        None if what the server holds stays.
    row
        What the ledger knows once the Bundle is in.
    """

    entry: Entry | None
    row: Patient


def plan_patients(prepared: Sequence[Prepared], known: Mapping[str, Patient]) -> dict[str, PatientPlan]:
    """One plan per patient: of several studies in a Bundle the latest speaks for the Patient.

    Parameters
    ----------
    known
        What the server confirmed, by patient key.
    """
    by_key: dict[str, list[Prepared]] = defaultdict(list)
    for one in prepared:
        by_key[one.patient.patient_key].append(one)
    return {key: _plan_patient(group, known.get(key)) for key, group in by_key.items()}


def _plan_patient(group: Sequence[Prepared], known: Patient | None) -> PatientPlan:
    latest = max(group, key=lambda one: one.patient.basis)
    is_due = patient_is_due(known, latest.patient)
    seen = known.names if known else ()
    names = tuple(dict.fromkeys([*seen, *(name for one in group for name in one.patient.names)]))[: Patient.MAX_NAMES]
    if len(seen) < MANY_NAMES <= len(names):
        _log.warning(
            "one patient number stands for many names; the name of the latest study is published",
            extra={"event": Event.PATIENT_NAMES_DIFFER, "count": len(names)},
        )
    row = latest.patient if is_due or known is None else known
    return PatientPlan(entry=latest.patient_entry if is_due else None, row=replace(row, names=names))


def entries_of(prepared: Sequence[Prepared], patients: Mapping[str, PatientPlan]) -> list[Entry]:
    """Every entry that the Bundle needs, each identity once."""
    return [
        *(one.entry for one in patients.values() if one.entry is not None),
        *(one.entry for one in prepared if one.is_changed),
    ]


def outcomes(
    prepared: Sequence[Prepared],
    patients: Mapping[str, PatientPlan],
    answers: Answers,
    *,
    now: float,
    chance: float,
) -> list[Settlement]:
    """How each study ends.

    Parameters
    ----------
    now
        Epoch seconds, the time of publication.
    chance
        A random number from 0 to 1, for the jitter of retries.
    """
    return [_outcome(one, patients[one.patient.patient_key], answers, now, chance) for one in prepared]


def _outcome(one: Prepared, patient: PatientPlan, answers: Answers, now: float, chance: float) -> Settlement:
    told = [answers[entry.reference] for entry in (patient.entry, one.entry if one.is_changed else None) if entry]
    bad = next((answer for answer in told if not answer.has_landed), None)
    if bad is None:
        version_id = told[-1].version_id if one.is_changed else None
        done = replace(one.published, version_id=version_id, published_at=now) if one.is_changed else None
        return Settled(task=one.task, published=done, patient=patient.row)
    is_patient_in = patient.entry is not None and answers[patient.entry.reference].has_landed
    settlement = _refused(one, bad) if bad.is_final else _put_off(one, bad, chance)
    return replace(settlement, patient=patient.row if is_patient_in else None)


def _refused(one: Prepared, answer: Answer) -> Quarantined:
    return Quarantined(
        task=one.task,
        cause=answer.cause,
        text=answer.text,
        hint="See what the FHIR server says above; when the cause is gone, 'quarantine replay' this study.",
    )


def _put_off(one: Prepared, answer: Answer, chance: float) -> Deferred:
    first_s, most_s = RETRY_S
    delay_s = answer.retry_after_s
    if delay_s is None:
        delay_s = plan.backoff_s(one.task.attempts, first_s=first_s, most_s=most_s, chance=chance)
    return Deferred(task=one.task, due_in_s=delay_s, cause=answer.cause, counts=True)
