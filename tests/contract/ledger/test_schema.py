"""Migrations, refused versions, and the plans of the statements that run all the time."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from indexer.errors import LedgerError
from indexer.ledger import Ledger, migrate, open_ledger, schema, work
from indexer.model import Lane
from tests.contract.ledger.values import (
    TARGET,
    backfill_mark,
    execute,
    mark,
    marks,
    take_one,
)


def test_the_migrations_make_the_tables_of_the_schema(ledger: Ledger) -> None:
    def difference(transaction: Connection) -> list[Any]:
        context = MigrationContext.configure(transaction, opts={"compare_type": True})
        return compare_metadata(context, schema.metadata)

    assert ledger.database.read(difference) == []


def test_the_newest_migration_is_the_one_that_is_checked_for() -> None:
    names = sorted(path.name for path in (migrate.MIGRATIONS / "versions").glob("0*.py"))
    assert names[-1].startswith(f"{migrate.HEAD}_")


def test_a_ledger_is_opened_again_without_a_change(new_url: str) -> None:
    with open_ledger(new_url, TARGET) as ledger:
        ledger.mark([mark()], 1000.0)
    with open_ledger(new_url, TARGET) as ledger:
        assert take_one(ledger, 1000.0).generation == 1


NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{head}"


def upgrade() -> None:
    op.add_column("source", sa.Column("added", sa.Text))
"""


def test_the_next_migration_is_carried_out_and_keeps_what_is_there(
    new_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(new_url, TARGET) as ledger:
        ledger.record_poll("main", 1000.0)
    shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    next_step = NEXT.replace("{head}", migrate.HEAD)
    (tmp_path / "migrations" / "versions" / "9999_next.py").write_text(next_step)
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path / "migrations")
    monkeypatch.setattr(migrate, "HEAD", "9999")
    with open_ledger(new_url, TARGET) as ledger:
        assert execute(ledger, "SELECT version_num FROM alembic_version") == [("9999",)]
        assert execute(ledger, "SELECT name, last_poll_at, added FROM source") == [("main", 1000.0, None)]
    open_ledger(new_url, TARGET).close()


def test_a_newer_ledger_is_refused(new_url: str) -> None:
    with open_ledger(new_url, TARGET) as ledger:
        execute(ledger, "UPDATE alembic_version SET version_num = 'newer'")
    with pytest.raises(LedgerError, match=r"newer version .*newer") as caught:
        open_ledger(new_url, TARGET)
    assert "before the upgrade" in caught.value.hint


def test_many_open_a_new_ledger_at_once(new_url: str) -> None:
    failures: list[Exception] = []

    def begin() -> None:
        try:
            with open_ledger(new_url, TARGET) as ledger:
                keys.add(ledger.site_key())
        except LedgerError as error:
            failures.append(error)

    keys: set[bytes] = set()
    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(keys) == 1


def plan(ledger: Ledger, statement: str) -> str:
    if ledger.database.path:
        rows = execute(ledger, f"EXPLAIN QUERY PLAN {statement}")
    else:
        rows = execute(ledger, "SET LOCAL enable_seqscan = off", f"EXPLAIN {statement}")
    return "\n".join(map(str, rows))


def test_due_work_is_found_by_an_index_in_its_order(ledger: Ledger) -> None:
    ledger.mark(marks(f"1.{number}" for number in range(500)), 1000.0)
    ledger.mark([backfill_mark(f"2.{number}") for number in range(500)], 1000.0)
    query = work.free_rows("main", Lane.LIVE, 1000.0).where(schema.dirty.c.due_at <= 1000.0).limit(10)
    compiled = query.compile(ledger.database.engine, compile_kwargs={"literal_binds": True})
    found = plan(ledger, str(compiled))
    assert "ix_dirty_source_lane_due_at" in found
    assert "TEMP B-TREE" not in found  # SQLite's word for a sort


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT count(*) FROM dirty WHERE run_id = 1", "ix_dirty_run"),
        ("UPDATE dirty SET lease_until = NULL WHERE lease_until IS NOT NULL", "ix_dirty_leased"),
        (
            "SELECT * FROM location WHERE source = 'main' ORDER BY marked_at DESC LIMIT 9",
            "ix_location_source_marked_at",
        ),
        ("SELECT * FROM location WHERE study_instance_uid = '1.2.3'", "ix_location_study_instance_uid"),
    ],
)
def test_frequent_statements_use_their_index(ledger: Ledger, statement: str, index: str) -> None:
    assert index in plan(ledger, statement)
