"""Due work: taken under a lease, given back, waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Double, Text, bindparam, case, exists, func, or_, select, update

from indexer.ledger import locations, target_state
from indexer.ledger.database import chunks
from indexer.ledger.schema import SOURCE_NOT_CONFIGURED, dirty, location
from indexer.model import Lane, Task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Row, Select, Update

    from indexer.model import StudyLocation

# Nothing is put off for so long on purpose: the clock was set back since. The study is due.
HORIZON_S = 7 * 86400.0

# Studies that another pipeline reads are looked past so often in one transaction.
_WALKS = 100

NO_LEASE: dict[str, Any] = {"lease_until": None, "taken_generation": None}


def take(
    transaction: Connection,
    target_id: int | None,
    now: float,
    limit: int,
    lease_s: float,
    *,
    source: str,
    sources: Sequence[str],
    lanes: Iterable[Lane] = Lane,
) -> tuple[Task, ...]:
    """Lease due studies that this source's pipeline reads: live before backfill, oldest due first."""
    tasks: list[Task] = []
    for _ in range(_WALKS):
        rows = _due(transaction, source, now, limit - len(tasks), lanes)
        locations_of = locations.of_studies(transaction, [row.study_instance_uid for row in rows])
        strays = _send_home(transaction, source, sources, locations_of)
        rows = [row for row in rows if row.study_instance_uid not in strays]
        tasks += _leased(transaction, target_id, now + lease_s, rows, locations_of)
        if not strays:
            break
    return tuple(tasks)


def _send_home(
    transaction: Connection, source: str, sources: Sequence[str], locations_of: Mapping[str, Sequence[StudyLocation]]
) -> Collection[str]:
    """Correct the source of studies that another pipeline reads, or none, since the configured order changed."""
    strays: dict[str, str] = {}
    for uid, stands in locations_of.items():
        names = {location.source for location in stands}
        home = next((name for name in sources if name in names), min(names))
        if home != source:
            strays[uid] = home
    if strays:
        cause = func.coalesce(bindparam("stray_cause", type_=Text), dirty.c.last_cause)
        stray = update(dirty).where(dirty.c.study_instance_uid == bindparam("stray_uid"))
        causes = {home: None if home in sources else SOURCE_NOT_CONFIGURED for home in strays.values()}
        rows = [{"stray_uid": uid, "stray_home": home, "stray_cause": causes[home]} for uid, home in strays.items()]
        transaction.execute(stray.values(source=bindparam("stray_home"), last_cause=cause), rows)
    return strays.keys()


def _leased(
    transaction: Connection,
    target_id: int | None,
    until: float,
    rows: Sequence[Row[Any]],
    locations_of: Mapping[str, tuple[StudyLocation, ...]],
) -> list[Task]:
    uids = [row.study_instance_uid for row in rows]
    for some in chunks(uids):
        lease = {"lease_until": until, "taken_generation": dirty.c.generation}
        transaction.execute(update(dirty).where(dirty.c.study_instance_uid.in_(some)).values(lease))
    published = target_state.published(transaction, target_id, uids)
    return [
        Task(
            study_instance_uid=row.study_instance_uid,
            generation=row.generation,
            locations=locations_of.get(row.study_instance_uid, ()),
            lane=Lane(row.lane),
            reason=row.reason,
            attempts=row.attempts,
            first_event_at=row.first_event_at,
            force=row.force,
            is_abandoned=row.is_abandoned,
            published=published.get(row.study_instance_uid),
        )
        for row in rows
    ]


def _due(transaction: Connection, source: str, now: float, limit: int, lanes: Iterable[Lane]) -> list[Row[Any]]:
    """Rows to take. One question per lane and range: each is a walk along the index that ends at the limit."""
    rows: list[Row[Any]] = []
    for lane in lanes:
        free = free_rows(source, lane, now)
        for is_due in (dirty.c.due_at <= now, dirty.c.due_at > now + HORIZON_S):
            rows += transaction.execute(free.where(is_due).limit(max(limit - len(rows), 0))).all()
    return rows


def free_rows(source: str, lane: Lane, now: float) -> Select[Any]:
    """Dirty studies of a source's lane without a lease that still runs, oldest due first."""
    is_free = or_(dirty.c.lease_until.is_(None), dirty.c.lease_until <= now)
    here = dirty.c.source == source, dirty.c.lane == int(lane)
    return select(dirty).where(*here, is_free).order_by(dirty.c.due_at)


def next_due(transaction: Connection, source: str, now: float) -> float | None:
    """Seconds until a study of a source can be taken that is not leased; None if there is no such study."""
    moments: list[float] = []
    for lane in Lane:
        first = free_rows(source, lane, now).with_only_columns(dirty.c.due_at).limit(1)
        if transaction.scalar(first.where(dirty.c.due_at > now + HORIZON_S)) is not None:
            return 0.0
        moments += transaction.scalars(first)
    return max(min(moments) - now, 0.0) if moments else None


def defer_unconfigured(transaction: Connection, sources: Sequence[str]) -> None:
    """What is dirty at a source that is not configured goes to one that is and has it, or else says why it waits."""
    name = transaction.scalar(select(func.min(dirty.c.source)))
    while name is not None:
        if name not in sources:
            _defer_all(transaction, name, sources)
        name = transaction.scalar(select(func.min(dirty.c.source)).where(dirty.c.source > name))


def _defer_all(transaction: Connection, source: str, sources: Sequence[str]) -> None:
    here = update(dirty).where(dirty.c.source == source)
    home = locations.home(dirty.c.study_instance_uid, sources)
    stands = exists().where(location.c.study_instance_uid == dirty.c.study_instance_uid)
    transaction.execute(here.where(or_(home.is_not(None), ~stands)).values(source=func.coalesce(home, sources[0])))
    untold = dirty.c.last_cause.is_distinct_from(SOURCE_NOT_CONFIGURED)
    transaction.execute(here.where(untold).values(last_cause=SOURCE_NOT_CONFIGURED))


def end_lease(transaction: Connection, tasks: Sequence[Task]) -> None:
    """End the leases of published studies; what was marked since begins a wait of its own."""
    if tasks:
        transaction.execute(_under_lease().values(NO_LEASE), [_key(task) for task in tasks])


def give_back(transaction: Connection, tasks: Sequence[Task]) -> None:
    """End leases of studies that were not published: they have waited since the first mark of the task."""
    first = bindparam("task_first", type_=Double)
    earlier = case((dirty.c.first_event_at > first, first), else_=dirty.c.first_event_at)
    rows = [_key(task) | {"task_first": task.first_event_at} for task in tasks]
    if rows:
        transaction.execute(_under_lease().values(NO_LEASE | {"first_event_at": earlier}), rows)


def _under_lease() -> Update:
    """UPDATE of a task's row, unless its lease ran out and was given for a newer generation since."""
    same_study = dirty.c.study_instance_uid == bindparam("task_uid")
    return update(dirty).where(same_study, dirty.c.taken_generation == bindparam("task_generation"))


def _key(task: Task) -> dict[str, Any]:
    return {"task_uid": task.study_instance_uid, "task_generation": task.generation}


def end_leases(transaction: Connection) -> None:
    """End all leases: their owner is dead, and may have sent what it did not settle."""
    transaction.execute(update(dirty).where(dirty.c.lease_until.is_not(None)).values(NO_LEASE | {"is_abandoned": True}))
