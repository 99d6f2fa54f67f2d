"""Due work: taken under a lease, given back, waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Double, bindparam, case, or_, select, update

from indexer.ledger import locations, target_state
from indexer.ledger.database import chunks
from indexer.ledger.schema import dirty
from indexer.model import Lane, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Row, Select, Update

# Nothing is put off for so long on purpose: the clock was set back since. The study is due.
HORIZON_S = 7 * 86400.0

NO_LEASE: dict[str, Any] = {"lease_until": None, "taken_generation": None}


def take(
    transaction: Connection, target_id: int, now: float, limit: int, lease_s: float, lanes: Iterable[Lane] = Lane
) -> tuple[Task, ...]:
    """Lease due studies of these lanes: live before backfill, oldest due first."""
    rows = _due(transaction, now, limit, lanes)
    uids = [row.study_instance_uid for row in rows]
    for some in chunks(uids):
        lease = {"lease_until": now + lease_s, "taken_generation": dirty.c.generation}
        transaction.execute(update(dirty).where(dirty.c.study_instance_uid.in_(some)).values(lease))
    published = target_state.published(transaction, target_id, uids)
    stands = locations.of_studies(transaction, uids)
    return tuple(
        Task(
            study_instance_uid=row.study_instance_uid,
            generation=row.generation,
            locations=stands.get(row.study_instance_uid, ()),
            lane=Lane(row.lane),
            reason=row.reason,
            attempts=row.attempts,
            first_event_at=row.first_event_at,
            force=row.force,
            is_abandoned=row.is_abandoned,
            published=published.get(row.study_instance_uid),
        )
        for row in rows
    )


def _due(transaction: Connection, now: float, limit: int, lanes: Iterable[Lane]) -> list[Row[Any]]:
    """Rows to take. One question per lane and range: each is a walk along the index that ends at the limit."""
    rows: list[Row[Any]] = []
    for lane in lanes:
        free = free_rows(lane, now)
        for is_due in (dirty.c.due_at <= now, dirty.c.due_at > now + HORIZON_S):
            rows += transaction.execute(free.where(is_due).limit(max(limit - len(rows), 0))).all()
    return rows


def free_rows(lane: Lane, now: float) -> Select[Any]:
    """Dirty studies of a lane without a lease that still runs, oldest due first."""
    is_free = or_(dirty.c.lease_until.is_(None), dirty.c.lease_until <= now)
    return select(dirty).where(dirty.c.lane == int(lane), is_free).order_by(dirty.c.due_at)


def next_due(transaction: Connection, now: float) -> float | None:
    """Seconds until a study can be taken that is not leased; None if there is no such study."""
    moments: list[float] = []
    for lane in Lane:
        first = free_rows(lane, now).with_only_columns(dirty.c.due_at).limit(1)
        if transaction.scalar(first.where(dirty.c.due_at > now + HORIZON_S)) is not None:
            return 0.0
        moments += transaction.scalars(first)
    return max(min(moments) - now, 0.0) if moments else None


def end_lease(transaction: Connection, tasks: Sequence[Task]) -> None:
    """End the leases of published studies; what was marked since begins a wait of its own."""
    if tasks:
        transaction.execute(_leased().values(NO_LEASE), [_key(task) for task in tasks])


def give_back(transaction: Connection, tasks: Sequence[Task]) -> None:
    """End leases of studies that were not published: they have waited since the first mark of the task."""
    first = bindparam("task_first", type_=Double)
    earlier = case((dirty.c.first_event_at > first, first), else_=dirty.c.first_event_at)
    rows = [_key(task) | {"task_first": task.first_event_at} for task in tasks]
    if rows:
        transaction.execute(_leased().values(NO_LEASE | {"first_event_at": earlier}), rows)


def _leased() -> Update:
    """UPDATE of a task's row, unless its lease ran out and was given for a newer generation since."""
    same_study = dirty.c.study_instance_uid == bindparam("task_uid")
    return update(dirty).where(same_study, dirty.c.taken_generation == bindparam("task_generation"))


def _key(task: Task) -> dict[str, Any]:
    return {"task_uid": task.study_instance_uid, "task_generation": task.generation}


def end_leases(transaction: Connection) -> None:
    """End all leases: their owner is dead, and may have sent what it did not settle."""
    transaction.execute(update(dirty).where(dirty.c.lease_until.is_not(None)).values(NO_LEASE | {"is_abandoned": True}))
