"""Draining through outages of the archive, the FHIR server and the ledger, and to its end."""

import threading

import pytest

from indexer.errors import AnswerLost, ConfigError, LedgerError, Unavailable
from indexer.sync.drain import drain
from tests.fakes.ledger_faults import BUSY, DAMAGED, FULL, failing
from tests.fakes.memory import study
from tests.unit.world import DOWN, World, many, wait_until


@pytest.fixture
def changed(world: World) -> World:
    """A published study is due with more instances."""
    world.publish(study())
    world.store(study(instances=9))
    return world


def test_an_outage_of_the_source_costs_no_attempts(world: World) -> None:
    world.source.script.next("read", *[DOWN] * 20)
    world.publish(*many(4))
    assert world.source.script.calls["read"] >= 24
    assert world.quarantined == {}
    assert world.verify().is_equal


@pytest.mark.parametrize(
    ("step", "errors"),
    [("send", [Unavailable("down", peer="fhir", status=503)] * 20), ("sent", [AnswerLost("timed out", peer="fhir")])],
)
def test_an_outage_of_the_server_is_waited_out_and_doubles_nothing(
    world: World, step: str, errors: list[Exception]
) -> None:
    world.make_ready()
    world.target.script.next(step, *errors)
    world.publish(*many(4))
    assert set(world.target.written.values()) == {1}
    assert world.verify().is_equal


@pytest.mark.parametrize("is_draining", [False, True])
def test_a_server_that_was_emptied_gets_everything_again(world: World, is_draining: bool) -> None:
    world.publish(*many(6))
    world.store(study("1.2.1", patient_id="P1", instances=9))
    begun = world.new_drain() if is_draining else None
    world.target.wipe()
    world.drain(begun)
    assert len(world.studies) == 6
    assert world.study("1.2.1")["numberOfInstances"] == 9
    assert world.quarantined == {}
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
def test_a_ledger_that_is_busy_for_a_while_costs_nothing(changed: World, statement: str, fault: str) -> None:
    begun, reads = changed.new_drain(), changed.source.script.calls["read"]
    with failing(changed.ledger, fault, times=3, statement=statement) as faults:
        changed.drain(begun)
    assert faults.left == 0, "the fault was never met"
    assert changed.source.script.calls["read"] == reads + 1, "the archive was read again"
    assert changed.quarantined == {}
    assert len(changed.studies) == 1
    assert changed.dirty() is None


@pytest.mark.parametrize("method", ["take", "patients", "settle"])
def test_a_ledger_that_is_damaged_ends_the_drain(changed: World, method: str) -> None:
    begun = changed.new_drain()
    damaged = failing(changed.ledger, DAMAGED, statement=STATEMENTS[method])
    with damaged, pytest.raises(LedgerError, match="damaged"):
        changed.drain(begun)
    assert changed.quarantined == {}


def test_a_busy_ledger_does_not_hide_that_the_server_was_replaced(changed: World) -> None:
    begun = changed.new_drain()
    changed.target.wipe()
    with failing(changed.ledger, BUSY, times=2, statement="UPDATE target") as faults:
        changed.drain(begun)
    assert faults.left == 0
    assert changed.verify().is_equal


def test_a_wrong_configuration_is_no_fault_of_a_study(world: World) -> None:
    world.source.script.next("read", ConfigError(["the address is not fit for HTTP"]))
    with pytest.raises(ConfigError):
        world.publish(study())
    assert world.quarantined == {}


def test_it_runs_until_it_is_stopped_and_sees_new_marks(world: World) -> None:
    with world.draining():
        for number in range(3):
            world.store(study(f"1.2.{number}"))
            wait_until(lambda: len(world.studies) == number + 1, "the study")  # noqa: B023
    assert world.verify().is_equal


def test_a_stop_during_an_outage_ends_it_and_the_work_stays_dirty(world: World) -> None:
    world.store(study())
    world.source.script.always("read", DOWN)
    with world.draining():
        wait_until(lambda: world.source.script.faults >= 3, "the outage")
    assert world.dirty()
    world.source.script.always("read", None)
    world.drain()
    assert world.dirty() is None


def test_a_stop_abandons_what_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "ABANDON_S", 0.05)
    world.store(study())
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
        assert world.dirty()
        goes_on.set()
    wait_until(lambda: not world.dirty(), "the answer to be settled after all")


def test_a_stop_that_comes_first_ends_it_at_once(world: World) -> None:
    world.store(study())
    begun = world.new_drain()
    world.stop.set()
    with world.ledger.drain_lock():
        begun.run()
    assert world.dirty()
