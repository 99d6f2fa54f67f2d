"""How tasks end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from indexer.ledger import locations, target_state, work
from indexer.ledger.database import chunks, upsert
from indexer.ledger.schema import backfill, dirty, quarantine, source
from indexer.model import Deferred, Dropped, Quarantined, Settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Settlement

_Runs = dict[str, int | None]


def settle(transaction: Connection, target_id: int, settlements: Sequence[Settlement], now: float) -> None:
    """End tasks. What was published is recorded in any case, the rest only if no newer mark came meanwhile."""
    runs = _unmoved(transaction, settlements)
    ended = [one for one in settlements if one.task.study_instance_uid in runs]
    dropped = [one for one in ended if isinstance(one, Dropped)]
    settled = [one for one in settlements if isinstance(one, Settled)]

    _record(transaction, target_id, settled, now)
    patients = [one.patient for one in settlements if not isinstance(one, Dropped) and one.patient]
    target_state.put_patients(transaction, target_id, patients)
    written = [key for one in settlements if not isinstance(one, Dropped) for key in one.written]
    target_state.confirm_written(transaction, target_id, written)
    _delete(transaction, quarantine, [*settled, *dropped])
    locations.forget(transaction, [location for one in dropped for location in one.task.locations])
    _count_instances(transaction, [one for one in ended if isinstance(one, Settled)], runs)
    _quarantine(transaction, [one for one in ended if isinstance(one, Quarantined)], runs, now)
    _defer(transaction, [one for one in ended if isinstance(one, Deferred)], now)
    _delete(transaction, dirty, [one for one in ended if not isinstance(one, Deferred)])
    _leave(transaction, [one for one in settlements if one.task.study_instance_uid not in runs])


def _unmoved(transaction: Connection, settlements: Sequence[Settlement]) -> _Runs:
    """The backfill run, if any, of each study whose generation is still the one that was taken."""
    taken = {one.task.study_instance_uid: one.task.generation for one in settlements}
    runs: _Runs = {}
    for some in chunks(list(taken)):
        columns = select(dirty.c.study_instance_uid, dirty.c.generation, dirty.c.run_id)
        for uid, generation, run_id in transaction.execute(columns.where(dirty.c.study_instance_uid.in_(some))):
            if generation == taken[uid]:
                runs[uid] = run_id
    return runs


def _record(transaction: Connection, target_id: int, settled: Sequence[Settled], now: float) -> None:
    written = [one for one in settled if one.published is not None]
    target_state.put_published(transaction, target_id, [one.published for one in written if one.published], now)
    names = {location.source for one in written for location in one.task.locations}
    for name in sorted(names):
        row = upsert(transaction, source).values(name=name, last_write_at=now)
        transaction.execute(row.on_conflict_do_update(index_elements=["name"], set_={"last_write_at": now}))


def _count_instances(transaction: Connection, settled: Sequence[Settled], runs: Mapping[str, int | None]) -> None:
    """Add the instances of published studies to the backfill that marked them."""
    counts: Counter[int] = Counter()
    for one in settled:
        run_id = runs[one.task.study_instance_uid]
        published = one.published or one.task.published
        if run_id is not None and published is not None:
            counts[run_id] += published.number_of_instances
    for run_id, count in counts.items():
        values = {"instances": backfill.c.instances + count}
        transaction.execute(update(backfill).where(backfill.c.run_id == run_id).values(values))


def _quarantine(
    transaction: Connection, quarantined: Sequence[Quarantined], runs: Mapping[str, int | None], now: float
) -> None:
    for one in quarantined:
        uid = one.task.study_instance_uid
        text = one.text.replace("\0", "")  # a server's words; PostgreSQL holds no NUL
        values = {"cause": one.cause, "text": text, "hint": one.hint, "since": now, "run_id": runs[uid]}
        row = upsert(transaction, quarantine).values(study_instance_uid=uid, **values)
        transaction.execute(row.on_conflict_do_update(index_elements=["study_instance_uid"], set_=values))


def _defer(transaction: Connection, deferred: Sequence[Deferred], now: float) -> None:
    rows = [
        {
            "task_uid": one.task.study_instance_uid,
            "task_due": now + one.due_in_s,
            "task_failures": int(one.counts),
            "task_cause": one.cause,
        }
        for one in deferred
    ]
    if not rows:
        return
    values = {
        "due_at": bindparam("task_due"),
        "attempts": dirty.c.attempts + bindparam("task_failures"),
        "last_cause": bindparam("task_cause"),
    }
    later = update(dirty).where(dirty.c.study_instance_uid == bindparam("task_uid"))
    transaction.execute(later.values(work.NO_LEASE | values), rows)


def _delete(transaction: Connection, table: Table, settlements: Sequence[Settlement]) -> None:
    uids = [one.task.study_instance_uid for one in settlements]
    for some in chunks(uids):
        transaction.execute(delete(table).where(table.c.study_instance_uid.in_(some)))


def _leave(transaction: Connection, moved: Sequence[Settlement]) -> None:
    """A newer mark came: the study stays dirty, free to be taken when that mark says."""
    work.end_lease(transaction, [one.task for one in moved if isinstance(one, Settled)])
    work.give_back(transaction, [one.task for one in moved if not isinstance(one, Settled)])
