"""Delivering: whatever the server answers, each entry comes to an answer, and nothing is sent for nothing."""

import threading
from collections.abc import Callable

import pytest

from indexer.bundle import BundleType, EntryStatus, Limits, Sizer, TypePolicy
from indexer.errors import (
    AccessDenied,
    Interrupted,
    ProtocolViolation,
    Refused,
    TooLarge,
    Unavailable,
)
from indexer.model import EntryResult
from tests.fakes.memory import MemoryTarget
from tests.unit.delivery import CONFLICT, DOWN, imaging, key, kinds, missing, pairs, patient, sender, undelivered

P0, P1, S0, S1 = "Patient/p0", "Patient/p1", "ImagingStudy/s0", "ImagingStudy/s1"


@pytest.mark.parametrize(
    ("wanted", "count", "sent"),
    [
        ("auto", 2, [("transaction", (P0, P1, S0, S1))]),
        ("batch", 2, [("batch", (P0, P1)), ("batch", (S0, S1))]),
        ("auto", 0, []),
    ],
)
def test_entries_go_as_one_transaction_or_as_batches_patients_before_studies(
    target: MemoryTarget, wanted: str, count: int, sent: list[tuple[str, tuple[str, ...]]]
) -> None:
    answers = sender(target, wanted=wanted).deliver(pairs(count))
    assert missing(pairs(count), answers) == set()
    assert {answer.version_id for answer in answers.values()} <= {"1"}
    assert [
        (kind, tuple(sorted(references, key=lambda one: one[0] == "I"))) for kind, references in target.sent
    ] == sent


def test_one_entry_needs_no_transaction(target: MemoryTarget) -> None:
    assert undelivered(target, [patient(1)]) == set()
    assert target.sent == [("batch", (P1,))]


def test_the_limit_of_transactions_is_learnt(target: MemoryTarget) -> None:
    target.habits.transaction_limit = 4
    one = sender(target)
    assert missing(pairs(4), one.deliver(pairs(4))) == set()
    assert one.types.choose(4) is BundleType.TRANSACTION
    assert one.max_entries == 4
    target.sent.clear()
    one.deliver(pairs(2))
    assert kinds(target) == ["transaction"]


def test_a_server_without_transactions_gets_batches(target: MemoryTarget) -> None:
    target.habits.transaction_limit = 0
    one = sender(target)
    one.deliver(pairs(1))
    target.sent.clear()
    one.deliver(pairs(4))
    assert kinds(target) == ["batch", "batch"]
    assert one.max_entries == 100


def test_a_guilty_entry_teaches_no_limit(target: MemoryTarget) -> None:
    target.habits.refused["ImagingStudy/s1"] = 422
    one = sender(target)
    one.deliver(pairs(3))
    assert one.types == TypePolicy()


def test_a_guilty_entry_in_a_transaction_does_not_stop_the_others(target: MemoryTarget) -> None:
    target.habits.refused["ImagingStudy/s7"] = 422
    answers = sender(target).deliver(pairs(50))
    assert missing(pairs(50), answers) == {"ImagingStudy/s7"}
    answer = answers[key("ImagingStudy/s7")]
    assert (answer.entry_status, answer.cause, answer.is_final) == (EntryStatus.REFUSED, "invalid", True)
    assert answer.text.startswith("status 422: error invalid: this entry is bad")
    assert kinds(target) == ["transaction", "batch", "batch"]


@pytest.mark.parametrize("numbers", [{0}, {7}, {49}, {3, 4, 17}])
def test_guilty_entries_that_spoil_batches_too_are_found_by_halving(target: MemoryTarget, numbers: set[int]) -> None:
    guilty = {f"ImagingStudy/s{number}" for number in numbers}
    target.habits.refused = dict.fromkeys(guilty, 400)
    target.habits.refuses_whole = True
    answers = sender(target).deliver(pairs(50))
    assert missing(pairs(50), answers) == guilty
    for reference in guilty:
        assert answers[key(reference)].is_final
        assert answers[key(reference)].text.startswith("status 400: error structure: this entry is bad")
    assert len(target.sent) < 20 * len(guilty)


def test_a_refused_patient_keeps_its_studies_back_and_no_others(target: MemoryTarget) -> None:
    target.habits.refused["Patient/p1"] = 422
    entries = [*pairs(3), imaging(8, of=1)]
    answers = sender(target).deliver(entries)
    assert missing(entries, answers) == {P1, S1, "ImagingStudy/s8"}
    assert answers[key("ImagingStudy/s8")] == answers[key("Patient/p1")]
    assert target.written["ImagingStudy/s8"] == 1, "only the transaction held it"


def test_a_refused_patient_leaves_nothing_to_send_of_its_only_study(target: MemoryTarget) -> None:
    target.habits.refused["Patient/p0"] = 422
    assert undelivered(target, pairs(1), wanted="batch") == {P0, S0}
    assert target.sent == [("batch", (P0,))]


def test_an_outcome_is_told_without_what_was_sent(target: MemoryTarget) -> None:
    said = {"issue": [{"severity": "error", "code": "invalid", "diagnostics": 'Patient "p1" is unknown'}]}
    target.script.next("send", Refused("no", peer="fhir", status=422, outcome=said))
    text = sender(target).deliver([imaging(1)])[key(S1)].text
    assert "p1" not in text
    assert text.startswith("status 422: ")


def test_a_bundle_that_is_too_large_is_halved_until_it_fits(target: MemoryTarget) -> None:
    target.habits.max_bytes = 900
    one = sender(target)
    before = one.sizer.aim_bytes
    assert missing(pairs(20), one.deliver(pairs(20))) == set()
    assert one.sizer.aim_bytes < before
    assert set(kinds(target)) == {"transaction"}


def test_one_entry_that_is_too_large_is_named(target: MemoryTarget) -> None:
    target.script.always("send", TooLarge("413", peer="fhir", status=413))
    answers = sender(target).deliver(pairs(2))
    assert {answer.cause for answer in answers.values()} == {"too_large"}
    assert all(answer.is_final for answer in answers.values())


def test_a_conflict_is_repeated_and_never_bisected(target: MemoryTarget) -> None:
    target.script.next("send", CONFLICT, CONFLICT)
    assert undelivered(target, pairs(3)) == set()
    assert target.script.calls["send"] == 3
    assert len(target.sent) == 1


def test_a_lasting_conflict_puts_the_entries_off(target: MemoryTarget) -> None:
    target.script.always("send", CONFLICT)
    answers = sender(target).deliver(pairs(2))
    assert {(answer.entry_status, answer.cause) for answer in answers.values()} == {(EntryStatus.RETRY, "conflict")}


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
    assert undelivered(target, pairs(2)) == set()
    assert len(target.sent) == 1


def test_an_entry_that_is_put_off_is_told_with_the_wait(target: MemoryTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    result = (EntryResult(status=429, retry_after_s=7.0),)
    monkeypatch.setattr(target, "send", lambda bundle, count: result)
    answer = sender(target).deliver([patient(1)])[key("Patient/p1")]
    assert (answer.entry_status, answer.cause, answer.retry_after_s) == (EntryStatus.RETRY, "retry", 7.0)
    assert not answer.is_final


def test_a_stop_ends_the_waiting(target: MemoryTarget) -> None:
    stop = threading.Event()
    target.script.always("send", DOWN)
    target.script.next("send", None)
    one = sender(target, stop=stop)
    one.deliver(pairs(1))
    stop.set()
    with pytest.raises(Interrupted):
        one.deliver(pairs(1))


def test_the_size_follows_the_time_and_busy_time_is_counted(target: MemoryTarget) -> None:
    now = [0.0]
    one = sender(target)
    one.clock = lambda: now[0]
    one.sizer = Sizer.begin(Limits(max_bytes=8192), 1.0)
    slow: Callable[[], None] = lambda: now.__setitem__(0, now[0] + 4.0)  # noqa: E731
    target.script.next("send", slow, DOWN)
    before = one.sizer.aim_bytes
    one.deliver(pairs(20))
    assert one.busy_s == 4.0
    assert one.sizer.aim_bytes == before // 2
