"""What `status`, `show` and `quarantine` tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Table, exists, func, select

from indexer.ledger import locations, schema, target_state
from indexer.ledger.schema import dirty, feed, location, quarantine, source, study
from indexer.model import Lane
from indexer.model.ledger import DirtyRow, QuarantineRow, StudyRow, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from indexer.model import StudyLocation


def summary(transaction: Connection, target_id: int | None, name: str, now: float) -> Summary:
    """Counts and times of one source; nothing is published at no target."""
    position = transaction.execute(select(feed.c.reached, feed.c.epoch).where(feed.c.source == name)).one_or_none()
    times = select(source.c.last_poll_at, source.c.last_write_at).where(source.c.name == name)
    last = transaction.execute(times).one_or_none()
    oldest = transaction.scalar(select(func.min(dirty.c.first_event_at)).where(_stands_in(dirty, name)))
    is_deferred = dirty.c.last_cause.is_not(None)
    causes = select(dirty.c.last_cause, func.count().label("studies")).where(is_deferred, _stands_in(dirty, name))
    return Summary(
        source=name,
        feed_position=position.reached if position else None,
        feed_epoch=position.epoch if position else None,
        dirty=_count(transaction, dirty, name),
        dirty_live=_count(transaction, dirty, name, dirty.c.lane == int(Lane.LIVE)),
        waiting={row.last_cause: row.studies for row in transaction.execute(causes.group_by(dirty.c.last_cause))},
        oldest_dirty_at=None if oldest is None else min(oldest, now),
        published=_count(transaction, schema.published, name, schema.published.c.target_id == target_id),
        quarantined=_count(transaction, quarantine, name),
        last_poll_at=last.last_poll_at if last else None,
        last_write_at=last.last_write_at if last else None,
    )


def _stands_in(table: Table, name: str) -> ColumnElement[bool]:
    uid = location.c.study_instance_uid
    return exists().where(location.c.source == name, uid == table.c.study_instance_uid)


def _count(transaction: Connection, table: Table, name: str, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(table).where(_stands_in(table, name), *conditions)
    return transaction.scalar(query) or 0


def study_row(transaction: Connection, target_id: int | None, study_instance_uid: str) -> StudyRow | None:
    """All that is known of one study; None if it was never marked."""
    if transaction.scalar(select(study.c.generation).where(study.c.study_instance_uid == study_instance_uid)) is None:
        return None
    row = transaction.execute(select(dirty).where(dirty.c.study_instance_uid == study_instance_uid)).one_or_none()
    aside = select(quarantine).where(quarantine.c.study_instance_uid == study_instance_uid)
    published = target_state.published(transaction, target_id, [study_instance_uid])
    stands = locations.of_studies(transaction, [study_instance_uid]).get(study_instance_uid, ())
    kept = transaction.execute(aside).one_or_none()
    return StudyRow(
        study_instance_uid=study_instance_uid,
        locations=stands,
        dirty=_dirty_row(row) if row else None,
        published=published.get(study_instance_uid),
        quarantine=_quarantine_row(kept, stands) if kept else None,
    )


def quarantine_rows(transaction: Connection) -> tuple[QuarantineRow, ...]:
    """Studies in quarantine, oldest first."""
    query = select(quarantine).order_by(quarantine.c.since, quarantine.c.study_instance_uid)
    rows = transaction.execute(query).all()
    stands = locations.of_studies(transaction, [row.study_instance_uid for row in rows])
    return tuple(_quarantine_row(row, stands.get(row.study_instance_uid, ())) for row in rows)


def quarantined_uids(transaction: Connection, study_instance_uids: Sequence[str]) -> list[str]:
    """Those of these studies that are in quarantine; every one in quarantine if none is named."""
    kept = transaction.scalars(select(quarantine.c.study_instance_uid)).all()
    wanted = set(study_instance_uids)
    return [uid for uid in kept if not wanted or uid in wanted]


def _dirty_row(row: Row[Any]) -> DirtyRow:
    return DirtyRow(
        generation=row.generation,
        lane=Lane(row.lane),
        reason=row.reason,
        first_event_at=row.first_event_at,
        last_event_at=row.last_event_at,
        due_at=row.due_at,
        attempts=row.attempts,
        last_cause=row.last_cause,
        is_leased=row.lease_until is not None,
    )


def _quarantine_row(row: Row[Any], stands: tuple[StudyLocation, ...]) -> QuarantineRow:
    return QuarantineRow(
        study_instance_uid=row.study_instance_uid,
        cause=row.cause,
        text=row.text,
        hint=row.hint,
        since=row.since,
        locations=stands,
    )
