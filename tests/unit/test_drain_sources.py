"""Draining two sources, one of which is down, slow or refuses our credentials: the other one does not notice."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from indexer.errors import AccessDenied, PeerError, Unavailable
from indexer.model import Task
from indexer.sync.drain import source_workers
from indexer.sync.drain.take import Leases
from tests.fakes.memory import Clock, MemorySource, study
from tests.unit.world import World, quick, wait_until

DOWN = Unavailable("down", peer="orthanc second")
DENIED = AccessDenied("who?", peer="orthanc second", status=401)
MANY = 64


@pytest.fixture
def second(world: World) -> MemorySource:
    """Another source; 64 of its studies are due."""
    source = world.add_source()
    world.store(*[study(f"1.9.{number}", source="second") for number in range(MANY)], source=source)
    return source


def health(world: World, **options: Any) -> None:
    """Let the second source be waited for like this."""
    waiting = quick("orthanc", "second", world.stop, **options)
    world.sources["second"] = replace(world.sources["second"], health=waiting)


def published(world: World, *uids: str) -> bool:
    return world.ledger.published_uids() >= set(uids)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.event, record.source) for record in caplog.records if record.name == "indexer.health"]


@pytest.mark.parametrize("error", [DOWN, DENIED])
def test_a_source_that_is_down_or_refuses_us_delays_no_other(
    world: World, second: MemorySource, caplog: pytest.LogCaptureFixture, error: PeerError
) -> None:
    """It waits for an hour; the other source's study comes after its failure and is published all the same."""
    health(world, initial_s=3600, max_s=3600)
    second.script.always("read", error)
    with world.draining():
        wait_until(lambda: second.script.faults, "the outage to be noticed")
        world.store(study("1.2.3"))
        wait_until(lambda: published(world, "1.2.3"), "the study of the source that is well")
    assert second.script.calls["read"] <= world.sources["second"].readers
    assert told(caplog) == [("peer_lost", "second")]
    assert world.quarantined == {}
    assert world.ledger.summary("second", world.clock()).waiting.get("source_unavailable", 0) > 0


def test_a_source_that_hangs_delays_no_other(
    world: World, second: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = threading.Event()
    second.script.always("read", lambda: goes_on.wait(20))
    with world.draining():
        wait_until(lambda: second.script.calls["read"] >= 2, "all of its readers to hang")
        world.store(study("1.2.3"))
        wait_until(lambda: published(world, "1.2.3"), "the study of the source that is well")
        assert not goes_on.is_set()
        goes_on.set()
        wait_until(lambda: len(world.ledger.published_uids()) == MANY + 1, "the studies of the slow one")
    assert told(caplog) == []


def test_a_source_that_is_back_is_told_once_and_read_to_the_end(
    world: World, second: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    second.script.next("read", *[DOWN] * 20)
    world.drain()
    assert len(world.ledger.published_uids()) == MANY
    assert told(caplog) == [("peer_lost", "second"), ("peer_back", "second")]
    assert world.quarantined == {}


def test_a_source_that_failed_is_asked_for_one_study_before_more_are_taken(
    world: World, second: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first failure gives back all that was taken; each try after it takes one study and costs one request."""
    clock, taken, take = Clock(), [], Leases.take

    def counted(leases: Leases, source: str, room: int) -> list[Task]:
        tasks = take(leases, source, room)
        taken.extend(tasks if source == "second" else ())
        return tasks

    monkeypatch.setattr(Leases, "take", counted)
    health(world, initial_s=60, max_s=60, monotonic=clock)
    second.script.always("read", DOWN)
    with world.draining() as drain:
        wait_until(lambda: second.script.faults, "the outage to be noticed")
        faults = 0
        for tries in range(3):
            wait_until(lambda: drain._leases.is_over(lambda: True), "all to be given back")
            assert tries == 0 or (second.script.faults, len(taken)) == (faults + 1, 1)
            taken.clear()
            faults = second.script.faults
            clock.pass_by(60)
            wait_until(lambda: second.script.faults > faults, "the next try")  # noqa: B023


def test_each_source_has_its_own_readers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_workers, "STUDIES_AT_ONCE", 1)
    source = world.add_source(readers=5)
    world.store(*[study(f"1.9.{number}", source="second") for number in range(5)], source=source)
    together = threading.Barrier(5, timeout=20)
    source.script.next("read", *[together.wait] * 5)
    world.drain()
    assert not together.broken


def test_a_study_that_two_sources_have_waits_for_the_first_and_holds_up_no_other_of_the_second(world: World) -> None:
    source = world.add_source()
    world.store(study("1.2.3"))
    world.store(study("1.2.3"), study("1.9.1"), source=source)
    world.source.script.always("read", Unavailable("down", peer="orthanc main"))
    with world.draining():
        wait_until(lambda: published(world, "1.9.1") and world.source.script.faults, "the other study")
        assert not published(world, "1.2.3")
        world.source.script.always("read", None)
        wait_until(lambda: published(world, "1.2.3"), "the study once its source is back")
