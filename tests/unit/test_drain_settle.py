"""How studies end by the answers to what was sent for them."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.bundle import EntryStatus
from indexer.model import Deferred, Patient, Quarantined, ResourceKey, Settled
from indexer.plan import MappedStudy, PatientPolicy, TargetState, WritePlan, plan_writes
from indexer.strategies import patient_id
from indexer.sync.drain.publish import MANY_NAMES, warn_of_names
from indexer.sync.drain.send import Answer
from indexer.sync.drain.settle import Outcome
from tests.resources import put_strategy
from tests.unit.mapped_studies import KEY, known, mapped, patient

ACCEPTED = Answer(entry_status=EntryStatus.ACCEPTED, fhir_id="s1", version_id="4")
REFUSED = Answer(entry_status=EntryStatus.REFUSED, cause="invalid", text="status 422: error")
RETRY = Answer(entry_status=EntryStatus.RETRY, cause="retry")
NOW = 1000.0
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
    assert done.published is not None
    assert (done.published.fhir_id, done.published.version_id, done.published.published_at) == ("s1", "4", NOW)
    assert done.published.references == "Endpoint/e1 Patient/p1", "as the server gave them"
    assert done.patient is not None
    assert (done.patient.fhir_id, done.written) == ("p1", (PATIENT, STUDY))


def test_only_the_patient_was_due() -> None:
    done = settle(mapped(), {PATIENT: ACCEPTED})
    assert isinstance(done, Settled)
    assert (done.published, done.written) == (None, (PATIENT,))
    assert done.patient is not None


def test_nothing_was_due() -> None:
    done = settle(mapped(), {}, known(patient("a", "20240101 0 1")))
    assert isinstance(done, Settled)
    assert (done.published, done.written) == (None, ())


def test_a_refused_study_goes_to_quarantine_with_the_server_s_words() -> None:
    done = settle(mapped(), {PATIENT: ACCEPTED, STUDY: REFUSED})
    assert isinstance(done, Quarantined)
    assert (done.cause, done.text) == ("invalid", "status 422: error")
    assert "quarantine replay" in done.hint


def test_a_study_of_a_refused_patient_goes_to_quarantine() -> None:
    assert isinstance(settle(mapped(), {PATIENT: REFUSED, STUDY: REFUSED}), Quarantined)


@pytest.mark.parametrize(("attempts", "expected_s"), [(0, 30.0), (3, 240.0), (20, 6 * 3600.0)])
def test_what_is_put_off_waits_longer_each_time(attempts: int, expected_s: float) -> None:
    done = settle(mapped(attempts=attempts), {PATIENT: ACCEPTED, STUDY: RETRY})
    assert isinstance(done, Deferred)
    assert (done.due_in_s, done.cause, done.counts) == (expected_s, "retry", True)


def test_what_is_put_off_waits_as_long_as_the_server_asks() -> None:
    done = settle(mapped(), {PATIENT: replace(RETRY, retry_after_s=9.0), STUDY: RETRY})
    assert isinstance(done, Deferred)
    assert done.due_in_s == 9.0


@pytest.mark.parametrize("answer", [REFUSED, RETRY])
def test_a_patient_that_landed_is_known_although_its_study_did_not(answer: Answer) -> None:
    study = mapped()
    done = settle(study, {PATIENT: ACCEPTED, STUDY: answer})
    assert study.patient is not None
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
