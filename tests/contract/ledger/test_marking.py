"""What a mark does to a study that is clean, dirty, deferred or being read."""

import pytest

from indexer.ledger import Ledger
from indexer.model import Deferred, Lane
from indexer.model.ledger import DirtyRow
from tests.contract.ledger.values import (
    backfill_mark,
    location,
    mark,
    next_due,
    settled,
    take,
    take_one,
    taken_uids,
)


def dirty(ledger: Ledger, uid: str = "1.2.3") -> DirtyRow:
    row = ledger.study(uid)
    assert row is not None
    assert row.dirty is not None
    return row.dirty


def test_a_new_mark_waits_for_quiet(ledger: Ledger) -> None:
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], now=1000.0)
    assert dirty(ledger) == DirtyRow(
        generation=1,
        lane=Lane.LIVE,
        reason="NewInstance",
        first_event_at=1000.0,
        last_event_at=1000.0,
        due_at=1070.0,
        attempts=0,
        last_cause=None,
        is_leased=False,
    )


def test_a_restless_study_is_due_at_the_latest_after_the_longest_wait(ledger: Ledger) -> None:
    for now in (1000.0, 1060.0, 1120.0):
        ledger.mark([mark(quiet_s=70.0, max_wait_s=150.0)], now)
    assert (dirty(ledger).generation, dirty(ledger).first_event_at) == (3, 1000.0)
    assert (dirty(ledger).last_event_at, dirty(ledger).due_at) == (1120.0, 1150.0)


def test_a_stable_study_is_due_at_once_and_a_later_instance_makes_it_wait_again(ledger: Ledger) -> None:
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1000.0)
    ledger.mark([mark(reason="StableStudy", max_wait_s=900.0)], 1010.0)
    assert (dirty(ledger).due_at, dirty(ledger).reason) == (1010.0, "StableStudy")
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1020.0)
    assert dirty(ledger).due_at == 1090.0


def test_a_live_mark_takes_a_study_out_of_the_backfill_lane(ledger: Ledger) -> None:
    ledger.mark([backfill_mark()], 1000.0)
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1001.0)
    assert (dirty(ledger).lane, dirty(ledger).reason, dirty(ledger).due_at) == (Lane.LIVE, "NewInstance", 1071.0)


def test_a_backfill_mark_does_not_hurry_a_study_that_settles(ledger: Ledger) -> None:
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1000.0)
    ledger.mark([backfill_mark()], 1001.0)
    row = dirty(ledger)
    assert (row.lane, row.reason, row.due_at, row.generation) == (Lane.LIVE, "NewInstance", 1070.0, 2)


@pytest.mark.parametrize("counts", [True, False])
def test_a_backfill_mark_makes_a_deferred_study_due_at_once(ledger: Ledger, counts: bool) -> None:
    ledger.mark([mark()], 1000.0)
    ledger.settle([Deferred(task=take_one(ledger, 1000.0), due_in_s=3600.0, cause="sick", counts=counts)], 1001.0)
    assert dirty(ledger).due_at == 4601.0
    ledger.mark([backfill_mark()], 1002.0)
    assert (dirty(ledger).due_at, dirty(ledger).attempts) == (1002.0, int(counts))


def test_a_live_mark_gives_a_deferred_study_a_new_start(ledger: Ledger) -> None:
    ledger.mark([mark(max_wait_s=900.0)], 1000.0)
    ledger.settle([Deferred(task=take_one(ledger, 1000.0), due_in_s=3600.0, cause="sick", counts=True)], 1001.0)
    assert (dirty(ledger).attempts, dirty(ledger).last_cause) == (1, "sick")
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1002.0)
    row = dirty(ledger)
    assert (row.due_at, row.attempts, row.last_cause) == (1072.0, 0, None)


def test_force_stays_until_the_study_is_settled(ledger: Ledger) -> None:
    ledger.mark([mark(force=True)], 1000.0)
    ledger.mark([mark()], 1001.0)
    task = take_one(ledger, 1001.0)
    assert task.force
    ledger.settle([settled(task)], 1002.0)
    ledger.mark([mark()], 1003.0)
    assert not take_one(ledger, 1003.0).force


def test_the_first_mark_after_the_study_was_taken_begins_a_new_wait(ledger: Ledger) -> None:
    """Else a study that grows for hours would be written at each change once it had waited for its longest."""
    for now in (1000.0, 1060.0):
        ledger.mark([mark(quiet_s=70.0, max_wait_s=100.0)], now)
    task = take_one(ledger, 1100.0)
    ledger.mark([mark(quiet_s=70.0, max_wait_s=100.0)], 1101.0)
    ledger.mark([mark(quiet_s=70.0, max_wait_s=100.0)], 1105.0)
    ledger.settle([settled(task)], 1106.0)
    row = dirty(ledger)
    assert (row.first_event_at, row.due_at, row.is_leased) == (1101.0, 1175.0, False)


def test_a_study_that_was_not_published_has_waited_since_its_first_mark(ledger: Ledger) -> None:
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1000.0)
    task = take_one(ledger, 1070.0)
    ledger.mark([mark(quiet_s=70.0, max_wait_s=900.0)], 1071.0)
    ledger.settle([Deferred(task=task, due_in_s=5.0, cause="changing")], 1072.0)
    row = dirty(ledger)
    assert (row.first_event_at, row.due_at, row.last_cause) == (1000.0, 1141.0, None)


def test_one_study_in_two_places_is_one_task(ledger: Ledger) -> None:
    here, there, other_patient = location("1.2.3"), location("1.2.3", "second"), location("1.2.3", location_id="other")
    ledger.mark([mark(location=here), mark(location=there)], 1000.0)
    ledger.mark([mark(location=other_patient)], 1001.0)
    task = take_one(ledger, 1001.0)
    assert task.locations == (other_patient, here, there)
    assert task.generation == 3


def test_copies_come_newest_first(ledger: Ledger) -> None:
    for now, uid in enumerate(["1.1", "1.2", "1.3", "1.1"]):
        ledger.mark([mark(uid)], float(now))
    ledger.mark([mark(location=location("1.9", "second"))], 9.0)
    assert ledger.locations("main") == (location("1.1"), location("1.3"), location("1.2"))
    assert ledger.locations("main", 2) == (location("1.1"), location("1.3"))
    assert ledger.locations("nowhere") == ()


def test_marking_nothing_changes_nothing(ledger: Ledger) -> None:
    ledger.mark([], 1000.0)
    assert take(ledger, 2000.0) == ()
    assert next_due(ledger, 2000.0) is None


@pytest.mark.parametrize("uid", ["1.2.3'; DROP TABLE dirty; --", "", "ü\u2028😀", "1" * 900, "%s :name {0}"])
def test_any_text_is_a_key(ledger: Ledger, uid: str) -> None:
    ledger.mark([mark(uid), mark("1.2")], 1000.0)
    assert sorted(taken_uids(ledger, 1000.0)) == sorted([uid, "1.2"])
