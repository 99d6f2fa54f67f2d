"""Delivering: whatever the server answers, each entry comes to an answer, and nothing is sent for nothing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from indexer.bundle import BundleType, Entry, Judgement, Limits, Sizer, TypePolicy
from indexer.errors import (
    AccessDenied,
    AnswerLost,
    Conflict,
    Interrupted,
    ProtocolViolation,
    Refused,
    TargetReplaced,
    TooLarge,
    Unavailable,
)
from indexer.model import EntryResult
from indexer.sync import deliver, patience
from indexer.sync.deliver import Deliverer
from indexer.sync.patience import Patience
from tests.fakes.memory import MemoryTarget

if TYPE_CHECKING:
    from collections.abc import Callable

DOWN = Unavailable("down", peer="fhir", status=503)
BROKEN = Unavailable("broken", peer="fhir", status=500)
CONFLICT = Conflict("409", peer="fhir", status=409)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "DENIED_S", 0.001)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


def deliverer(target: MemoryTarget, *, wanted: Any = "auto", **options: Any) -> Deliverer:
    waiting = Patience(
        peer="fhir", stop=options.pop("stop", threading.Event()), clock=time.monotonic, first_s=0.001, most_s=0.002
    )
    return Deliverer(
        target=target,
        sizer=Sizer.begin(Limits(), 1.0),
        types=TypePolicy(wanted=wanted),
        patience=waiting,
        clock=time.monotonic,
        **options,
    )


def patient(number: int) -> Entry:
    return _entry({"resourceType": "Patient", "id": f"p{number}", "active": True}, patient_key=f"key{number}")


def imaging(number: int, of: int | None = None) -> Entry:
    key = number if of is None else of
    resource = {
        "resourceType": "ImagingStudy",
        "id": f"s{number}",
        "status": "available",
        "subject": {"reference": f"Patient/p{key}"},
        "text": {"status": "generated"},
    }
    return _entry(resource, patient_key=f"key{key}", study_instance_uid=f"1.2.{number}")


def _entry(resource: dict[str, Any], **options: Any) -> Entry:
    return Entry(resource_type=resource["resourceType"], fhir_id=resource["id"], body=orjson.dumps(resource), **options)


def pairs(count: int) -> list[Entry]:
    """Studies, each with a patient of its own."""
    return [entry for number in range(count) for entry in (patient(number), imaging(number))]


def landed(answers: deliver.Answers) -> set[str]:
    return {reference for reference, answer in answers.items() if answer.has_landed}


def references(entries: list[Entry]) -> set[str]:
    return {entry.reference for entry in entries}


# --- types ----------------------------------------------------------------------------------------------------------


def test_many_entries_go_as_one_transaction(target: MemoryTarget) -> None:
    answers = deliverer(target).deliver(pairs(3))
    assert landed(answers) == references(pairs(3))
    assert [kind for kind, _ in target.sent] == ["transaction"]
    assert answers["ImagingStudy/s1"].version_id == "1"


def test_batches_go_in_waves_patients_before_studies(target: MemoryTarget) -> None:
    deliverer(target, wanted="batch").deliver(pairs(2))
    assert target.sent == [("batch", ("Patient/p0", "Patient/p1")), ("batch", ("ImagingStudy/s0", "ImagingStudy/s1"))]


def test_one_entry_needs_no_transaction(target: MemoryTarget) -> None:
    deliverer(target).deliver([patient(1)])
    assert target.sent == [("batch", ("Patient/p1",))]


def test_nothing_to_deliver_sends_nothing(target: MemoryTarget) -> None:
    assert deliverer(target).deliver([]) == {}
    assert target.sent == []


def test_the_limit_of_transactions_is_learnt(target: MemoryTarget) -> None:
    target.habits.transaction_limit = 4
    one = deliverer(target)
    assert landed(one.deliver(pairs(4))) == references(pairs(4))
    assert one.types.choose(4) is BundleType.TRANSACTION
    assert one.max_entries == 4
    target.sent.clear()
    one.deliver(pairs(2))
    assert [kind for kind, _ in target.sent] == ["transaction"]


def test_a_server_without_transactions_gets_batches(target: MemoryTarget) -> None:
    target.habits.transaction_limit = 0
    one = deliverer(target)
    one.deliver(pairs(1))
    target.sent.clear()
    one.deliver(pairs(4))
    assert [kind for kind, _ in target.sent] == ["batch", "batch"]
    assert one.max_entries == 100


def test_a_guilty_entry_teaches_no_limit(target: MemoryTarget) -> None:
    target.habits.refused["ImagingStudy/s1"] = 422
    one = deliverer(target)
    one.deliver(pairs(3))
    assert one.types == TypePolicy()


# --- refused --------------------------------------------------------------------------------------------------------


def test_a_guilty_entry_in_a_transaction_does_not_stop_the_others(target: MemoryTarget) -> None:
    target.habits.refused["ImagingStudy/s7"] = 422
    entries = pairs(50)
    answers = deliverer(target).deliver(entries)
    assert references(entries) - landed(answers) == {"ImagingStudy/s7"}
    answer = answers["ImagingStudy/s7"]
    assert (answer.judgement, answer.cause, answer.is_final) == (Judgement.REFUSED, "invalid", True)
    assert answer.text.startswith("status 422: error invalid: this entry is bad")
    assert [kind for kind, _ in target.sent] == ["transaction", "batch", "batch"]


@pytest.mark.parametrize("guilty", ["ImagingStudy/s0", "ImagingStudy/s7", "ImagingStudy/s49"])
def test_a_guilty_entry_that_spoils_batches_too_is_found_by_halving(target: MemoryTarget, guilty: str) -> None:
    target.habits.refused[guilty] = 400
    target.habits.refuses_whole = True
    entries = pairs(50)
    answers = deliverer(target).deliver(entries)
    assert references(entries) - landed(answers) == {guilty}
    assert answers[guilty].is_final
    assert answers[guilty].text.startswith("status 400: error invalid: a bad entry")
    assert len(target.sent) < 20


def test_several_guilty_entries_are_all_named(target: MemoryTarget) -> None:
    guilty = {f"ImagingStudy/s{number}" for number in (3, 4, 17)}
    target.habits.refused = dict.fromkeys(guilty, 400)
    target.habits.refuses_whole = True
    answers = deliverer(target).deliver(pairs(20))
    assert references(pairs(20)) - landed(answers) == guilty


def test_a_refused_patient_keeps_its_studies_back_and_no_others(target: MemoryTarget) -> None:
    target.habits.refused["Patient/p1"] = 422
    entries = [*pairs(3), imaging(8, of=1)]
    answers = deliverer(target).deliver(entries)
    assert references(entries) - landed(answers) == {"Patient/p1", "ImagingStudy/s1", "ImagingStudy/s8"}
    assert answers["ImagingStudy/s8"] == answers["Patient/p1"]
    assert target.written["ImagingStudy/s8"] == 1, "only the transaction held it"


def test_an_outcome_is_told_without_what_was_sent(target: MemoryTarget) -> None:
    said = {"issue": [{"severity": "error", "code": "invalid", "diagnostics": 'Patient "p1" is unknown'}]}
    target.script.next("send", Refused("no", peer="fhir", status=422, outcome=said))
    answers = deliverer(target).deliver([imaging(1)])
    assert "p1" not in answers["ImagingStudy/s1"].text
    assert answers["ImagingStudy/s1"].text.startswith("status 422: ")


# --- too large ------------------------------------------------------------------------------------------------------


def test_a_bundle_that_is_too_large_is_halved_until_it_fits(target: MemoryTarget) -> None:
    target.habits.max_bytes = 900
    entries = pairs(20)
    one = deliverer(target)
    before = one.sizer.aim_bytes
    assert landed(one.deliver(entries)) == references(entries)
    assert one.sizer.aim_bytes < before
    assert {kind for kind, _ in target.sent} == {"transaction"}


def test_one_entry_that_is_too_large_is_named(target: MemoryTarget) -> None:
    target.script.always("send", TooLarge("413", peer="fhir", status=413))
    answers = deliverer(target).deliver(pairs(2))
    assert {answer.cause for answer in answers.values()} == {"too_large"}
    assert all(answer.is_final for answer in answers.values())


# --- put off --------------------------------------------------------------------------------------------------------


def test_a_conflict_is_repeated_and_never_bisected(target: MemoryTarget) -> None:
    target.script.next("send", CONFLICT, CONFLICT)
    assert landed(deliverer(target).deliver(pairs(3))) == references(pairs(3))
    assert target.script.calls["send"] == 3
    assert len(target.sent) == 1


def test_a_lasting_conflict_puts_the_entries_off(target: MemoryTarget) -> None:
    target.script.always("send", CONFLICT)
    answers = deliverer(target).deliver(pairs(2))
    assert {(answer.judgement, answer.is_final) for answer in answers.values()} == {(Judgement.CONFLICT, False)}
    assert target.script.calls["send"] == deliver.CONFLICTS + 1


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        Unavailable("slow down", peer="fhir", status=429, retry_after_s=0.001),
        AccessDenied("who?", peer="fhir", status=401),
        ProtocolViolation("a login page", peer="fhir", status=302),
    ],
)
def test_an_outage_is_waited_out(target: MemoryTarget, error: Exception) -> None:
    target.script.next("send", *[error] * 10)
    assert landed(deliverer(target).deliver(pairs(2))) == references(pairs(2))
    assert len(target.sent) == 1


def test_an_entry_that_is_put_off_is_told_with_the_wait(target: MemoryTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    result = (EntryResult(status=429, retry_after_s=7.0),)
    monkeypatch.setattr(target, "send", lambda bundle, count: result)
    answer = deliverer(target).deliver([patient(1)])["Patient/p1"]
    assert (answer.judgement, answer.cause, answer.retry_after_s) == (Judgement.RETRY, "retry", 7.0)
    assert not answer.is_final


def test_a_stop_ends_the_waiting(target: MemoryTarget) -> None:
    stop = threading.Event()
    target.script.always("send", DOWN)
    target.script.next("send", None)
    one = deliverer(target, stop=stop)
    one.deliver(pairs(1))
    stop.set()
    with pytest.raises(Interrupted):
        one.deliver(pairs(1))


# --- a server that stumbles -----------------------------------------------------------------------------------------


def test_a_server_that_fails_for_a_moment_gets_the_same_bundle_again(target: MemoryTarget) -> None:
    target.script.next("send", *[BROKEN] * (deliver.FAILURES - 1))
    assert landed(deliverer(target).deliver(pairs(3))) == references(pairs(3))
    assert [kind for kind, _ in target.sent] == ["transaction"]


def stumbles_over(target: MemoryTarget, monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    """The server answers 500 to any Bundle that holds this entry."""
    send = target.send

    def stumble(bundle: bytes, count: int) -> tuple[EntryResult, ...]:
        if any(entry["request"]["url"] == reference for entry in orjson.loads(bundle)["entry"]):
            target.script.calls["stumbled"] += 1
            raise BROKEN
        return send(bundle, count)

    monkeypatch.setattr(target, "send", stumble)


@pytest.mark.parametrize("wanted", ["auto", "batch"])
def test_an_entry_that_breaks_the_server_does_not_stop_the_others(
    target: MemoryTarget, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    stumbles_over(target, monkeypatch, "ImagingStudy/s7")
    answers = deliverer(target, wanted=wanted).deliver(pairs(20))
    assert references(pairs(20)) - landed(answers) == {"ImagingStudy/s7"}
    answer = answers["ImagingStudy/s7"]
    assert (answer.judgement, answer.cause, answer.is_final) == (Judgement.RETRY, "server_error", False)
    assert target.script.calls["stumbled"] < 12


def test_a_server_that_fails_at_reading_as_well_is_waited_for(target: MemoryTarget) -> None:
    target.put({"resourceType": "Endpoint", "id": "e"})
    target.script.next("send", *[BROKEN] * deliver.FAILURES)
    target.script.next("fetch", *[BROKEN] * 20)
    assert landed(deliverer(target, witness=("Endpoint/e",)).deliver(pairs(2))) == references(pairs(2))
    assert target.script.calls["fetch"] == 21


# --- an answer that was lost ----------------------------------------------------------------------------------------


LOST = AnswerLost("timed out", peer="fhir")


def test_after_a_lost_answer_only_what_is_missing_is_sent_again(target: MemoryTarget) -> None:
    entries = pairs(3)
    for entry in (entries[0], entries[1]):
        target.put({**orjson.loads(entry.body), "meta": {"versionId": "1"}, "text": {"status": "theirs"}})
    target.script.next("send", LOST)
    answers = deliverer(target).deliver(entries)
    assert landed(answers) == references(entries)
    assert set(target.sent[0][1]) == references(entries[2:])
    assert answers["Patient/p0"].version_id == "1"


def test_after_a_lost_answer_to_a_commit_nothing_is_sent_again(target: MemoryTarget) -> None:
    target.script.next("sent", LOST)
    one = deliverer(target)
    before = one.sizer.aim_bytes
    assert landed(one.deliver(pairs(3))) == references(pairs(3))
    assert len(target.sent) == 1
    assert one.sizer.aim_bytes < before


def test_what_the_server_holds_otherwise_is_sent_again(target: MemoryTarget) -> None:
    target.put({"resourceType": "Patient", "id": "p1", "active": False})
    target.script.next("send", LOST)
    deliverer(target).deliver([patient(1)])
    assert target.held["Patient/p1"]["active"] is True


def test_what_cannot_be_read_back_is_sent_again(target: MemoryTarget) -> None:
    target.script.next("sent", LOST)
    target.script.next("fetch", Refused("no batch of reads here", peer="fhir", status=405))
    assert landed(deliverer(target).deliver(pairs(2))) == references(pairs(2))
    assert [kind for kind, _ in target.sent] == ["transaction"] * 2


def test_reading_back_waits_for_the_server(target: MemoryTarget) -> None:
    target.script.next("sent", LOST)
    target.script.next("fetch", DOWN, CONFLICT, DOWN)
    deliverer(target).deliver(pairs(2))
    assert target.script.calls["fetch"] == 4
    assert len(target.sent) == 1


# --- another server -------------------------------------------------------------------------------------------------


def emptied(target: MemoryTarget) -> Deliverer:
    """The server lost its Endpoint and its Patients."""
    target.habits.checks_references = True
    return deliverer(target, witness=("Endpoint/e",))


@pytest.mark.parametrize(
    "entries", [[imaging(1), imaging(2)], [imaging(1)]], ids=["refused whole", "refused as an entry"]
)
def test_a_refusal_of_a_server_that_lost_its_endpoint_means_another_server(
    target: MemoryTarget, entries: list[Entry]
) -> None:
    with pytest.raises(TargetReplaced):
        emptied(target).deliver(entries)


def test_a_batch_refused_whole_by_another_server_is_seen_too(target: MemoryTarget) -> None:
    target.habits.refuses_whole = True
    with pytest.raises(TargetReplaced):
        emptied(target).deliver([imaging(1)])


def test_a_refusal_of_the_server_that_we_know_is_a_refusal(target: MemoryTarget) -> None:
    target.put({"resourceType": "Endpoint", "id": "e"})
    answers = deliverer(target, witness=("Endpoint/e",)).deliver([imaging(1)])
    assert answers["ImagingStudy/s1"].is_final


# --- measures -------------------------------------------------------------------------------------------------------


def test_the_size_follows_the_time_and_busy_time_is_counted(target: MemoryTarget) -> None:
    now = [0.0]
    one = deliverer(target)
    one.clock = lambda: now[0]
    slow: Callable[[], None] = lambda: now.__setitem__(0, now[0] + 4.0)  # noqa: E731
    target.script.next("send", slow, DOWN)
    before = one.sizer.aim_bytes
    one.deliver(pairs(2))
    assert one.busy_s == 4.0
    assert one.sizer.aim_bytes == before // 4
