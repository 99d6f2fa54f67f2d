"""FHIR servers that the ledger knows: what one confirmed says nothing about another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, delete, insert, select, update

from indexer.ledger.schema import endpoint, patient, published, target, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.ledger.database import Database

_DELETED_AT_ONCE = 5000


def active(transaction: Connection, base_url: str) -> int | None:
    """Id of the active target at this address, None before anything was recorded of it.

    It is looked up anew in each transaction, so that a reset by another process counts at once.
    """
    query = select(target.c.target_id).where(target.c.base_url == base_url, target.c.is_active)
    target_id: int | None = transaction.scalar(query)
    return target_id


def begun(transaction: Connection, base_url: str) -> int:
    """Id of the active target at this address, which is made if there is none."""
    target_id = active(transaction, base_url)
    if target_id is None:
        made = insert(target).values(base_url=base_url, is_active=True).returning(target.c.target_id)
        target_id = transaction.scalars(made).one()
    return target_id


def reset_target(database: Database, base_url: str) -> None:
    """Retire the active target of this address for a new one of which nothing is known."""
    for target_id in database.write(lambda transaction: _retire(transaction, base_url)):
        for key in (published.c.study_instance_uid, patient.c.patient_key, endpoint.c.source, written.c.key):
            while database.write(lambda transaction: _delete_some(transaction, key, target_id)):  # noqa: B023
                pass


def _retire(transaction: Connection, base_url: str) -> Sequence[int]:
    """Begin a new target at this address; every retired one."""
    transaction.execute(update(target).where(target.c.base_url == base_url).values(is_active=False))
    begun(transaction, base_url)
    return transaction.scalars(select(target.c.target_id).where(~target.c.is_active)).all()


def _delete_some(transaction: Connection, key: Column[Any], target_id: int) -> int:
    """Delete some rows of a retired target in a short transaction; how many. What a kill leaves goes next time."""
    table = key.table
    some = select(key).where(table.c.target_id == target_id).limit(_DELETED_AT_ONCE)
    return transaction.execute(delete(table).where(table.c.target_id == target_id, key.in_(some))).rowcount
