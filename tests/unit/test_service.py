"""The daemon's loops: they start, wait outages out, and end together."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from indexer import service
from indexer.errors import ConfigError, Interrupted, LedgerBusy, LedgerError, LedgerReplaced
from indexer.service import Follower, Service
from tests.fakes.ledger_faults import BUSY, FULL, failing
from tests.fakes.memory import study
from tests.unit.world import DEADLINE_S, DOWN, World, wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOCK_AGAIN_S", 0.01)
    monkeypatch.setattr(service, "WATCH_S", 0.01)


@contextmanager
def running(world: World, **parts: Any) -> Iterator[Future[None]]:
    """A service in a thread; what it raises is raised at the end of the block."""
    world.stop.clear()
    follower = Follower(poller=world.poller(), health=world.sources["main"].health, interval_s=0.005)
    ledger = world.ledger
    parts = {"drain_lock": ledger.drain_lock, "drain": world.built_drain, "confirm_ledger": ledger.confirm, **parts}
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(Service(followers=[follower], stop=world.stop, **parts).run)
        try:
            yield one
        finally:
            world.stop.set()
    one.result(DEADLINE_S)


def wait_for_studies(world: World, count: int) -> None:
    wait_until(lambda: len(world.studies) == count, f"study {count}")


def test_it_follows_until_it_is_stopped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with running(world):
        for number in (1, 2):
            world.source.put(study(f"1.2.{number}"))
            wait_for_studies(world, number)
    assert world.verify().is_equal
    events = [record.event for record in caplog.records if record.name == "indexer.service"]
    assert events == ["started", "drain_started", "stop_requested", "stopped"]


def test_an_outage_of_the_source_is_waited_out(world: World) -> None:
    world.source.script.next("changes", *[DOWN] * 10)
    world.source.put(study())
    with running(world):
        wait_for_studies(world, 1)
    assert world.source.script.faults == 10


@pytest.mark.parametrize("fault", [BUSY, FULL])
def test_a_ledger_that_cannot_be_written_for_a_while_is_waited_for(world: World, fault: str) -> None:
    world.source.put(study())
    with failing(world.ledger, fault, times=3) as faults, running(world):
        wait_for_studies(world, 1)
    assert faults.left == 0


@pytest.mark.parametrize("error", [LedgerError("damaged"), ValueError("a bug")])
def test_a_damaged_ledger_or_a_bug_ends_everything(world: World, error: Exception) -> None:
    world.source.script.next("changes", error)
    with pytest.raises(type(error)), running(world) as one:
        one.exception(DEADLINE_S)


def test_a_ledger_that_was_replaced_while_all_servers_are_away_ends_everything(world: World) -> None:
    def build() -> Any:
        world.stop.wait()
        raise Interrupted("a stop was asked for")

    def confirm() -> None:
        raise LedgerReplaced("replaced")

    world.source.script.always("changes", DOWN)
    with pytest.raises(LedgerReplaced, match="replaced"), running(world, drain=build, confirm_ledger=confirm) as one:
        one.exception(DEADLINE_S)


def test_a_drain_that_cannot_be_built_ends_everything(world: World) -> None:
    def build() -> Any:
        raise ConfigError(["target.release: unknown"])

    with pytest.raises(ConfigError), running(world, drain=build) as one:
        one.exception(DEADLINE_S)


def test_a_stop_during_an_outage_is_a_normal_end(world: World) -> None:
    world.source.script.always("changes", DOWN)
    with running(world):
        wait_until(lambda: world.source.script.faults >= 3, "the outage")


def test_a_stop_while_the_server_is_waited_for_is_a_normal_end(world: World) -> None:
    def build() -> Any:
        world.stop.wait()
        raise Interrupted("a stop was asked for")

    with running(world, drain=build):
        world.source.put(study())
        wait_until(world.dirty, "polling to go on meanwhile")


def test_it_polls_while_another_process_drains_and_drains_when_that_one_ends(world: World) -> None:
    world.source.put(study())
    with ExitStack() as other:
        other.enter_context(world.ledger.drain_lock())
        with running(world):
            wait_until(world.dirty, "the mark")
            assert world.studies == []
            other.close()
            wait_for_studies(world, 1)


def test_a_lock_that_stays_taken_is_asked_for_again(world: World) -> None:
    taken = [LedgerBusy("another process drains")] * 3

    @contextmanager
    def lock() -> Iterator[None]:
        if taken:
            raise taken.pop()
        with world.ledger.drain_lock():
            yield

    world.source.put(study())
    with running(world, drain_lock=lock):
        wait_for_studies(world, 1)
    assert taken == []


def test_a_stop_abandons_a_loop_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "STOP_S", 0.05)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(DEADLINE_S)

    world.source.script.next("changes", hang)
    with running(world) as one:
        wait_until(hangs.is_set, "the request to hang")
        world.stop.set()
        assert one.exception(DEADLINE_S / 2) is None
        goes_on.set()
