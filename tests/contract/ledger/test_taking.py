"""Which studies are taken, in what order, and for how long."""

import pytest

from indexer.ledger import Ledger
from indexer.model import Lane
from tests.contract.ledger.values import (
    LEASE_S,
    TAKE,
    backfill_mark,
    deferred,
    dirty,
    mark,
    marks,
    next_due,
    play,
    published,
    settled,
    take,
    take_one,
    taken_uids,
)

DAY_S = 86400.0


def test_live_studies_go_before_a_backfill_and_the_oldest_first(ledger: Ledger) -> None:
    ledger.mark([backfill_mark(f"1.{number}") for number in range(50)], 1000.0)
    ledger.mark([mark("2.1", quiet_s=2.0, max_wait_s=9.0), mark("2.2", quiet_s=1.0, max_wait_s=9.0)], 1001.0)
    assert taken_uids(ledger, 1003.0, limit=3)[:2] == ["2.2", "2.1"]


def test_one_lane_is_taken_when_asked(ledger: Ledger) -> None:
    ledger.mark([backfill_mark("1.1"), mark("2.1")], 1000.0)
    (live,) = take(ledger, 1000.0, lane=Lane.LIVE)
    (backfilled,) = take(ledger, 1000.0, lane=Lane.BACKFILL)
    assert (live.study_instance_uid, backfilled.study_instance_uid) == ("2.1", "1.1")


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_never_more_than_the_limit(ledger: Ledger, limit: int) -> None:
    ledger.mark(marks(f"1.{number}" for number in range(5)), 1000.0)
    ledger.mark([backfill_mark(f"2.{number}") for number in range(5)], 1000.0)
    assert len(take(ledger, 1000.0, limit)) == limit


def test_a_taken_study_is_not_taken_again_until_its_lease_ends(ledger: Ledger) -> None:
    ledger.mark([mark()], 1000.0)
    assert len(take(ledger, 1000.0, lease_s=60.0)) == 1
    ledger.mark([mark()], 1001.0)
    assert take(ledger, 1059.0) == ()
    assert dirty(ledger).is_leased
    assert len(take(ledger, 1060.0)) == 1


def test_a_task_tells_all_that_its_reader_needs(ledger: Ledger) -> None:
    task = play(ledger, mark(), TAKE, settled, (1002.0, mark(reason="StableStudy", force=True)), TAKE)
    assert (task.generation, task.lane, task.reason, task.force) == (2, Lane.LIVE, "StableStudy", True)
    assert (task.attempts, task.first_event_at, task.published) == (0, 1002.0, published())
    assert [one.study_instance_uid for one in task.locations] == ["1.2.3"]


def test_a_clock_that_was_set_back_holds_nothing_up(ledger: Ledger) -> None:
    ledger.mark([mark("1.1", quiet_s=70.0, max_wait_s=900.0)], 1000.0 + 365 * DAY_S)
    ledger.mark([mark("1.2", quiet_s=6 * DAY_S, max_wait_s=9 * DAY_S)], 1000.0)
    assert next_due(ledger, 1000.0) == 0.0
    assert taken_uids(ledger, 1000.0) == ["1.1"]


def test_next_due_tells_how_long_to_wait(ledger: Ledger) -> None:
    assert next_due(ledger, 1000.0) is None
    ledger.mark([mark("1.1", quiet_s=70.0, max_wait_s=900.0)], 1000.0)
    ledger.mark([mark("1.2", lane=Lane.BACKFILL, quiet_s=50.0, max_wait_s=900.0)], 1000.0)
    assert next_due(ledger, 1010.0) == 40.0
    assert next_due(ledger, 1050.0) == 0.0
    assert taken_uids(ledger, 1069.0) == ["1.2"]
    assert next_due(ledger, 1069.0) == 1.0
    assert taken_uids(ledger, 1070.0) == ["1.1"]
    assert next_due(ledger, 1080.0) is None
    assert next_due(ledger, 1069.0 + LEASE_S) == 0.0


def test_deferred_work_comes_back_at_its_time(ledger: Ledger) -> None:
    ledger.mark([mark()], 1000.0)
    for failures in range(3):
        task = take_one(ledger, 2000.0)
        assert task.attempts == failures
        ledger.settle([deferred(30.0)(task)], 1970.0)
    ledger.settle([deferred(30.0, counts=False)(take_one(ledger, 2000.0))], 2000.0)
    assert next_due(ledger, 2000.0) == 30.0
    assert take_one(ledger, 2030.0).attempts == 3


def test_more_keys_than_one_statement_takes(ledger: Ledger) -> None:
    uids = [f"1.{number}" for number in range(1201)]
    ledger.mark(marks(uids), 1000.0)
    tasks = take(ledger, 1000.0, limit=2000)
    assert len(tasks) == 1201
    ledger.settle([settled(task, patient_key=task.study_instance_uid) for task in tasks], 1001.0)
    assert ledger.published(uids).keys() == ledger.published_uids() == set(uids)
    assert next_due(ledger, 1001.0) is None
