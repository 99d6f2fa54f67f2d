"""Where studies stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, case, delete, select

from indexer.ledger.database import chunks
from indexer.ledger.schema import location
from indexer.model import StudyLocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, ScalarSelect

_LOCATIONS = select(location.c.source, location.c.location_id, location.c.study_instance_uid).order_by(
    location.c.marked_at.desc(), location.c.source, location.c.location_id
)


def of_source(transaction: Connection, source: str, limit: int = 0) -> tuple[StudyLocation, ...]:
    """Known locations in a source, last marked first; all of them without a limit."""
    query = _LOCATIONS.where(location.c.source == source)
    return tuple(StudyLocation(*row) for row in transaction.execute(query.limit(limit) if limit else query))


def of_studies(transaction: Connection, study_instance_uids: Sequence[str]) -> dict[str, tuple[StudyLocation, ...]]:
    """Locations of each study, last marked first."""
    locations: dict[str, tuple[StudyLocation, ...]] = dict.fromkeys(study_instance_uids, ())
    for uids in chunks(study_instance_uids):
        for row in transaction.execute(_LOCATIONS.where(location.c.study_instance_uid.in_(uids))):
            locations[row.study_instance_uid] += (StudyLocation(*row),)
    return locations


def reader(locations: Iterable[StudyLocation], sources: Sequence[str]) -> str | None:
    """The first of these sources in which a study stands, whose pipeline reads it; None if it is in none of them."""
    names = {location.source for location in locations}
    return next((name for name in sources if name in names), None)


def reader_of(study_instance_uid: ColumnElement[str], sources: Sequence[str]) -> ScalarSelect[str]:
    """The same in SQL."""
    order = case({name: place for place, name in enumerate(sources)}, value=location.c.source)
    here = location.c.study_instance_uid == study_instance_uid, order.is_not(None)
    return select(location.c.source).where(*here).order_by(order).limit(1).scalar_subquery()


def forget(transaction: Connection, locations: Iterable[StudyLocation]) -> None:
    """Remove locations that are gone."""
    rows = [{"gone_source": gone.source, "gone_id": gone.location_id} for gone in locations]
    if rows:
        is_gone = location.c.source == bindparam("gone_source"), location.c.location_id == bindparam("gone_id")
        transaction.execute(delete(location).where(*is_gone), rows)
