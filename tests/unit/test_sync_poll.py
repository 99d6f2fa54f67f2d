"""Polling: marks and position move together, and another database is marked whole."""

from typing import Any

import pytest

from indexer.errors import LedgerFull, Unavailable
from indexer.model import FeedPosition, Lane
from indexer.sync.changes import poll
from tests.fakes.memory import study
from tests.unit.world import DOWN, World


def reached(world: World) -> tuple[int, int]:
    """Number and epoch of the position."""
    position = world.ledger.position("main")
    assert position is not None
    return position.reached, position.epoch


def test_what_changed_becomes_dirty_and_the_position_moves(world: World) -> None:
    world.source.put(study("1.2.3"))
    assert world.poll() == 1
    row = world.dirty()
    assert (row.lane, row.reason, row.due_at) == (Lane.LIVE, "quiet", world.clock.now)
    assert reached(world) == (1, 1)
    assert world.ledger.summary("main", world.clock()).last_poll_at == world.clock.now


def test_a_study_that_is_not_said_to_be_quiet_is_due_when_it_was(world: World) -> None:
    world.store(study(), stable=False)
    assert world.take() == ()
    world.clock.pass_by(70)
    assert [task.study_instance_uid for task in world.take()] == ["1.2.3"]


def test_a_restless_study_is_due_after_the_longest_wait(world: World) -> None:
    began = world.clock.now
    while world.clock.now < began + 900:
        world.store(study(), stable=False)
        assert world.take() == ()
        world.clock.pass_by(60)
    world.store(study(), stable=False)
    assert len(world.take()) == 1


def test_old_history_goes_behind_live_changes(world: World) -> None:
    world.source.put(study("1.2.1"))
    world.clock.pass_by(901)
    world.poll()
    world.store(study("1.2.2"))
    tasks = [(task.study_instance_uid, task.lane) for task in world.take()]
    assert tasks == [("1.2.2", Lane.LIVE), ("1.2.1", Lane.BACKFILL)]


def test_a_poll_without_news_notes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store(study())
    monkeypatch.setattr(type(world.ledger), "note", None)
    world.clock.pass_by(5)
    assert world.poll() == 0
    assert reached(world) == (1, 1)
    assert world.ledger.summary("main", world.clock()).last_poll_at == world.clock.now


def test_all_pages_are_read_each_noted_for_itself(world: World) -> None:
    for number in range(10):
        world.source.put(study(f"1.2.{number}"))
    world.source.page_size = 4
    world.source.script.next("changes", None, None, DOWN)
    with pytest.raises(Unavailable):
        world.poll()
    assert reached(world) == (8, 1)
    assert world.poll() == 2
    assert len(world.take()) == 10


def test_a_note_that_fails_leaves_the_position(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    note, errors = world.ledger.note, [LedgerFull("full")]

    def full(source: str, marks: tuple[object, ...], *rest: Any) -> None:
        if marks and errors:
            raise errors.pop()
        note(source, marks, *rest)

    monkeypatch.setattr(world.ledger, "note", full)
    world.source.put(study())
    with pytest.raises(LedgerFull):
        world.poll()
    assert world.ledger.position("main") == FeedPosition()
    assert world.poll() == 1
    assert len(world.take()) == 1


def test_starting_now_skips_history(world: World) -> None:
    world.source.put(study("1.2.1"))
    poller = world.poller(starts_now=True)
    assert poller.poll() == 0
    world.source.put(study("1.2.2"))
    assert poller.poll() == 1
    assert [task.study_instance_uid for task in world.take()] == ["1.2.2"]


@pytest.fixture
def settled(world: World) -> World:
    """Three studies are known and settled."""
    world.publish(*(study(f"1.2.{number}") for number in range(1, 4)))
    assert world.take() == ()
    return world


@pytest.mark.parametrize("chunk", [1, 500])
def test_every_study_of_another_database_is_marked(chunk: int, settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "CHUNK", chunk)
    settled.source.replace_database()
    for uid in ("1.2.3", "1.2.8", "1.2.9"):
        settled.source.put(study(uid))
    settled.source.rows = settled.source.rows[:1]
    assert settled.poll() == 1
    assert reached(settled) == (1, 2)
    assert settled.dirty_uids(["1.2.1", "1.2.2", "1.2.3", "1.2.8", "1.2.9"]) == ["1.2.3", "1.2.8", "1.2.9"]
    assert len(settled.studies) == 3, "nothing is deleted"


def test_an_empty_database_begins_an_epoch_too(settled: World) -> None:
    settled.source.replace_database()
    assert settled.poll() == 0
    assert reached(settled) == (0, 2)


def test_an_epoch_that_was_cut_short_is_begun_again(settled: World) -> None:
    settled.source.replace_database()
    settled.source.put(study("1.2.3"))
    settled.source.script.next("list_locations", DOWN)
    with pytest.raises(Unavailable):
        settled.poll()
    assert reached(settled)[1] == 1
    settled.poll()
    assert reached(settled)[1] == 2


@pytest.mark.parametrize(("left", "epoch"), [(["1.2.2"], 1), ([], 2)])
def test_a_feed_in_doubt_is_told_whether_a_known_study_stands(left: list[str], epoch: int, settled: World) -> None:
    settled.source.is_doubtful = True
    for number in range(1, 4):
        if f"1.2.{number}" not in left:
            settled.source.remove(f"orthanc-1.2.{number}")
    settled.poll()
    assert reached(settled)[1] == epoch
