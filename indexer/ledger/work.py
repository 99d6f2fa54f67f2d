"""Due work: taken under a lease, waited for, settled."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Double, Table, Text, bindparam, case, delete, exists, func, or_, select, update

from indexer.ledger import locations, retries, targets
from indexer.ledger.database import chunks, put
from indexer.ledger.schema import SOURCE_NOT_CONFIGURED, backfill, dirty, location, quarantine
from indexer.ledger.schema import source as source_table
from indexer.model import Deferred, Dropped, Lane, Quarantined, Settled, Task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Row, Select

    from indexer.model import Settlement, StudyLocation

# Nothing is put off for so long on purpose: the clock was set back since. The study is due.
HORIZON_S = 7 * 86400.0

# Studies that another pipeline reads are looked past so often in one transaction.
_WALKS = 100

_NO_LEASE: dict[str, Any] = {"lease_until": None, "taken_generation": None}

_Runs = dict[str, int | None]
_Locations = dict[str, tuple["StudyLocation", ...]]


def take(
    transaction: Connection,
    target_id: int | None,
    now: float,
    limit: int,
    lease_s: float,
    *,
    source: str,
    sources: Sequence[str],
    lane: Lane | None = None,
) -> tuple[Task, ...]:
    """Lease due studies that one source's pipeline reads: live before backfill, oldest due first.

    Parameters
    ----------
    sources
        The configured ones in their order; the first of them that has a study reads it.
    lane
        Studies of this lane only.
    """
    tasks: list[Task] = []
    for _ in range(_WALKS):
        rows = _due(transaction, source, now, limit - len(tasks), Lane if lane is None else [lane])
        stands = locations.of_studies(transaction, [row.study_instance_uid for row in rows])
        strays = _send_home(transaction, source, sources, stands)
        rows = [row for row in rows if row.study_instance_uid not in strays]
        tasks += _leased(transaction, target_id, now + lease_s, rows, stands)
        if not strays:
            break
    return tuple(tasks)


def _send_home(
    transaction: Connection, source: str, sources: Sequence[str], stands: Mapping[str, Sequence[StudyLocation]]
) -> Collection[str]:
    """Correct the source of studies that another pipeline reads, or none, since the configured order changed."""
    strays: dict[str, dict[str, str | None]] = {}
    for uid, places in stands.items():
        home = locations.reader(places, sources) or min((place.source for place in places), default=source)
        if home != source:
            told = None if home in sources else SOURCE_NOT_CONFIGURED
            strays[uid] = {"stray_uid": uid, "stray_home": home, "stray_cause": told}
    if strays:
        cause = func.coalesce(bindparam("stray_cause", type_=Text), dirty.c.last_cause)
        stray = update(dirty).where(dirty.c.study_instance_uid == bindparam("stray_uid"))
        transaction.execute(stray.values(source=bindparam("stray_home"), last_cause=cause), list(strays.values()))
    return strays.keys()


def _leased(
    transaction: Connection, target_id: int | None, until: float, rows: Sequence[Row[Any]], stands: _Locations
) -> list[Task]:
    uids = [row.study_instance_uid for row in rows]
    for chunk in chunks(uids):
        lease = {"lease_until": until, "taken_generation": dirty.c.generation}
        transaction.execute(update(dirty).where(dirty.c.study_instance_uid.in_(chunk)).values(lease))
    published = targets.published(transaction, target_id, uids)
    return [
        Task(
            study_instance_uid=row.study_instance_uid,
            generation=row.generation,
            locations=stands[row.study_instance_uid],
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


def next_due(transaction: Connection, now: float, *, source: str) -> float | None:
    """Seconds until a study of a source is due that is not leased; None if nothing else of it is dirty."""
    moments: list[float] = []
    for lane in Lane:
        first = free_rows(source, lane, now).with_only_columns(dirty.c.due_at).limit(1)
        if transaction.scalar(first.where(dirty.c.due_at > now + HORIZON_S)) is not None:
            return 0.0
        moments += transaction.scalars(first)
    return max(min(moments) - now, 0.0) if moments else None


def defer_unconfigured(transaction: Connection, sources: Sequence[str]) -> None:
    """What is dirty at a source that is not configured goes to one that is and has it, or else says why it waits."""
    here = update(dirty).where(dirty.c.source.not_in(sources))
    home = locations.reader_of(dirty.c.study_instance_uid, sources)
    stands = exists().where(location.c.study_instance_uid == dirty.c.study_instance_uid)
    transaction.execute(here.where(or_(home.is_not(None), ~stands)).values(source=func.coalesce(home, sources[0])))
    untold = dirty.c.last_cause.is_distinct_from(SOURCE_NOT_CONFIGURED)
    transaction.execute(here.where(untold).values(last_cause=SOURCE_NOT_CONFIGURED))


def end_leases(transaction: Connection) -> None:
    """End all leases: their owner is dead, and may have sent what it did not settle."""
    transaction.execute(
        update(dirty).where(dirty.c.lease_until.is_not(None)).values(_NO_LEASE | {"is_abandoned": True})
    )


def settle(transaction: Connection, target_id: int, settlements: Sequence[Settlement], now: float) -> None:
    """End tasks; a study that was marked meanwhile stays dirty.

    What was published is recorded in any case, the rest only if no newer mark came.
    """
    runs = _unmoved(transaction, settlements)
    ended = [settlement for settlement in settlements if settlement.task.study_instance_uid in runs]
    settled = [settlement for settlement in settlements if isinstance(settlement, Settled)]
    dropped = [settlement for settlement in ended if isinstance(settlement, Dropped)]
    deferred = [settlement for settlement in ended if isinstance(settlement, Deferred)]

    _record(transaction, target_id, settlements, now)
    _delete(transaction, quarantine, [*settled, *dropped])
    locations.forget(transaction, [location for drop in dropped for location in drop.task.locations])
    _count_instances(transaction, ended, runs)
    _quarantine(transaction, ended, runs, now)
    _defer(transaction, deferred, now)
    _delete(transaction, dirty, [settlement for settlement in ended if not isinstance(settlement, Deferred)])
    _leave_dirty(transaction, [moved for moved in settlements if moved.task.study_instance_uid not in runs])


def _unmoved(transaction: Connection, settlements: Sequence[Settlement]) -> _Runs:
    """The backfill run, if any, of each study whose generation is still the one that was taken."""
    taken = {settlement.task.study_instance_uid: settlement.task.generation for settlement in settlements}
    runs: _Runs = {}
    for uids in chunks(list(taken)):
        columns = select(dirty.c.study_instance_uid, dirty.c.generation, dirty.c.run_id)
        for uid, generation, run_id in transaction.execute(columns.where(dirty.c.study_instance_uid.in_(uids))):
            if generation == taken[uid]:
                runs[uid] = run_id
    return runs


def _record(transaction: Connection, target_id: int, settlements: Sequence[Settlement], now: float) -> None:
    """What the target confirmed."""
    confirmed = [settlement for settlement in settlements if not isinstance(settlement, Dropped)]
    sent = [settlement for settlement in confirmed if isinstance(settlement, Settled) and settlement.published]
    targets.put_published(transaction, target_id, [study.published for study in sent if study.published], now)
    names = {location.source for study in sent for location in study.task.locations}
    put(transaction, source_table, [{"name": name, "last_write_at": now} for name in sorted(names)])
    targets.put_patients(transaction, target_id, [study.patient for study in confirmed if study.patient])
    targets.confirm_written(transaction, target_id, [key for study in confirmed for key in study.written])


def _count_instances(transaction: Connection, ended: Sequence[Settlement], runs: Mapping[str, int | None]) -> None:
    """Add the instances of published studies to the backfill that marked them."""
    counts: Counter[int] = Counter()
    for settlement in ended:
        run_id = runs[settlement.task.study_instance_uid]
        if isinstance(settlement, Settled) and run_id is not None:
            published = settlement.published or settlement.task.published
            counts[run_id] += published.number_of_instances if published else 0
    for run_id, count in counts.items():
        values = {"instances": backfill.c.instances + count}
        transaction.execute(update(backfill).where(backfill.c.run_id == run_id).values(values))


def _quarantine(
    transaction: Connection, ended: Sequence[Settlement], runs: Mapping[str, int | None], now: float
) -> None:
    aside = [settlement for settlement in ended if isinstance(settlement, Quarantined)]
    times = retries.times(transaction, aside, now)
    rows = [
        {
            "study_instance_uid": (uid := settlement.task.study_instance_uid),
            "cause": settlement.cause,
            "text": settlement.text.replace("\0", ""),  # a server's words; PostgreSQL holds no NUL
            "hint": settlement.hint,
            "since": times[uid][0],
            "retry_at": times[uid][1],
            "run_id": runs[uid],
        }
        for settlement in aside
    ]
    put(transaction, quarantine, rows)


def _defer(transaction: Connection, deferred: Sequence[Deferred], now: float) -> None:
    rows = [
        {
            "task_uid": settlement.task.study_instance_uid,
            "task_due": now + settlement.due_in_s,
            "task_failures": int(settlement.counts),
            "task_cause": settlement.cause,
        }
        for settlement in deferred
    ]
    values = {
        "due_at": bindparam("task_due"),
        "attempts": dirty.c.attempts + bindparam("task_failures"),
        "last_cause": bindparam("task_cause"),
    }
    later = update(dirty).where(dirty.c.study_instance_uid == bindparam("task_uid"))
    if rows:
        transaction.execute(later.values(_NO_LEASE | values), rows)


def _delete(transaction: Connection, table: Table, settlements: Sequence[Settlement]) -> None:
    for uids in chunks([settlement.task.study_instance_uid for settlement in settlements]):
        transaction.execute(delete(table).where(table.c.study_instance_uid.in_(uids)))


def _leave_dirty(transaction: Connection, settlements: Sequence[Settlement]) -> None:
    """End the leases of studies that were marked meanwhile; they are free to be taken when that mark says.

    What was published begins a wait of its own; what was not has waited since the first mark of its task.
    """
    first = bindparam("task_first", type_=Double)
    earlier = case((dirty.c.first_event_at > first, first), else_=dirty.c.first_event_at)
    # Not the row whose lease ran out and was given for a newer generation since.
    is_task = dirty.c.study_instance_uid == bindparam("task_uid"), dirty.c.taken_generation == bindparam("task_taken")
    rows = [
        {
            "task_uid": settlement.task.study_instance_uid,
            "task_taken": settlement.task.generation,
            "task_first": math.inf if isinstance(settlement, Settled) else settlement.task.first_event_at,
        }
        for settlement in settlements
    ]
    if rows:
        transaction.execute(update(dirty).where(*is_task).values(_NO_LEASE | {"first_event_at": earlier}), rows)
