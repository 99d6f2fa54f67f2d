"""What `status` counts, and what that costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from indexer.ledger import Ledger
from tests.contract.ledger.values import backfill_mark, deferred, mark, marks, settled, take

MANY_ROWS = ("dirty", "published", "quarantine")


@contextmanager
def statements(ledger: Ledger) -> Iterator[list[tuple[str, Any]]]:
    """What is run on a ledger's database, with its parameters."""
    run: list[tuple[str, Any]] = []

    def record(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        run.append((statement, parameters))

    event.listen(ledger.database.engine, "before_cursor_execute", record)
    yield run
    event.remove(ledger.database.engine, "before_cursor_execute", record)


def plan(ledger: Ledger, statement: str, parameters: Any) -> list[str]:
    """The steps of SQLite's plan for a statement."""
    with ledger.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row.detail for row in rows]


def test_a_summary_reads_each_large_table_once_and_no_row_of_a_location(sqlite_ledger: Ledger) -> None:
    sqlite_ledger.mark(marks(f"1.{number}" for number in range(100)), 1000.0)
    sqlite_ledger.settle([settled(task) for task in take(sqlite_ledger, 1000.0, limit=50)], 1001.0)
    with statements(sqlite_ledger) as run:
        sqlite_ledger.summary("main", 1002.0)
    steps = [step for one in run for step in plan(sqlite_ledger, *one)]
    scans = [step for step in steps if step.split()[1] in MANY_ROWS]
    assert sorted(step.split()[1] for step in scans) == sorted(MANY_ROWS)
    probes = [step for step in steps if step.split()[1] == "location"]
    assert len(probes) == len(MANY_ROWS)
    assert all("COVERING INDEX ix_location_study_instance_uid (study_instance_uid=?" in step for step in probes)


def test_a_cause_counts_in_both_lanes(ledger: Ledger) -> None:
    ledger.mark([mark("1.1"), backfill_mark("1.2"), backfill_mark("1.3")], 1000.0)
    first, second, third = take(ledger, 1000.0)
    ledger.settle([deferred(9.0, "sick")(first), deferred(9.0, "sick")(second), deferred(9.0, "away")(third)], 1001.0)
    facts = ledger.summary("main", 1002.0)
    assert facts.waiting == {"away": 1, "sick": 2}
    assert (facts.dirty, facts.dirty_live, facts.oldest_dirty_at) == (3, 1, 1000.0)
