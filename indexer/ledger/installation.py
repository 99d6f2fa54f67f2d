"""What is made once and lives as long as the ledger: the site key, and systems for numbers without an issuer."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from indexer.errors import LedgerError
from indexer.ledger.database import upsert
from indexer.ledger.schema import meta, source

if TYPE_CHECKING:
    from indexer.ledger.database import Database

_SITE_KEY = "site_key"
_SITE_KEY_BYTES = 32
_DRAINED_TARGET = "drained_target"
_READ_SITE_KEY = select(meta.c.value).where(meta.c.name == _SITE_KEY)


def site_key(database: Database, given: bytes | None) -> bytes:
    """The ledger's site key; at first use the given one, or a new one.

    Raises
    ------
    LedgerError
        If another key than the ledger's is given: every Patient's id would change.
    """
    kept = database.read(lambda transaction: transaction.scalar(_READ_SITE_KEY))
    if kept is None:
        made = given or secrets.token_bytes(_SITE_KEY_BYTES)
        kept = database.write(lambda transaction: _keep(transaction, made))
    key = bytes.fromhex(kept)
    if given is not None and not secrets.compare_digest(key, given):
        raise LedgerError(
            "The configured site key is not the one that this ledger was begun with.",
            hint="Every Patient would get another id. Put the former key back, or begin a new ledger.",
        )
    return key


def _keep(transaction: Connection, key: bytes) -> str:
    row = upsert(transaction, meta).values(name=_SITE_KEY, value=key.hex())
    transaction.execute(row.on_conflict_do_nothing())
    kept: str = transaction.scalars(_READ_SITE_KEY).one()
    return kept


def drained_target(transaction: Connection) -> str | None:
    """Address of the target that was drained to last."""
    kept: str | None = transaction.scalar(select(meta.c.value).where(meta.c.name == _DRAINED_TARGET))
    return kept


def put_drained_target(transaction: Connection, base_url: str) -> None:
    """Record the target that is drained to from now on."""
    row = upsert(transaction, meta).values(name=_DRAINED_TARGET, value=base_url)
    transaction.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": base_url}))


def patient_system(transaction: Connection, name: str) -> tuple[str, bool]:
    """``urn:uuid:`` system of a source, and whether it was made just now."""
    kept = transaction.scalar(select(source.c.patient_system).where(source.c.name == name))
    if kept is not None:
        return kept, False
    system = uuid.uuid4().urn
    row = upsert(transaction, source).values(name=name, patient_system=system)
    transaction.execute(row.on_conflict_do_update(index_elements=["name"], set_={"patient_system": system}))
    return system, True
