"""What `status`, `show` and `quarantine` tell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Integer, RowMapping, Table, cast, delete, exists, func, select

from indexer.ledger import locations, schema, targets
from indexer.ledger.database import put
from indexer.ledger.schema import dirty, feed, location, quarantine, server_health, source, study
from indexer.model import Lane
from indexer.model.ledger import DirtyRow, HealthState, QuarantineRow, StudyRow, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Select

    from indexer.model import StudyLocation


def summary(transaction: Connection, target_id: int | None, name: str, now: float) -> Summary:
    """Counts and times of one source for `status`."""
    position = _row(transaction, select(feed.c.reached, feed.c.epoch).where(feed.c.source == name))
    last = _row(transaction, select(source.c.last_poll_at, source.c.last_write_at).where(source.c.name == name))
    oldest = transaction.scalar(select(func.min(dirty.c.first_event_at)).where(_stands_in(dirty, name)))
    is_deferred = dirty.c.last_cause.is_not(None)
    published, mismatches = _published(transaction, target_id, name)
    causes = select(dirty.c.last_cause, func.count().label("studies")).where(is_deferred, _stands_in(dirty, name))
    return Summary(
        source=name,
        feed_position=position.get("reached"),
        feed_epoch=position.get("epoch"),
        dirty=_count(transaction, dirty, name),
        dirty_live=_count(transaction, dirty, name, dirty.c.lane == int(Lane.LIVE)),
        waiting={row.last_cause: row.studies for row in transaction.execute(causes.group_by(dirty.c.last_cause))},
        oldest_dirty_at=None if oldest is None else min(oldest, now),
        published=published,
        patient_mismatch=mismatches,
        quarantined=_count(transaction, quarantine, name),
        last_poll_at=last.get("last_poll_at"),
        last_write_at=last.get("last_write_at"),
    )


def _row(transaction: Connection, query: Select[Any]) -> dict[str, Any]:
    """The one row of a query; empty if there is none."""
    return dict(transaction.execute(query).mappings().one_or_none() or {})


def _stands_in(table: Table, name: str) -> ColumnElement[bool]:
    uid = location.c.study_instance_uid
    return exists().where(location.c.source == name, uid == table.c.study_instance_uid)


def _count(transaction: Connection, table: Table, name: str, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(table).where(_stands_in(table, name), *conditions)
    return transaction.scalar(query) or 0


def _published(transaction: Connection, target_id: int | None, name: str) -> tuple[int, int]:
    """How many studies of a source the target confirmed, and how many of them have a doubtful Patient.

    One pass over all of them: there may be hundreds of thousands.
    """
    table = schema.published
    mismatches = func.coalesce(func.sum(cast(table.c.patient_mismatch, Integer)), 0)
    query = select(func.count(), mismatches).where(_stands_in(table, name), table.c.target_id == target_id)
    studies, doubtful = transaction.execute(query).one()
    return studies, doubtful


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
