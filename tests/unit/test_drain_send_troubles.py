"""Delivering to a server that stumbles, loses its answers, or was replaced."""

from dataclasses import replace

import orjson
import pytest

from indexer.bundle import EntryStatus
from indexer.errors import (
    AnswerLost,
    Refused,
    TargetReplaced,
)
from indexer.model import EntryResult
from indexer.strategies import imaging_study_id
from indexer.sync.drain import send
from tests.fakes.memory import MemoryTarget
from tests.unit.delivery import (
    BROKEN,
    CONFLICT,
    DOWN,
    imaging,
    key,
    kinds,
    missing,
    pairs,
    patient,
    sender,
    undelivered,
)
from tests.unit.world import World, many


def test_a_server_that_fails_for_a_moment_gets_the_same_bundle_again(target: MemoryTarget) -> None:
    target.script.next("send", *[BROKEN] * (send.FAILURES - 1))
    assert undelivered(target, pairs(3)) == set()
    assert kinds(target) == ["transaction"]


def stumbles_over(target: MemoryTarget, monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    """The server answers 500 to any Bundle that holds this entry."""
    send = target.send

    def stumble(bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        if any(entry["request"]["url"] == reference for entry in orjson.loads(b"".join(bundle))["entry"]):
            target.script.calls["stumbled"] += 1
            raise BROKEN
        return send(bundle, count)

    monkeypatch.setattr(target, "send", stumble)


@pytest.mark.parametrize("wanted", ["auto", "batch"])
def test_an_entry_that_breaks_the_server_does_not_stop_the_others(
    target: MemoryTarget, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    stumbles_over(target, monkeypatch, "ImagingStudy/s7")
    answers = sender(target, wanted=wanted).deliver(pairs(20))
    assert missing(pairs(20), answers) == {"ImagingStudy/s7"}
    answer = answers[key("ImagingStudy/s7")]
    assert (answer.entry_status, answer.cause, answer.is_final) == (EntryStatus.RETRY, "server_error", False)
    assert target.script.calls["stumbled"] <= 10


def test_a_server_that_fails_at_reading_as_well_is_waited_for(target: MemoryTarget) -> None:
    target.put({"resourceType": "Endpoint", "id": "e"})
    target.script.next("send", *[BROKEN] * send.FAILURES)
    target.script.next("fetch", *[BROKEN] * 20)
    assert undelivered(target, pairs(2), sentinel=("Endpoint/e",)) == set()
    assert target.script.calls["fetch"] == 21


LOST = AnswerLost("timed out", peer="fhir")


def test_after_a_lost_answer_only_what_is_missing_is_sent_again(target: MemoryTarget) -> None:
    entries = pairs(3)
    for entry in (entries[0], entries[1]):
        target.put({**orjson.loads(entry.body), "meta": {"versionId": "1"}, "text": {"status": "theirs"}})
    target.script.next("send", LOST)
    answers = sender(target).deliver(entries)
    assert missing(entries, answers) == set()
    assert set(target.sent[0][1]) == missing(entries[2:], {})
    assert answers[key("Patient/p0")].version_id == "1"


def test_after_a_lost_answer_to_a_commit_nothing_is_sent_again(target: MemoryTarget) -> None:
    target.script.next("sent", LOST)
    one = sender(target)
    before = one.sizer.aim_bytes
    assert missing(pairs(3), one.deliver(pairs(3))) == set()
    assert len(target.sent) == 1
    assert one.sizer.aim_bytes < before


def test_what_the_server_holds_otherwise_has_to_be_merged(target: MemoryTarget) -> None:
    target.put({"resourceType": "Patient", "id": "p1", "active": False})
    target.script.next("send", LOST)
    assert sender(target).deliver([patient(1)])[key("Patient/p1")].entry_status is EntryStatus.CONFLICT


def test_the_former_version_is_not_taken_for_what_was_sent(target: MemoryTarget) -> None:
    """An update that only removes something: the former version has all of it, and more."""
    resource = orjson.loads(patient(1).body)
    version = target.put({**resource, "gender": "female"})
    target.script.next("send", LOST)
    update = replace(patient(1), if_match=str(version))
    assert sender(target).deliver([update])[key("Patient/p1")].is_accepted
    assert target.held["Patient/p1"] == resource


def test_what_cannot_be_read_back_is_sent_again(target: MemoryTarget) -> None:
    target.script.next("sent", LOST)
    target.script.always("fetch", Refused("no batch of reads here", peer="fhir", status=405))
    assert undelivered(target, pairs(2)) == set()
    assert kinds(target) == ["transaction"] * 2


def test_reading_back_waits_for_the_server(target: MemoryTarget) -> None:
    target.script.next("sent", LOST)
    target.script.next("fetch", DOWN, CONFLICT, DOWN)
    sender(target).deliver(pairs(2))
    assert target.script.faults == 4
    assert len(target.sent) == 1


@pytest.mark.parametrize(
    ("numbers", "refused"),
    [((1, 2), {}), ((1,), {}), ((1, 2, 3, 4), {"ImagingStudy/s1": 422})],
    ids=["a transaction", "an entry", "a batch refused whole"],
)
def test_a_refusal_of_a_server_that_lost_its_endpoint_means_another_server(
    target: MemoryTarget, numbers: tuple[int, ...], refused: dict[str, int]
) -> None:
    """It lost its Patients, too."""
    target.habits.refuses_whole, target.habits.refused = bool(refused), refused
    with pytest.raises(TargetReplaced):
        sender(target, sentinel=("Endpoint/e",), wanted="batch" if refused else "auto").deliver(
            [*map(imaging, numbers)]
        )
    assert len(target.sent) == 1, "nothing is halved"


def test_a_refusal_of_the_server_that_we_know_is_a_refusal(target: MemoryTarget) -> None:
    target.put({"resourceType": "Endpoint", "id": "e"})
    answers = sender(target, sentinel=("Endpoint/e",)).deliver([imaging(1)])
    assert answers[key("ImagingStudy/s1")].is_final


@pytest.mark.parametrize("wanted", ["auto", "batch"])
def test_what_the_server_stores_under_another_id_is_not_published(target: MemoryTarget, wanted: str) -> None:
    target.habits.stores_elsewhere["ImagingStudy/s1"] = "elsewhere"
    entries = pairs(3)
    answers = sender(target, wanted=wanted).deliver(entries)
    assert missing(entries, answers) == {"ImagingStudy/s1"}
    answer = answers[key("ImagingStudy/s1")]
    assert (answer.entry_status, answer.cause) == (EntryStatus.RETRY, "protocol_violation")


def test_a_study_that_the_server_stores_under_another_id_waits(world: World) -> None:
    world.target.habits.stores_elsewhere[f"ImagingStudy/{imaging_study_id('1.2.2')}"] = "elsewhere"
    world.publish(*many(3))
    assert (world.cause("1.2.2"), world.ledger.published(["1.2.2"])) == ("protocol_violation", {})
    assert world.dirty_uids(["1.2.1", "1.2.3"]) == []
    world.target.habits.stores_elsewhere.clear()
    world.target.delete("ImagingStudy/elsewhere")
    world.clock.pass_by(3600)
    world.drain()
    assert world.verify().is_equal
