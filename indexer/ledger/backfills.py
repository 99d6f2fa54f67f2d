"""Backfill runs: their marks, their progress, their rate."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update

from indexer.ledger import marks as marking
from indexer.ledger.schema import backfill, dirty, quarantine
from indexer.model import BackfillRun
from indexer.model.ledger import BackfillProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from indexer.model import Mark

_RUN = [backfill.c[field.name] for field in dataclasses.fields(BackfillRun)]


def begin(transaction: Connection, digest: str, now: float, rate: float | None) -> BackfillRun:
    """The newest unfinished run of the same options, with the rate asked for now, or a new one."""
    unfinished = (backfill.c.digest == digest, backfill.c.finished_at.is_(None))
    run_id = transaction.scalar(select(func.max(backfill.c.run_id)).where(*unfinished))
    if run_id is None:
        values = {"cursor": "", "feed_position": "", "marked": 0, "is_marked": False, "started_at": now, "instances": 0}
        made = insert(backfill).values(digest=digest, **values).returning(backfill.c.run_id)
        run_id = transaction.scalars(made).one()
    return _change(transaction, run_id, {"rate": rate})


def mark(
    transaction: Connection,
    run: BackfillRun,
    marks: Sequence[Mark],
    cursor: str,
    now: float,
    *,
    feed_position: str = "",
) -> BackfillRun:
    """Mark a chunk for a run and move its cursor, together."""
    marking.mark(transaction, marks, now, run.run_id)
    values = {"cursor": cursor, "feed_position": feed_position, "marked": backfill.c.marked + len(marks)}
    return _change(transaction, run.run_id, values)


def marked(transaction: Connection, run: BackfillRun) -> BackfillRun:
    """All marks of the run are made."""
    return _change(transaction, run.run_id, {"is_marked": True})


def finish(transaction: Connection, run: BackfillRun, now: float) -> None:
    """Nothing of the run is dirty any more."""
    _change(transaction, run.run_id, {"finished_at": now})


def _change(transaction: Connection, run_id: int, values: dict[str, Any]) -> BackfillRun:
    changed = update(backfill).where(backfill.c.run_id == run_id).values(values).returning(*_RUN)
    return BackfillRun(**transaction.execute(changed).mappings().one())


def progress(transaction: Connection, run: BackfillRun) -> BackfillProgress:
    """How far the run is."""
    counters = select(backfill.c.marked, backfill.c.instances).where(backfill.c.run_id == run.run_id)
    marked, instances = transaction.execute(counters).one()
    return BackfillProgress(
        marked=marked,
        remaining=_count(transaction, dirty.c.run_id == run.run_id),
        quarantined=_count(transaction, quarantine.c.run_id == run.run_id),
        instances=instances,
    )


def _count(transaction: Connection, condition: ColumnElement[bool]) -> int:
    return transaction.scalar(select(func.count()).where(condition)) or 0


def rate(transaction: Connection) -> float | None:
    """Lowest rate that an unfinished run asks for, in studies per second."""
    is_under_way = select(dirty.c.run_id).where(dirty.c.run_id == backfill.c.run_id).exists()
    lowest: float | None = transaction.scalar(select(func.min(backfill.c.rate)).where(is_under_way))
    return lowest
