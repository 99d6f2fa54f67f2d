"""Where studies stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, case, delete, select

from indexer.ledger.database import chunks
from indexer.ledger.schema import location
from indexer.model import StudyLocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, ScalarSelect

_LOCATIONS = select(location.c.source, location.c.location_id, location.c.study_instance_uid)
_NEWEST_FIRST = (location.c.marked_at.desc(), location.c.source, location.c.location_id)


def of_source(transaction: Connection, source: str, limit: int) -> tuple[StudyLocation, ...]:
    """Known locations in a source, last marked first; all of them without a limit."""
    query = _LOCATIONS.where(location.c.source == source).order_by(*_NEWEST_FIRST)
    return tuple(StudyLocation(*row) for row in transaction.execute(query.limit(limit) if limit else query))


def of_studies(transaction: Connection, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[StudyLocation, ...]]:
    """Locations by StudyInstanceUID, last marked first."""
    found: dict[str, tuple[StudyLocation, ...]] = {}
    for some in chunks(study_instance_uids):
        query = _LOCATIONS.where(location.c.study_instance_uid.in_(some)).order_by(*_NEWEST_FIRST)
        for row in transaction.execute(query):
            one = StudyLocation(*row)
            found[one.study_instance_uid] = (*found.get(one.study_instance_uid, ()), one)
    return found


def home(study_instance_uid: ColumnElement[str], sources: Sequence[str]) -> ScalarSelect[str]:
    """The first of these sources in which a study stands; its pipeline is the one that reads it."""
    order = case({name: place for place, name in enumerate(sources)}, value=location.c.source)
    here = location.c.study_instance_uid == study_instance_uid, order.is_not(None)
    return select(location.c.source).where(*here).order_by(order).limit(1).scalar_subquery()


def forget(transaction: Connection, locations: Iterable[StudyLocation]) -> None:
    """Remove locations that are gone."""
    rows = [{"gone_source": one.source, "gone_id": one.location_id} for one in locations]
    if rows:
        gone = delete(location).where(
            location.c.source == bindparam("gone_source"), location.c.location_id == bindparam("gone_id")
        )
        transaction.execute(gone, rows)
