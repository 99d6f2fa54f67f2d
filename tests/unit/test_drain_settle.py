"""How studies end by the answers to what was sent for them."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.bundle import EntryStatus
from indexer.model import Deferred, Patient, Quarantined, ResourceKey, Settled
from indexer.plan import MappedStudy, PatientPolicy, TargetState, WritePlan, plan_writes
from indexer.strategies import patient_id
from indexer.sync.drain.answers import Answer
from indexer.sync.drain.publish import MANY_NAMES, warn_of_names
from indexer.sync.drain.settle import Outcome
from tests.resources import put_strategy
from tests.unit.mapped_studies import KEY, known, mapped, patient

ACCEPTED = Answer(entry_status=EntryStatus.ACCEPTED, fhir_id="s1", version_id="4")
REFUSED = Answer(entry_status=EntryStatus.REFUSED, cause="invalid", text="status 422: error")
RETRY = Answer(entry_status=EntryStatus.RETRY, cause="retry")
NOW = 1000.0
BASIS = "20240101 0 1"
STUDY, PATIENT = ResourceKey("ImagingStudy", "1.2.1"), ResourceKey("Patient", KEY)


def plan_of(study: MappedStudy, held: Patient | None = None) -> tuple[TargetState, WritePlan]:
    state = TargetState(patients={KEY: held} if held else {}, endpoints={"main": "e1"})
    return state, plan_writes([study], state, PatientPolicy(), put_strategy())


def settle(study: MappedStudy, answers: dict[ResourceKey, Answer], held: Patient | None = None) -> Any:
    _, plan = plan_of(study, held)
    return Outcome(plan=plan, answers=answers, now=NOW, chance=1.0).of(study)


def test_a_study_that_landed_is_published() -> None:
    done = settle(mapped(), {PATIENT: replace(ACCEPTED, fhir_id="p1"), STUDY: ACCEPTED})
    assert isinstance(done, Settled)
    assert (done.published.fhir_id, done.published.version_id, done.published.published_at) == ("s1", "4", NOW)
    assert done.published.references == "Endpoint/e1 Patient/p1", "as the server gave them"
    assert (done.patient.fhir_id, done.written) == ("p1", (PATIENT, STUDY))


@pytest.mark.parametrize(
    ("answers", "held", "written"), [({PATIENT: ACCEPTED}, None, (PATIENT,)), ({}, known(patient("a", BASIS)), ())]
)
def test_only_the_patient_or_nothing_was_due(
    answers: dict[ResourceKey, Answer], held: Patient | None, written: tuple[ResourceKey, ...]
) -> None:
    done = settle(mapped(basis=BASIS), answers, held)
    assert isinstance(done, Settled)
    assert (done.published, done.written) == (None, written)
    assert done.patient is not None


@pytest.mark.parametrize("of_patient", [ACCEPTED, REFUSED])
def test_a_refused_study_goes_to_quarantine_with_the_server_s_words(of_patient: Answer) -> None:
    done = settle(mapped(), {PATIENT: of_patient, STUDY: REFUSED})
    assert isinstance(done, Quarantined)
    assert (done.cause, done.text) == ("invalid", "status 422: error")
    assert "quarantine replay" in done.hint


@pytest.mark.parametrize(
    ("attempts", "retry_after_s", "due_in_s"),
    [(0, None, 30.0), (3, None, 240.0), (20, None, 6 * 3600.0), (0, 9.0, 9.0)],
)
def test_what_is_put_off_waits_longer_each_time_or_as_the_server_asks(
    attempts: int, retry_after_s: float | None, due_in_s: float
) -> None:
    answers = {PATIENT: ACCEPTED, STUDY: replace(RETRY, retry_after_s=retry_after_s)}
    done = settle(mapped(attempts=attempts), answers)
    assert isinstance(done, Deferred)
    assert (done.due_in_s, done.cause, done.counts) == (due_in_s, "retry", True)


@pytest.mark.parametrize("answer", [REFUSED, RETRY])
def test_a_patient_that_landed_is_known_although_its_study_did_not(answer: Answer) -> None:
    study = mapped()
    done = settle(study, {PATIENT: ACCEPTED, STUDY: answer})
    assert done.patient == replace(study.patient, fhir_id="s1", version_id="4")
    assert settle(study, {PATIENT: answer, STUDY: answer}).patient is None
    done = settle(study, {STUDY: answer}, known(study.patient))
    assert done.patient is None, "it was not sent"


def test_many_names_under_one_number_are_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    held: Patient | None = None
    for number in range(6):
        state, plan = plan_of(mapped(number, basis="2024", words=f"w{number}"), held)
        warn_of_names(plan, state)
        held = replace(plan.patients[KEY], fhir_id=patient_id(KEY))
    (record,) = caplog.records
    assert (record.event, record.count) == ("patient_names_differ", MANY_NAMES)  # type: ignore[attr-defined]
    assert "name-w" not in caplog.text
