"""Polling: marks and position move together, and only a proven replacement begins anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from indexer.errors import LedgerFull, Unavailable
from indexer.model import Change, FeedPosition, Lane, Level
from indexer.sync.changes.poll import CHECK_EVERY_S, Poller, located
from tests.fakes.memory import study

if TYPE_CHECKING:
    from tests.unit.world import World

DOWN = Unavailable("down", peer="orthanc")


def position(world: World) -> FeedPosition:
    found = world.ledger.position("main")
    assert found is not None
    return found


def test_what_changed_becomes_dirty_and_the_position_moves(world: World) -> None:
    world.source.put(study("1.2.3"))
    assert world.poller.poll() == 3
    row = world.ledger.study("1.2.3")
    assert row is not None
    assert row.dirty is not None
    assert (row.dirty.lane, row.dirty.reason, row.dirty.due_at) == (Lane.LIVE, "StableStudy", world.clock.now)
    assert position(world).low == 3
    assert world.ledger.summary("main", world.clock()).last_poll_at == world.clock.now


def test_a_study_without_stable_study_is_due_when_it_was_quiet(world: World) -> None:
    world.source.put(study(), stable=False)
    world.poller.poll()
    assert world.take() == ()
    world.clock.pass_by(70)
    assert [task.study_instance_uid for task in world.take()] == ["1.2.3"]


def test_a_restless_study_is_due_after_the_longest_wait(world: World) -> None:
    began = world.clock.now
    while world.clock.now < began + 900:
        world.source.put(study(), stable=False)
        world.poller.poll()
        assert world.take() == ()
        world.clock.pass_by(60)
    world.source.put(study(), stable=False)
    world.poller.poll()
    assert len(world.take()) == 1


def test_old_history_goes_behind_live_changes(world: World) -> None:
    world.source.put(study("1.2.1"))
    world.clock.pass_by(901)
    world.poller.poll()
    world.source.put(study("1.2.2"))
    world.poller.poll()
    assert [(task.study_instance_uid, task.lane) for task in world.take()] == [
        ("1.2.2", Lane.LIVE),
        ("1.2.1", Lane.BACKFILL),
    ]


def test_an_empty_page_never_moves_the_position(world: World) -> None:
    world.source.put(study())
    world.poller.poll()
    before = position(world)
    world.source.last = 5000
    assert world.poller.poll() == 0
    assert position(world) == before
    world.source.last = None
    world.source.put(study("1.2.4"))
    assert world.poller.poll() == 3


def test_a_poll_without_news_asks_once(world: World) -> None:
    world.source.put(study())
    world.poller.poll()
    world.source.script.calls.clear()
    world.poller.poll()
    assert world.source.script.calls == {"changes": 1}


def test_noise_marks_nothing_but_moves_the_position(world: World) -> None:
    world.source.put(study())
    world.poller.poll()
    world.drain()
    seq = world.source.log("UpdatedAttachment", Level.SERIES, "orthanc-1.2.3/0")
    world.poller.poll()
    assert position(world).low == seq
    assert world.dirty_uids(["1.2.3"]) == []


def test_all_pages_are_read_each_noted_for_itself(world: World) -> None:
    for number in range(10):
        world.source.put(study(f"1.2.{number}"))
    poller = world.new_poller(page=4)
    world.source.script.next("changes", None, None, DOWN)
    with pytest.raises(Unavailable):
        poller.poll()
    assert position(world).low == 8
    assert poller.poll() == 22
    assert len(world.take()) == 10


def test_nothing_of_a_page_is_noted_if_it_cannot_be_located(world: World) -> None:
    world.source.put(study())
    world.source.script.next("locate", DOWN)
    with pytest.raises(Unavailable):
        world.poller.poll()
    assert position(world) == FeedPosition()
    assert world.take() == ()
    world.poller.poll()
    assert len(world.take()) == 1


class FullLedger:
    """A ledger whose disk is full at the first note of marks."""

    def __init__(self, world: World) -> None:
        self._ledger = world.ledger
        self.is_full = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def note(self, source: str, marks: tuple[object, ...], *rest: object) -> None:
        if marks and self.is_full:
            self.is_full = False
            raise LedgerFull("full")
        self._ledger.note(source, marks, *rest)


def test_a_note_that_fails_leaves_the_position(world: World) -> None:
    world.source.put(study())
    poller: Poller = replace(world.poller, ledger=FullLedger(world))
    with pytest.raises(LedgerFull):
        poller.poll()
    assert position(world).low == 0
    assert poller.poll() == 3
    assert len(world.take()) == 1


def test_a_late_row_is_waited_for_and_seen(world: World) -> None:
    world.source.put(study("1.2.1"))
    world.source.studies["orthanc-1.2.2"] = study("1.2.2")
    late = world.source.log("NewInstance", Level.INSTANCE, "orthanc-1.2.2/0/0", is_late=True)
    world.source.put(study("1.2.3"))
    world.poller.poll()
    assert position(world).low == late - 1
    world.clock.pass_by(59)
    assert world.poller.poll() == 0
    world.source.commit(late)
    world.clock.pass_by(1)
    assert world.poller.poll() == 1
    assert position(world).low == late + 3
    assert world.dirty_uids(["1.2.2"]) == ["1.2.2"]


def test_a_row_that_never_comes_is_given_up(world: World) -> None:
    world.source.put(study("1.2.1"))
    lost = world.source.log("NewInstance", Level.INSTANCE, "orthanc-1.2.1/0/0", is_late=True)
    world.source.put(study("1.2.3"))
    world.poller.poll()
    world.clock.pass_by(60)
    world.poller.poll()
    assert position(world).low == lost + 3


def test_a_slow_answer_does_not_shorten_the_grace(world: World) -> None:
    """The row came before the grace ended, but after the page was read."""
    late = world.source.log("NewInstance", Level.INSTANCE, "orthanc-1.2.3/0/0", is_late=True)
    world.source.put(study())
    world.poller.poll()
    world.clock.pass_by(59)
    world.source.script.next("server_time", lambda: world.clock.pass_by(5))
    world.poller.poll()
    assert position(world).low == late - 1
    world.source.commit(late)
    world.poller.poll()
    assert position(world).low == late + 3


def test_a_hole_is_not_given_up_by_later_pages_that_never_looked_at_it(world: World) -> None:
    """Reading on takes longer than the grace; the hole is below what the later pages ask for."""
    late = world.source.log("NewInstance", Level.INSTANCE, "orthanc-1.2.1/0/0", is_late=True)
    for number in range(1, 9):
        world.source.put(study(f"1.2.{number}"))
    world.source.script.always("locate", lambda: world.clock.pass_by(20))
    world.new_poller(page=3).poll()
    assert position(world).low == late - 1
    world.source.commit(late)
    world.poller.poll()
    assert position(world).low == world.source.seq


def test_starting_now_skips_history(world: World) -> None:
    world.source.put(study("1.2.1"))
    poller = world.new_poller(starts_now=True)
    assert poller.poll() == 0
    world.source.put(study("1.2.2"))
    assert poller.poll() == 3
    assert [task.study_instance_uid for task in world.take()] == ["1.2.2"]


# --- a replaced database --------------------------------------------------------------------------------------------


def settled(world: World) -> None:
    """Three studies are known and settled."""
    for number in range(1, 4):
        world.source.put(study(f"1.2.{number}"))
    world.poller.poll()
    world.drain()
    assert world.take() == ()


def replaced_by_the_same_studies(world: World) -> None:
    """Made anew, as in a move to another database: some known studies stand in it again."""
    settled(world)
    world.clock.pass_by(3600)
    world.source.replace_database()


def test_a_replaced_database_begins_an_epoch_and_notes_everything_again(world: World) -> None:
    replaced_by_the_same_studies(world)
    world.source.put(study("1.2.3"))
    world.source.put(study("1.2.9"), stable=False)
    world.poller.poll()
    assert position(world).epoch == 2
    assert position(world).low == world.source.seq
    assert world.dirty_uids(["1.2.1", "1.2.2", "1.2.3", "1.2.9"]) == ["1.2.3", "1.2.9"]
    assert len(world.target.of_type("ImagingStudy")) == 3, "nothing is deleted"


def test_an_emptied_database_begins_an_epoch(world: World) -> None:
    settled(world)
    world.source.replace_database()
    world.poller.poll()
    assert (position(world).epoch, position(world).low) == (2, 0)


def test_a_new_database_that_has_grown_past_the_position_is_found_by_its_anchors(world: World) -> None:
    settled(world)
    world.source.replace_database()
    world.clock.pass_by(CHECK_EVERY_S)
    for number in range(4, 9):
        world.source.put(study(f"1.2.{number}"))
    world.poller.poll()
    assert position(world).epoch == 2
    assert len(world.dirty_uids([f"1.2.{number}" for number in range(4, 9)])) == 5


def test_anchors_are_not_compared_at_every_poll(world: World) -> None:
    settled(world)
    world.clock.pass_by(CHECK_EVERY_S)
    world.poller.poll()
    world.source.script.calls.clear()
    world.clock.pass_by(CHECK_EVERY_S - 1)
    world.poller.poll()
    assert world.source.script.calls["changes"] == 1
    world.clock.pass_by(1)
    world.poller.poll()
    assert world.source.script.calls["changes"] == 3


def test_last_alone_begins_no_epoch(world: World) -> None:
    settled(world)
    before = position(world)
    world.source.last = 1
    world.poller.poll()
    assert position(world) == before


def test_cleared_rows_begin_no_epoch_while_a_known_study_stands(world: World) -> None:
    """``DELETE /changes`` takes every anchor away; PostgreSQL may lower ``Last``."""
    settled(world)
    before = position(world)
    world.source.rows.clear()
    world.source.last = 0
    world.source.remove("orthanc-1.2.3")
    world.poller.poll()
    assert position(world) == before


def test_cleared_rows_and_every_known_study_gone_begin_an_epoch(world: World) -> None:
    settled(world)
    world.source.rows.clear()
    world.source.last = 0
    world.source.studies.clear()
    world.poller.poll()
    assert position(world).epoch == 2


def test_deleting_the_newest_studies_begins_no_epoch(world: World) -> None:
    settled(world)
    before = position(world)
    world.source.remove("orthanc-1.2.3")
    world.source.remove("orthanc-1.2.2")
    world.source.last = 3
    world.poller.poll()
    assert position(world) == before


def test_a_restored_backup_is_found_at_its_first_new_row(world: World) -> None:
    settled(world)
    del world.source.rows[6:], world.source.studies["orthanc-1.2.3"]
    world.source.seq = 6
    world.clock.pass_by(3600)
    before = position(world)
    world.poller.poll()
    assert position(world) == before
    world.source.put(study("1.2.3"), stable=False)
    world.poller.poll()
    assert position(world).epoch == 2
    assert world.dirty_uids(["1.2.3"]) == ["1.2.3"]


def test_an_epoch_that_was_cut_short_is_begun_again(world: World) -> None:
    replaced_by_the_same_studies(world)
    world.source.put(study("1.2.3"))
    world.source.script.next("list_ids", DOWN)
    with pytest.raises(Unavailable):
        world.poller.poll()
    assert position(world).epoch == 1
    world.poller.poll()
    assert position(world).epoch == 2


def test_located_goes_through_all_ids_in_chunks(world: World) -> None:
    for number in range(5):
        world.source.put(study(f"1.2.{number}"))
    ids = world.source.list_ids()
    world.source.remove(ids[2])
    chunks = list(located(world.source, ids, chunk=2))
    assert [[location.location_id for location in chunk] for chunk in chunks] == [ids[:2], ids[3:4], ids[4:]]


def test_a_row_of_a_kind_that_is_not_known_is_passed_by(world: World) -> None:
    row = Change(seq=1, change_type="Unheard", level=None, location_id="x", date="20231114T221320")
    world.source.rows.append(row)
    world.source.seq = 1
    assert world.poller.poll() == 1
    assert position(world).low == 1
