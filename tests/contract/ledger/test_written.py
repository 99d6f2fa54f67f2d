"""What we wrote: recorded before it is sent, confirmed when it arrived; and whose a Patient is."""

from dataclasses import replace

from indexer.ledger import Ledger
from indexer.model import EndpointState, ResourceKey, Settled, Written
from tests.contract.ledger.values import (
    TAKE,
    deferred,
    mark,
    patient,
    play,
    published,
    settled,
)

STUDY, PATIENT, ENDPOINT = (
    ResourceKey("ImagingStudy", "1.2.3"),
    ResourceKey("Patient", "p"),
    ResourceKey("Endpoint", "main"),
)


def written(ledger: Ledger, *keys: ResourceKey) -> dict[ResourceKey, Written]:
    """What was written, read by writing once more."""
    return dict(ledger.record_pending(dict.fromkeys(keys, b"next")))


def test_what_is_sent_is_pending_until_it_is_confirmed(ledger: Ledger) -> None:
    task = play(ledger, mark(), TAKE)
    assert ledger.record_pending({STUDY: b"one", PATIENT: b"two"}) == {}
    ledger.settle([replace(settled(task), written=(STUDY,))], 1001.0)
    assert written(ledger, STUDY, PATIENT) == {STUDY: Written(confirmed=b"one"), PATIENT: Written(pending=b"two")}
    assert written(ledger, STUDY) == {STUDY: Written(confirmed=b"one", pending=b"next")}


def test_a_study_that_was_put_off_confirms_its_patient(ledger: Ledger) -> None:
    ledger.record_pending({STUDY: b"one", PATIENT: b"two"})
    play(ledger, mark(), TAKE, lambda task: replace(deferred(1.0)(task), patient=patient(), written=(PATIENT,)))
    assert written(ledger, STUDY, PATIENT) == {STUDY: Written(pending=b"one"), PATIENT: Written(confirmed=b"two")}


def test_what_was_not_sent_anew_is_not_forgotten(ledger: Ledger) -> None:
    """A study that is unchanged on the server is settled without a new intention."""
    ledger.record_pending({STUDY: b"one"})
    for _ in range(2):
        play(ledger, mark(), TAKE, lambda task: replace(settled(task), written=(STUDY,)))
    assert written(ledger, STUDY) == {STUDY: Written(confirmed=b"one")}


def test_an_endpoint_confirms_what_was_written_of_it(ledger: Ledger) -> None:
    ledger.record_pending({ENDPOINT: b"one"})
    ledger.put_endpoint(EndpointState(source="main", fhir_id="e", fingerprint="f" * 64), "e")
    assert written(ledger, ENDPOINT) == {ENDPOINT: Written(confirmed=b"one")}


def test_another_target_holds_nothing_of_us(ledger: Ledger, other_ledger: Ledger) -> None:
    ledger.record_pending({STUDY: b"one"})
    assert written(other_ledger, STUDY) == {}
    assert written(ledger, STUDY) == {STUDY: Written(pending=b"one")}


def test_many_are_written_at_once(ledger: Ledger) -> None:
    many = {ResourceKey(("ImagingStudy", "Patient")[number % 2], f"1.{number}"): b"one" for number in range(2500)}
    assert ledger.record_pending(many) == {}
    assert ledger.record_pending(many) == dict.fromkeys(many, Written(pending=b"one"))


def test_whose_a_patient_is_and_what_is_shared(ledger: Ledger) -> None:
    theirs = patient(is_ours=False, version_id="7", is_shared=True)
    study = published(is_shared=True, references="d" * 64)
    play(ledger, mark(), TAKE, lambda task: Settled(task=task, published=study, patient=theirs))
    assert ledger.patients(["key"]) == {"key": theirs}
    assert ledger.published(["1.2.3"]) == {"1.2.3": study}


def test_what_somebody_decided_about_a_patient_outlasts_a_bundle_that_was_on_its_way(ledger: Ledger) -> None:
    decided = patient(fhir_id="right", decided_for="d" * 64)
    ledger.put_patients([decided])
    play(ledger, mark(), TAKE, lambda task: replace(settled(task), patient=patient(fhir_id="wrong")))
    assert ledger.patients(["key"]) == {"key": decided}
    merged = replace(decided, fhir_id="survivor")
    play(ledger, mark(), TAKE, lambda task: replace(settled(task), patient=merged))
    assert ledger.patients(["key"]) == {"key": merged}


def test_published_studies_whose_patient_seems_to_be_another_person_are_counted(ledger: Ledger) -> None:
    for uid, is_mismatch in (("1.2.3", True), ("1.2.4", False)):
        play(ledger, mark(uid), TAKE, lambda task, is_mismatch=is_mismatch: settled(task, patient_mismatch=is_mismatch))
    assert ledger.summary("main", 1000.0).patient_mismatch == 1
    assert ledger.summary("other", 1000.0).patient_mismatch == 0


def test_a_patient_that_is_gone_is_forgotten(ledger: Ledger) -> None:
    play(ledger, mark(), TAKE, lambda task: replace(settled(task), patient=patient()))
    ledger.forget_patients(["key", "other"])
    assert ledger.patients(["key"]) == {}
    assert ledger.published(["1.2.3"])["1.2.3"].patient_key == "key"
