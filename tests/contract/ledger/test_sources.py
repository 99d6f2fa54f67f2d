"""Each source has work of its own: the studies of which it is the first, in the configured order, that has them."""

import sqlite3
from collections.abc import Sequence

import pytest
from sqlalchemy import event

from indexer.ledger import Ledger
from indexer.model import Deferred, Lane, Mark
from tests.contract.ledger.values import dirty, execute, location, mark, marks, quarantined, take

ORDER = ("main", "second")


def at(source: str, uid: str, lane: Lane = Lane.LIVE) -> Mark:
    return mark(uid, location=location(uid, source), lane=lane)


def taken(ledger: Ledger, source: str, sources: Sequence[str] = ORDER, limit: int = 100) -> list[str]:
    tasks = take(ledger, 1000.0, limit, source=source, sources=sources)
    return [task.study_instance_uid for task in tasks]


def home(ledger: Ledger, uid: str) -> str:
    ((source,),) = execute(ledger, f"SELECT source FROM dirty WHERE study_instance_uid = '{uid}'")
    return str(source)


def cause(ledger: Ledger, uid: str) -> str | None:
    return dirty(ledger, uid).last_cause


def test_a_source_takes_its_own_studies_only(ledger: Ledger) -> None:
    ledger.mark([at("main", "1.1"), at("second", "1.2"), at("second", "1.3", Lane.BACKFILL)], 1000.0)
    assert ledger.next_due(1000.0, source="second") == 0.0
    assert ledger.next_due(1000.0, source="third") is None
    assert taken(ledger, "second") == ["1.2", "1.3"]
    assert ledger.next_due(1000.0, source="second") is None
    assert taken(ledger, "main") == ["1.1"]


@pytest.mark.parametrize("order", [ORDER, ORDER[::-1]])
def test_a_study_of_two_sources_is_read_by_the_first_in_the_configured_order(
    ledger: Ledger, order: tuple[str, str]
) -> None:
    """Whoever marked it first; a study that is due at the other one is sent home when that one takes."""
    ledger.mark([at("main", "1.1"), at("second", "1.1"), at("second", "1.2"), at("main", "1.2")], 1000.0)
    first, other = order
    assert taken(ledger, other, order) == []
    assert [home(ledger, uid) for uid in ("1.1", "1.2")] == [first, first]
    assert sorted(taken(ledger, first, order)) == ["1.1", "1.2"]


def test_strays_do_not_hold_up_what_is_behind_them(ledger: Ledger) -> None:
    ledger.mark([at(source, f"1.{number}") for number in range(50) for source in ORDER[::-1]], 1000.0)
    ledger.mark([at("second", "2.1")], 1000.0)
    assert taken(ledger, "second", limit=3) == ["2.1"]
    assert len(taken(ledger, "main")) == 50


def test_a_study_that_went_from_the_first_source_goes_to_the_next(ledger: Ledger) -> None:
    ledger.mark([at(source, "1.1") for source in ORDER[::-1]], 1000.0)
    execute(ledger, "DELETE FROM location WHERE source = 'main'")
    assert taken(ledger, "main") == []
    assert taken(ledger, "second") == ["1.1"]


def test_a_study_that_stands_nowhere_is_taken_where_it_was_marked(ledger: Ledger) -> None:
    ledger.mark([at("main", "1.1")], 1000.0)
    execute(ledger, "DELETE FROM location")
    assert taken(ledger, "main") == ["1.1"]


def test_what_no_configured_source_has_says_so(ledger: Ledger) -> None:
    ledger.mark([at("gone", "1.1"), at("second", "1.2"), at("gone", "1.3"), at("main", "1.4")], 1000.0)
    ledger.mark([at("second", "1.3")], 1000.0)
    ledger.defer_unconfigured(ORDER)
    assert [cause(ledger, f"1.{number}") for number in range(1, 5)] == ["source_not_configured", None, None, None]
    assert ledger.summary("gone", 1001.0).waiting == {"source_not_configured": 1}
    assert sorted(taken(ledger, "second")) == ["1.2", "1.3"]
    assert taken(ledger, "main") == ["1.4"]
    assert taken(ledger, "gone", ("gone", *ORDER)) == ["1.1"], "it is back, under its former name"


def test_what_no_configured_source_has_any_more_says_so_when_it_is_met(ledger: Ledger) -> None:
    ledger.mark([at("gone", "1.1")], 1000.0)
    execute(ledger, "UPDATE dirty SET source = 'main'")
    assert taken(ledger, "main") == []
    assert (home(ledger, "1.1"), cause(ledger, "1.1")) == ("gone", "source_not_configured")


@pytest.mark.parametrize("lane", list(Lane))
def test_a_mark_of_a_source_that_is_there_frees_a_study_of_one_that_is_not(ledger: Ledger, lane: Lane) -> None:
    ledger.mark([at("gone", "1.1")], 1000.0)
    ledger.defer_unconfigured(ORDER)
    ledger.mark([at("second", "1.1", lane)], 1000.0)
    assert cause(ledger, "1.1") is None
    assert taken(ledger, "second") == ["1.1"]


def test_what_is_replayed_is_due_where_it_is_read(ledger: Ledger) -> None:
    ledger.mark([at("main", "1.1"), at("second", "1.1"), at("second", "1.2")], 1000.0)
    tasks = [*take(ledger, 1000.0, sources=ORDER), *take(ledger, 1000.0, source="second", sources=ORDER)]
    ledger.settle([quarantined(task) for task in tasks], 1000.0)
    assert ledger.replay([], 1000.0, sources=ORDER) == 2
    assert taken(ledger, "second") == ["1.2"]
    assert taken(ledger, "main") == ["1.1"]


def test_the_due_studies_of_one_source_cost_another_nothing(ledger: Ledger) -> None:
    """Rows that are read, not time: a million marks of a dead source must not be looked through."""
    if ledger.database.path is None:
        pytest.skip("only SQLite counts its steps; the same index stands in PostgreSQL (test_schema)")
    ledger.mark([at("second", "2.1")], 1000.0)
    _steps(ledger)  # the first settlement makes the target
    few = _steps(ledger)
    ledger.mark(marks(f"1.{number}" for number in range(5000)), 1000.0)
    ledger.mark([at("second", "2.1")], 1000.0)
    assert _steps(ledger) <= 1.1 * few


def _steps(ledger: Ledger) -> int:
    """Tens of steps of SQLite's machine that one round of taking needs; its task is given back."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def watch(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_progress_handler(count, 10)

    event.listen(ledger.database.engine, "checkout", watch)
    (task,) = take(ledger, 1000.0, source="second", sources=ORDER)
    assert ledger.next_due(1000.0, source="second") is None
    event.remove(ledger.database.engine, "checkout", watch)
    taken_in = steps
    ledger.settle([Deferred(task=task, due_in_s=0.0, cause="away")], 1000.0)
    return taken_in
