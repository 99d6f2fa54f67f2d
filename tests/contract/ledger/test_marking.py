"""What a mark does to a study that is clean, dirty, deferred or being read."""

from typing import Any

import pytest

from indexer.ledger import Ledger
from indexer.model import Lane
from indexer.model.ledger import DirtyRow
from tests.contract.ledger.values import (
    TAKE,
    backfill_mark,
    deferred,
    dirty,
    location,
    mark,
    play,
    settled,
    take_one,
    taken_uids,
)

LIVE = mark(quiet_s=70.0, max_wait_s=900.0)
RESTLESS = mark(quiet_s=70.0, max_wait_s=150.0)
HASTY = mark(quiet_s=70.0, max_wait_s=100.0)
STABLE = mark(reason="StableStudy", max_wait_s=900.0)
BACKFILL = backfill_mark()


def test_a_new_mark_waits_for_quiet(ledger: Ledger) -> None:
    ledger.mark([LIVE], now=1000.0)
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


MARKED = {
    "a restless study is due at the latest after the longest wait": (
        [(1000.0, RESTLESS), (1060.0, RESTLESS), (1120.0, RESTLESS)],
        {"generation": 3, "first_event_at": 1000.0, "last_event_at": 1120.0, "due_at": 1150.0},
    ),
    "a stable study is due at once": (
        [(1000.0, LIVE), (1010.0, STABLE)],
        {"due_at": 1010.0, "reason": "StableStudy"},
    ),
    "a later instance makes a stable study wait again": (
        [(1000.0, LIVE), (1010.0, STABLE), (1020.0, LIVE)],
        {"due_at": 1090.0},
    ),
    "a live mark takes a study out of the backfill lane": (
        [(1000.0, BACKFILL), (1001.0, LIVE)],
        {"lane": Lane.LIVE, "reason": "NewInstance", "due_at": 1071.0},
    ),
    "a backfill mark does not hurry a study that settles": (
        [(1000.0, LIVE), (1001.0, BACKFILL)],
        {"lane": Lane.LIVE, "reason": "NewInstance", "due_at": 1070.0, "generation": 2},
    ),
    "a deferred study waits": (
        [(1000.0, STABLE), (1000.0, TAKE), (1001.0, deferred(3600.0))],
        {"due_at": 4601.0, "attempts": 1, "last_cause": "sick"},
    ),
    "a backfill mark makes a deferred study due at once": (
        [(1000.0, STABLE), (1000.0, TAKE), (1001.0, deferred(3600.0)), (1002.0, BACKFILL)],
        {"due_at": 1002.0, "attempts": 1},
    ),
    "a backfill mark makes a study due at once that an outage deferred": (
        [(1000.0, STABLE), (1000.0, TAKE), (1001.0, deferred(3600.0, counts=False)), (1002.0, BACKFILL)],
        {"due_at": 1002.0, "attempts": 0},
    ),
    "a live mark gives a deferred study a new start": (
        [(1000.0, STABLE), (1000.0, TAKE), (1001.0, deferred(3600.0)), (1002.0, LIVE)],
        {"due_at": 1072.0, "attempts": 0, "last_cause": None},
    ),
    # Else a study that grows for hours would be written at each change once it had waited for its longest.
    "the first mark after the study was taken begins a new wait": (
        [(1000.0, HASTY), (1060.0, HASTY), (1100.0, TAKE), (1101.0, HASTY), (1105.0, HASTY), (1106.0, settled)],
        {"first_event_at": 1101.0, "due_at": 1175.0, "is_leased": False},
    ),
    "a study that was not published has waited since its first mark": (
        [(1000.0, LIVE), (1070.0, TAKE), (1071.0, LIVE), (1072.0, deferred(5.0, counts=False))],
        {"first_event_at": 1000.0, "due_at": 1141.0, "last_cause": None},
    ),
}


@pytest.mark.parametrize(("steps", "expected"), MARKED.values(), ids=MARKED)
def test_what_a_mark_changes(ledger: Ledger, steps: list[tuple[float, Any]], expected: dict[str, Any]) -> None:
    play(ledger, *steps)
    row = dirty(ledger)
    assert {name: getattr(row, name) for name in expected} == expected


def test_force_stays_until_the_study_is_settled(ledger: Ledger) -> None:
    task = play(ledger, (1000.0, mark(force=True)), (1001.0, mark()), (1001.0, TAKE))
    assert task.force
    ledger.settle([settled(task)], 1002.0)
    assert not play(ledger, (1003.0, mark()), (1003.0, TAKE)).force


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


@pytest.mark.parametrize("uid", ["1.2.3'; DROP TABLE dirty; --", "", "ü\u2028😀", "1" * 900, "%s :name {0}"])
def test_any_text_is_a_key(ledger: Ledger, uid: str) -> None:
    ledger.mark([mark(uid), mark("1.2")], 1000.0)
    assert sorted(taken_uids(ledger, 1000.0)) == sorted([uid, "1.2"])
