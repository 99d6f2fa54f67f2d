"""What goes into a Bundle, and what its answer settles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from indexer.bundle import Entry, EntryStatus
from indexer.model import Deferred, Lane, Lookup, Patient, Published, Quarantined, Settled, StudyLocation, Task
from indexer.sync.drain import write_plan
from indexer.sync.drain.patients import PatientPolicy, StatedPatient
from indexer.sync.drain.prepared import Prepared
from indexer.sync.drain.send import Answer
from indexer.sync.drain.write_plan import MANY_NAMES, PatientPlan, plan_patients

ACCEPTED = Answer(entry_status=EntryStatus.ACCEPTED, version_id="4")
REFUSED = Answer(entry_status=EntryStatus.REFUSED, cause="invalid", text="status 422: error")
RETRY = Answer(entry_status=EntryStatus.RETRY, cause="retry")
NOW = 1000.0


def prepared(
    number: int = 1,
    *,
    key: str = "key",
    basis: str = "20240101 0 1",
    words: str = "a",
    attempts: int = 0,
    row: Patient | None = None,
    **flags: bool,
) -> Prepared:
    """A study of a patient whose demographics are `words`."""
    task = Task(
        study_instance_uid=f"1.2.{number}",
        generation=1,
        locations=(StudyLocation("main", "o", f"1.2.{number}"),),
        lane=Lane.LIVE,
        reason="changes",
        attempts=attempts,
        first_event_at=0.0,
        force=False,
    )
    published = Published(
        study_instance_uid=task.study_instance_uid,
        fhir_id=f"s{number}",
        version_id=None,
        fingerprint="f",
        mapping_generation=1,
        last_update=None,
        number_of_series=1,
        number_of_instances=2,
        patient_key=key,
    )
    flags = {"is_changed": True, "is_patient_due": True, **flags}
    return Prepared(
        task=task,
        entry=Entry(resource_type="ImagingStudy", fhir_id=f"s{number}", body=b"{}", patient_key=key),
        published=published,
        patient=StatedPatient(
            row=row or patient(words, basis, key=key),
            entry=Entry(resource_type="Patient", fhir_id=key, body=words.encode(), patient_key=key),
            lookup=Lookup("Patient", "urn:x", key),
        ),
        **flags,
    )


def row_of(one: Prepared) -> Patient:
    assert one.patient is not None
    return one.patient.row


def patient(words: str, basis: str, *, key: str = "key", names: tuple[str, ...] | None = None) -> Patient:
    named = (f"name-{words}",) if names is None else names
    return Patient(patient_key=key, fhir_id=key, fingerprint=words, basis=basis, names=named)


def settle(one: Prepared, answers: dict[str, Answer], known: Patient | None = None) -> Any:
    plans = plans_of([one], {"key": known} if known else {})
    return write_plan.Outcome(patients=plans, answers=answers, now=NOW, chance=1.0).of(one)


def plans_of(some: list[Prepared], known: dict[str, Patient]) -> dict[str, PatientPlan]:
    return plan_patients(some, known, PatientPolicy())


# --- which patient --------------------------------------------------------------------------------------------------


def test_a_new_patient_goes_once_with_all_its_studies() -> None:
    some = [prepared(1), prepared(2), prepared(3, key="other")]
    plans = plans_of(some, {})
    references = [draft.reference for draft in write_plan.drafts_of(some, plans)]
    assert references == ["Patient/key", "Patient/other", "ImagingStudy/s1", "ImagingStudy/s2", "ImagingStudy/s3"]


def test_of_several_studies_the_latest_speaks() -> None:
    some = [prepared(1, basis="2024", words="new"), prepared(2, basis="2020", words="old")]
    for order in (some, some[::-1]):
        plan = plans_of(order, {})["key"]
        assert plan.draft is not None
        assert plan.draft.entry.body == b"new"
        assert (plan.row.fingerprint, plan.row.basis) == ("new", "2024")
        assert set(plan.row.names) == {"name-new", "name-old"}


def test_an_earlier_study_does_not_turn_the_patient_back() -> None:
    known = patient("new", "2024")
    plan = plans_of([prepared(basis="2020", words="old")], {"key": known})["key"]
    assert plan.draft is None
    assert (plan.row.fingerprint, plan.row.basis) == ("new", "2024")
    assert plan.row.names == ("name-new", "name-old")


def test_two_studies_that_disagree_do_not_flip_flop() -> None:
    """Whatever comes in whatever order, the later study's words stay and each is written at most once."""
    old, new = prepared(1, basis="2020", words="old"), prepared(2, basis="2024", words="new")
    known: dict[str, Patient] = {}
    writes = []
    for one in (old, new, old, new, old):
        plan = plans_of([one], known)["key"]
        writes.append(plan.draft.entry.body.decode() if plan.draft else None)
        known["key"] = plan.row
    assert writes == ["old", "new", None, None, None]


def test_the_same_study_corrected_changes_the_patient() -> None:
    known = patient("a", "2024")
    assert PatientPolicy().is_due(known, patient("b", "2024"))
    assert not PatientPolicy().is_due(known, patient("a", "2025"))
    assert not PatientPolicy().is_due(known, patient("b", "2023"))
    assert PatientPolicy().is_due(None, patient("a", ""))


def test_many_names_under_one_number_are_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    known: dict[str, Patient] = {}
    for number in range(6):
        plan = plans_of([prepared(number, basis="2024", words=f"w{number}")], known)["key"]
        known["key"] = plan.row
    assert [record.event for record in caplog.records] == ["patient_names_differ"]
    assert caplog.records[0].count == MANY_NAMES
    assert "name-w" not in caplog.text


def test_many_names_in_one_bundle_are_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    some = [prepared(number, words=f"w{number}") for number in range(20)]
    row = plans_of(some, {})["key"].row
    assert len(row.names) == Patient.MAX_NAMES
    plans_of(some, {"key": row})
    assert len(caplog.records) == 1


def test_a_study_without_a_name_counts_as_none(caplog: pytest.LogCaptureFixture) -> None:
    one = prepared(row=patient("a", "2024", names=()))
    plan = plans_of([one], {"key": patient("a", "2024", names=("x", "y"))})["key"]
    assert plan.row.names == ("x", "y")
    assert not caplog.records


# --- what becomes of the study --------------------------------------------------------------------------------------


def test_a_study_that_landed_is_published() -> None:
    done = settle(prepared(), {"Patient/key": ACCEPTED, "ImagingStudy/s1": ACCEPTED})
    assert isinstance(done, Settled)
    assert done.published is not None
    assert (done.published.version_id, done.published.published_at) == ("4", NOW)
    assert done.patient is not None


def test_only_the_patient_was_due() -> None:
    done = settle(prepared(is_changed=False), {"Patient/key": ACCEPTED})
    assert isinstance(done, Settled)
    assert done.published is None
    assert done.patient is not None


def test_nothing_was_due_any_more_when_it_was_sent() -> None:
    one = prepared(is_changed=False)
    assert write_plan.drafts_of([one], plans_of([one], {"key": row_of(one)})) == []
    done = settle(one, {}, known=row_of(one))
    assert isinstance(done, Settled)
    assert done.published is None


def test_a_refused_study_goes_to_quarantine_with_the_server_s_words() -> None:
    done = settle(prepared(), {"Patient/key": ACCEPTED, "ImagingStudy/s1": REFUSED})
    assert isinstance(done, Quarantined)
    assert (done.cause, done.text) == ("invalid", "status 422: error")
    assert "quarantine replay" in done.hint


def test_a_study_of_a_refused_patient_goes_to_quarantine() -> None:
    done = settle(prepared(), {"Patient/key": REFUSED, "ImagingStudy/s1": REFUSED})
    assert isinstance(done, Quarantined)


@pytest.mark.parametrize(("attempts", "expected_s"), [(0, 30.0), (3, 240.0), (20, 6 * 3600.0)])
def test_what_is_put_off_waits_longer_each_time(attempts: int, expected_s: float) -> None:
    done = settle(prepared(attempts=attempts), {"Patient/key": ACCEPTED, "ImagingStudy/s1": RETRY})
    assert isinstance(done, Deferred)
    assert (done.due_in_s, done.cause, done.counts) == (expected_s, "retry", True)


def test_what_is_put_off_waits_as_long_as_the_server_asks() -> None:
    answers = {"Patient/key": replace(RETRY, retry_after_s=9.0), "ImagingStudy/s1": RETRY}
    done = settle(prepared(), answers)
    assert isinstance(done, Deferred)
    assert done.due_in_s == 9.0


@pytest.mark.parametrize("answer", [REFUSED, RETRY])
def test_a_patient_that_landed_is_known_although_its_study_did_not(answer: Answer) -> None:
    one = prepared()
    done = settle(one, {"Patient/key": ACCEPTED, "ImagingStudy/s1": answer})
    assert done.patient == replace(row_of(one), version_id="4")
    done = settle(one, {"Patient/key": answer, "ImagingStudy/s1": answer})
    assert done.patient is None
    done = settle(one, {"ImagingStudy/s1": answer}, known=row_of(one))
    assert done.patient is None, "it was not sent"
