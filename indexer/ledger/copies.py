"""Where studies stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, select

from indexer.ledger.engine import chunks
from indexer.ledger.schema import copy
from indexer.model import Copy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_COPIES = select(copy.c.source, copy.c.orthanc_id, copy.c.study_instance_uid)
_NEWEST_FIRST = (copy.c.marked_at.desc(), copy.c.source, copy.c.orthanc_id)


def of_source(transaction: Connection, source: str, limit: int) -> tuple[Copy, ...]:
    """Known copies in a source, last marked first; all of them without a limit."""
    query = _COPIES.where(copy.c.source == source).order_by(*_NEWEST_FIRST)
    return tuple(Copy(*row) for row in transaction.execute(query.limit(limit) if limit else query))


def of_studies(transaction: Connection, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Copy, ...]]:
    """Copies by StudyInstanceUID, last marked first."""
    found: dict[str, tuple[Copy, ...]] = {}
    for some in chunks(study_instance_uids):
        query = _COPIES.where(copy.c.study_instance_uid.in_(some)).order_by(*_NEWEST_FIRST)
        for row in transaction.execute(query):
            one = Copy(*row)
            found[one.study_instance_uid] = (*found.get(one.study_instance_uid, ()), one)
    return found


def forget(transaction: Connection, copies: Iterable[Copy]) -> None:
    """Remove copies that are gone."""
    rows = [{"gone_source": one.source, "gone_id": one.orthanc_id} for one in copies]
    if rows:
        gone = delete(copy).where(copy.c.source == bindparam("gone_source"), copy.c.orthanc_id == bindparam("gone_id"))
        transaction.execute(gone, rows)
