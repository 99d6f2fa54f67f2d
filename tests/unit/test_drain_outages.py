"""Draining through outages of the archive, the FHIR server and the ledger, and to its end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from indexer.errors import (
    AnswerLost,
    ConfigError,
    LedgerError,
    Unavailable,
)
from indexer.sync.drain import drain
from tests.fakes.ledger_faults import BUSY, DAMAGED, FULL, failing
from tests.fakes.memory import study
from tests.unit.world import World, wait_until

DOWN = Unavailable("down", peer="orthanc")
BROKEN = Unavailable("a file is missing", peer="orthanc", status=500)


def many(count: int, **options: Any) -> list[Any]:
    """Studies of ten patients."""
    return [study(f"1.2.{number}", patient_id=f"P{number % 10}", **options) for number in range(1, count + 1)]


def quarantined(world: World) -> dict[str, str]:
    return {row.study_instance_uid: row.cause for row in world.ledger.quarantine()}


# --- outages --------------------------------------------------------------------------------------------------------


def test_an_outage_of_the_source_costs_no_attempts(world: World) -> None:
    world.source.script.next("read", *[DOWN] * 60)
    world.publish(*many(4))
    assert world.source.script.calls["read"] >= 64
    assert quarantined(world) == {}
    assert world.verify().is_equal


def test_an_outage_of_the_server_is_waited_out(world: World) -> None:
    world.make_ready()
    world.target.script.next("send", *[Unavailable("down", peer="fhir", status=503)] * 20)
    world.publish(*many(4))
    assert world.verify().is_equal
    assert set(world.target.written.values()) == {1}


def test_a_lost_answer_doubles_nothing(world: World) -> None:
    world.make_ready()
    world.target.script.next("sent", AnswerLost("timed out", peer="fhir"))
    world.publish(*many(4))
    assert set(world.target.written.values()) == {1}
    assert world.verify().is_equal


def test_a_server_that_was_emptied_gets_everything_again(world: World) -> None:
    world.publish(*many(6))
    world.target.wipe()
    world.publish(study("1.2.1", patient_id="P1", instances=9))
    assert len(world.target.of_type("ImagingStudy")) == 6
    assert world.target.imaging_study("1.2.1")["numberOfInstances"] == 9
    assert quarantined(world) == {}
    assert world.verify().is_equal


def test_a_server_that_is_emptied_while_we_drain_gets_everything_again(world: World) -> None:
    world.publish(*many(6))
    world.source.put(study("1.2.1", patient_id="P1", instances=9))
    world.poller.poll()
    drained = world.new_drain()
    world.target.wipe()
    with world.ledger.drain_lock():
        drained.run(lambda: world.is_idle)
    assert len(world.target.of_type("ImagingStudy")) == 6
    assert quarantined(world) == {}
    assert world.verify().is_equal


STATEMENTS = {
    "take": "UPDATE dirty SET lease_until",
    "patients": "SELECT patient",
    "record_pending": "INSERT INTO written",
    "settle": "DELETE FROM dirty",
    "next_due": "SELECT dirty.due_at",
    "backfill_rate": "SELECT min(backfill.rate)",
}
"""Each in a transaction of its own while one changed study is drained."""


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.parametrize("fault", [BUSY, FULL])
def test_a_ledger_that_is_busy_for_a_while_costs_nothing(world: World, statement: str, fault: str) -> None:
    world.publish(study())
    world.source.put(study(instances=9))
    world.poller.poll()
    drained, reads = world.new_drain(), world.source.script.calls["read"]
    with world.ledger.drain_lock(), failing(world.ledger, fault, times=3, statement=statement) as faults:
        drained.run(lambda: world.is_idle)
    assert faults.left == 0, "the fault was never met"
    assert world.source.script.calls["read"] == reads + 1, "the archive was read again"
    assert quarantined(world) == {}
    assert len(world.target.of_type("ImagingStudy")) == 1
    assert world.dirty_uids(["1.2.3"]) == []


@pytest.mark.parametrize("method", ["take", "patients", "settle"])
def test_a_ledger_that_is_damaged_ends_the_drain(world: World, method: str) -> None:
    world.publish(study())
    world.source.put(study(instances=9))
    world.poller.poll()
    drained = world.new_drain()
    damaged = failing(world.ledger, DAMAGED, statement=STATEMENTS[method])
    with world.ledger.drain_lock(), damaged, pytest.raises(LedgerError, match="damaged"):
        drained.run(lambda: world.is_idle)
    assert quarantined(world) == {}


def test_a_busy_ledger_does_not_hide_that_the_server_was_replaced(world: World) -> None:
    world.publish(study())
    world.source.put(study(instances=9))
    world.poller.poll()
    drained = world.new_drain()
    world.target.wipe()
    with world.ledger.drain_lock(), failing(world.ledger, BUSY, times=2, statement="UPDATE target") as faults:
        drained.run(lambda: world.is_idle)
    assert faults.left == 0
    assert world.verify().is_equal


def test_a_wrong_configuration_is_no_fault_of_a_study(world: World) -> None:
    world.source.script.next("read", ConfigError(["the address is not fit for HTTP"]))
    with pytest.raises(ConfigError):
        world.publish(study())
    assert quarantined(world) == {}


# --- stop -----------------------------------------------------------------------------------------------------------


def test_it_runs_until_it_is_stopped_and_sees_new_marks(world: World) -> None:
    with world.draining():
        for number in range(3):
            world.source.put(study(f"1.2.{number}"))
            world.poller.poll()
            wait_until(lambda: len(world.target.of_type("ImagingStudy")) == number + 1, "the study")  # noqa: B023
    assert world.verify().is_equal


def test_a_stop_during_an_outage_ends_it_and_the_work_stays_dirty(world: World) -> None:
    world.source.put(study())
    world.poller.poll()
    world.source.script.always("read", DOWN)
    with world.draining():
        wait_until(lambda: world.source.script.faults >= 3, "the outage")
    assert world.dirty_uids(["1.2.3"]) == ["1.2.3"]
    world.source.script.always("read", None)
    world.drain()
    assert world.dirty_uids(["1.2.3"]) == []


def test_a_stop_abandons_what_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "ABANDON_S", 0.05)
    world.source.put(study())
    world.poller.poll()
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(20)

    world.make_ready()
    world.target.script.next("send", hang)
    with world.draining():
        wait_until(hangs.is_set, "the Bundle to be under way")
        world.stop.set()
        wait_until(lambda: not world.ledger.drainer_alive(), "the drain to end")
        assert world.dirty_uids(["1.2.3"]) == ["1.2.3"]
        goes_on.set()
    wait_until(lambda: not world.dirty_uids(["1.2.3"]), "the answer to be settled after all")


def test_a_stop_that_comes_first_ends_it_at_once(world: World) -> None:
    world.source.put(study())
    world.poller.poll()
    one = world.new_drain()
    world.stop.set()
    with world.ledger.drain_lock():
        one.run()
    assert world.dirty_uids(["1.2.3"]) == ["1.2.3"]
