"""Backfill runs: their marks, their progress, their rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update

from indexer.ledger import mark as marking
from indexer.ledger.schema import backfill, dirty, quarantine
from indexer.model import BackfillRun
from indexer.model.ledger import BackfillProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from indexer.model import Mark


def begin(transaction: Connection, digest: str, now: float, rate: float | None) -> BackfillRun:
    """The newest unfinished run of the same options, with the rate asked for now, or a new one."""
    unfinished = (backfill.c.digest == digest, backfill.c.finished_at.is_(None))
    run_id = transaction.scalar(select(func.max(backfill.c.run_id)).where(*unfinished))
    if run_id is None:
        values = {"cursor": "", "marked": 0, "is_marked": False, "started_at": now, "instances": 0}
        made = insert(backfill).values(digest=digest, rate=rate, **values).returning(backfill.c.run_id)
        run_id = transaction.scalars(made).one()
    return _change(transaction, run_id, {"rate": rate})


def mark(transaction: Connection, run: BackfillRun, some: Sequence[Mark], cursor: str, now: float) -> BackfillRun:
    """Mark a chunk for a run and move its cursor."""
    marking.mark(transaction, some, now, run.run_id)
    return _change(transaction, run.run_id, {"cursor": cursor, "marked": backfill.c.marked + len(some)})


def marked(transaction: Connection, run: BackfillRun) -> BackfillRun:
    """All marks of the run are made."""
    return _change(transaction, run.run_id, {"is_marked": True})


def finish(transaction: Connection, run: BackfillRun, now: float) -> None:
    """The run is over."""
    _change(transaction, run.run_id, {"finished_at": now})


def _change(transaction: Connection, run_id: int, values: dict[str, Any]) -> BackfillRun:
    transaction.execute(update(backfill).where(backfill.c.run_id == run_id).values(values))
    row = transaction.execute(select(backfill).where(backfill.c.run_id == run_id)).one()
    return BackfillRun(
        run_id=row.run_id,
        digest=row.digest,
        cursor=row.cursor,
        marked=row.marked,
        is_marked=row.is_marked,
        started_at=row.started_at,
        rate=row.rate,
    )


def progress(transaction: Connection, run: BackfillRun) -> BackfillProgress:
    """How far the run is."""
    row = transaction.execute(
        select(backfill.c.marked, backfill.c.instances).where(backfill.c.run_id == run.run_id)
    ).one()
    return BackfillProgress(
        marked=row.marked,
        remaining=_count(transaction, dirty.c.run_id == run.run_id),
        quarantined=_count(transaction, quarantine.c.run_id == run.run_id),
        instances=row.instances,
    )


def _count(transaction: Connection, condition: ColumnElement[bool]) -> int:
    return transaction.scalar(select(func.count()).where(condition)) or 0


def rate(transaction: Connection) -> float | None:
    """Lowest rate that a run asks for whose studies are not all settled."""
    is_under_way = select(dirty.c.run_id).where(dirty.c.run_id == backfill.c.run_id).exists()
    lowest: float | None = transaction.scalar(select(func.min(backfill.c.rate)).where(is_under_way))
    return lowest
