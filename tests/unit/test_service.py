"""The daemon's loops: they start, wait outages out, and end together."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from indexer import service
from indexer.errors import ConfigError, Interrupted, LedgerBusy, LedgerError, Unavailable
from indexer.service import Follower, Service
from tests.fakes.ledger_faults import BUSY, FULL, failing
from tests.fakes.memory import study
from tests.unit.world import DEADLINE_S, World, wait_until

DOWN = Unavailable("down", peer="orthanc")


class Running:
    """A service in a thread."""

    def __init__(self, world: World, **parts: Any) -> None:
        self.world = world
        self.failure: BaseException | None = None
        world.stop.clear()
        follower = Follower(poller=world.poller, health=world.sources["main"].health, interval_s=0.005)
        parts = {"drain_lock": world.ledger.drain_lock, "drain": world.built_drain, **parts}
        self.service = Service(followers=[follower], stop=world.stop, **parts)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.service.run()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.failure = error

    def ended(self) -> BaseException | None:
        """Wait for its end; what it raised."""
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        return self.failure


@contextmanager
def running(world: World, **parts: Any) -> Iterator[Running]:
    one = Running(world, **parts)
    one.thread.start()
    try:
        yield one
    finally:
        world.stop.set()
        one.thread.join(DEADLINE_S)
        assert not one.thread.is_alive()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOCK_AGAIN_S", 0.01)


def arrived(world: World, count: int) -> Callable[[], bool]:
    return lambda: len(world.target.of_type("ImagingStudy")) == count


def test_it_follows_until_it_is_stopped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with running(world) as one:
        world.source.put(study("1.2.1"))
        wait_until(arrived(world, 1), "the first study")
        world.source.put(study("1.2.2"))
        wait_until(arrived(world, 2), "the second study")
    assert one.failure is None
    assert world.verify().is_equal
    events = [record.event for record in caplog.records if record.name == "indexer.service"]
    assert events == ["started", "drain_started", "stop_requested", "stopped"]


def test_an_outage_of_the_source_is_waited_out(world: World) -> None:
    world.source.script.next("changes", *[DOWN] * 10)
    world.source.put(study())
    with running(world) as one:
        wait_until(arrived(world, 1), "the study after the outage")
    assert one.failure is None
    assert world.source.script.faults == 10


@pytest.mark.parametrize("fault", [BUSY, FULL])
def test_a_ledger_that_cannot_be_written_for_a_while_is_waited_for(world: World, fault: str) -> None:
    world.source.put(study())
    with failing(world.ledger, fault, times=3) as faults, running(world) as one:
        wait_until(arrived(world, 1), "the study")
    assert one.failure is None
    assert faults.left == 0


def test_a_damaged_ledger_ends_everything(world: World) -> None:
    world.source.script.next("changes", LedgerError("damaged"))
    with running(world) as one:
        assert isinstance(one.ended(), LedgerError)


def test_a_drain_that_cannot_be_built_ends_everything(world: World) -> None:
    def build() -> Any:
        raise ConfigError(["target.release: unknown"])

    with running(world, drain=build) as one:
        assert isinstance(one.ended(), ConfigError)


def test_a_bug_in_a_loop_ends_everything(world: World) -> None:
    world.source.script.next("changes", ValueError("a bug"))
    with running(world) as one:
        assert isinstance(one.ended(), ValueError)


def test_a_stop_during_an_outage_is_a_normal_end(world: World) -> None:
    world.source.script.always("changes", DOWN)
    with running(world) as one:
        wait_until(lambda: world.source.script.faults >= 3, "the outage")
    assert one.failure is None


def test_a_stop_while_the_server_is_waited_for_is_a_normal_end(world: World) -> None:
    def build() -> Any:
        world.stop.wait()
        raise Interrupted("a stop was asked for")

    with running(world, drain=build) as one:
        world.source.put(study())
        wait_until(lambda: world.ledger.study("1.2.3") is not None, "polling to go on meanwhile")
    assert one.failure is None


def test_it_polls_while_another_process_drains_and_drains_when_that_one_ends(world: World) -> None:
    world.source.put(study())
    with world.ledger.drain_lock():
        one = Running(world)
        one.thread.start()
        wait_until(lambda: world.ledger.study("1.2.3") is not None, "the mark")
        assert world.target.of_type("ImagingStudy") == []
    wait_until(arrived(world, 1), "the study once the lock is free")
    world.stop.set()
    assert one.ended() is None


def test_a_lock_that_stays_taken_is_asked_for_again(world: World) -> None:
    taken = [LedgerBusy("another process drains")] * 3

    @contextmanager
    def lock() -> Iterator[None]:
        if taken:
            raise taken.pop()
        with world.ledger.drain_lock():
            yield

    world.source.put(study())
    with running(world, drain_lock=lock) as one:
        wait_until(arrived(world, 1), "the study once the lock is free")
    assert one.failure is None
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
        assert one.ended() is None
        goes_on.set()
