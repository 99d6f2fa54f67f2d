"""What `status`, `show` and `quarantine` tell."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, Table, delete, func, literal_column, select

from indexer.ledger import locations, schema, targets
from indexer.ledger.database import put
from indexer.ledger.schema import dirty, feed, location, quarantine, server_health, source, study
from indexer.model import Lane
from indexer.model.ledger import DirtyRow, HealthState, QuarantineRow, StudyRow, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Row, Select

    from indexer.model import StudyLocation


def summary(transaction: Connection, target_id: int | None, name: str, now: float) -> Summary:
    """Counts and times of one source for `status`; each large table is read once."""
    position = _row(transaction, select(feed.c.reached, feed.c.epoch).where(feed.c.source == name))
    last = _row(transaction, select(source.c.last_poll_at, source.c.last_write_at).where(source.c.name == name))
    work = _work(transaction, name)
    confirmed = _confirmed(transaction, target_id, name)
    aside = select(func.count()).select_from(quarantine).where(_stands_in(quarantine, name))
    return Summary(
        source=name,
        feed_position=position.get("reached"),
        feed_epoch=position.get("epoch"),
        dirty=sum(group.studies for group in work),
        dirty_live=sum(group.studies for group in work if group.lane == Lane.LIVE),
        waiting=_by_cause(work),
        oldest_dirty_at=min((now, *(group.oldest for group in work))) if work else None,
        published=confirmed.studies,
        patient_mismatch=confirmed.mismatches,
        quarantined=transaction.scalar(aside) or 0,
        last_poll_at=last.get("last_poll_at"),
        last_write_at=last.get("last_write_at"),
    )


def _row(transaction: Connection, query: Select[Any]) -> dict[str, Any]:
    """The one row of a query; empty if there is none."""
    return dict(transaction.execute(query).mappings().one_or_none() or {})


def _work(transaction: Connection, name: str) -> Sequence[Row[Any]]:
    """How many studies of a source are dirty, and since when, by lane and cause."""
    groups = dirty.c.lane, dirty.c.last_cause
    counts = func.count().label("studies"), func.min(dirty.c.first_event_at).label("oldest")
    return transaction.execute(select(*groups, *counts).where(_stands_in(dirty, name)).group_by(*groups)).all()


def _by_cause(work: Iterable[Row[Any]]) -> dict[str, int]:
    """How many studies wait, by cause, in the order of the causes."""
    waiting: Counter[str] = Counter()
    for group in work:
        if group.last_cause is not None:
            waiting[group.last_cause] += group.studies
    return dict(sorted(waiting.items()))


def _confirmed(transaction: Connection, target_id: int | None, name: str) -> Row[int, int]:
    """How many studies of a source a target confirmed, and for how many the Patient seems to be another person."""
    table = schema.published
    counts = func.count().label("studies"), func.count().filter(table.c.patient_mismatch).label("mismatches")
    query = select(*counts).select_from(table).where(_stands_in(table, name), table.c.target_id == target_id)
    return transaction.execute(query).one()


def _stands_in(table: Table, name: str) -> ColumnElement[bool]:
    """Whether a study stands in a source; no column is selected, so that the index alone is read, a row per study."""
    here = location.c.source == name, location.c.study_instance_uid == table.c.study_instance_uid
    return select(literal_column("1")).where(*here).exists()


def study_row(transaction: Connection, target_id: int | None, study_instance_uid: str) -> StudyRow | None:
    """All that is known of one study; None if it was never marked."""
    if transaction.scalar(select(study.c.generation).where(study.c.study_instance_uid == study_instance_uid)) is None:
        return None
    stands = locations.of_studies(transaction, [study_instance_uid])[study_instance_uid]
    waiting = _row(transaction, select(dirty).where(dirty.c.study_instance_uid == study_instance_uid))
    aside = select(quarantine).where(quarantine.c.study_instance_uid == study_instance_uid)
    return StudyRow(
        study_instance_uid=study_instance_uid,
        locations=stands,
        dirty=_dirty_row(waiting) if waiting else None,
        published=targets.published(transaction, target_id, [study_instance_uid]).get(study_instance_uid),
        quarantine=next((_quarantine_row(row, stands) for row in transaction.execute(aside).mappings()), None),
    )


def quarantine_rows(transaction: Connection) -> tuple[QuarantineRow, ...]:
    """Studies in quarantine, oldest first."""
    query = select(quarantine).order_by(quarantine.c.since, quarantine.c.study_instance_uid)
    rows = transaction.execute(query).mappings().all()
    stands = locations.of_studies(transaction, [row["study_instance_uid"] for row in rows])
    return tuple(_quarantine_row(row, stands[row["study_instance_uid"]]) for row in rows)


def _dirty_row(row: dict[str, Any]) -> DirtyRow:
    values = {name: row[name] for name in _DIRTY}
    return DirtyRow(**values | {"lane": Lane(row["lane"])}, is_leased=row["lease_until"] is not None)


_DIRTY = {field.name for field in dataclasses.fields(DirtyRow)} - {"is_leased"}


# Columns that only the ledger needs.
_OWN = {"run_id", "retry_at"}


def _quarantine_row(row: RowMapping, stands: tuple[StudyLocation, ...]) -> QuarantineRow:
    return QuarantineRow(locations=stands, **{name: value for name, value in row.items() if name not in _OWN})


def put_health(transaction: Connection, states: Iterable[HealthState]) -> None:
    """Record how servers do; the drain lock's next owner forgets it."""
    put(transaction, server_health, [dataclasses.asdict(state) for state in states])


def health(transaction: Connection) -> tuple[HealthState, ...]:
    """How each server did when it was recorded last, by name."""
    rows = transaction.execute(select(server_health).order_by(server_health.c.server)).mappings()
    return tuple(HealthState(**row) for row in rows)


def clear_health(transaction: Connection) -> None:
    """Forget what an earlier process saw."""
    transaction.execute(delete(server_health))
