"""What is kept of the installation and of each source: the site key, feed positions, what was made for them once."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from indexer.errors import LedgerError
from indexer.ledger.database import insert, put
from indexer.ledger.marks import mark
from indexer.ledger.schema import feed, meta, source
from indexer.model import FeedPosition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.ledger.database import Database
    from indexer.model import Mark

_SITE_KEY = "site_key"
_SITE_KEY_BYTES = 32
_DRAINED_TARGET = "drained_target"


def site_key(database: Database, given: bytes | None) -> bytes:
    """The ledger's site key; at first use the given one, or a new one. Another key than the ledger's is refused."""
    kept = database.read(lambda transaction: _value(transaction, _SITE_KEY))
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
    """Keep a key unless another process was faster; the key that is kept."""
    transaction.execute(insert(transaction, meta).values(name=_SITE_KEY, value=key.hex()).on_conflict_do_nothing())
    return _value(transaction, _SITE_KEY) or ""


def _value(transaction: Connection, name: str) -> str | None:
    value: str | None = transaction.scalar(select(meta.c.value).where(meta.c.name == name))
    return value


def drained_target(transaction: Connection) -> str | None:
    """Address of the target that was drained to last, None before the first time."""
    return _value(transaction, _DRAINED_TARGET)


def put_drained_target(transaction: Connection, base_url: str) -> None:
    """Record that this target is drained to from now on."""
    put(transaction, meta, [{"name": _DRAINED_TARGET, "value": base_url}])


def position(transaction: Connection, name: str) -> FeedPosition | None:
    """Feed position of a source, None before the first poll."""
    query = select(feed.c.cursor, feed.c.reached, feed.c.epoch).where(feed.c.source == name)
    row = transaction.execute(query).mappings().one_or_none()
    return None if row is None else FeedPosition(**row)


def note(transaction: Connection, name: str, marks: Sequence[Mark], position: FeedPosition, now: float) -> None:
    """Mark studies dirty and move the feed position of a source, together."""
    mark(transaction, marks, now)
    values = {"cursor": position.cursor, "reached": position.reached, "epoch": position.epoch}
    put(transaction, feed, [{"source": name, **values}])


def record_poll(transaction: Connection, name: str, now: float) -> None:
    """Record that a poll of a source went well."""
    put(transaction, source, [{"name": name, "last_poll_at": now}])


def patient_system(transaction: Connection, name: str) -> tuple[str, bool]:
    """``urn:uuid:`` system for a source's numbers without an issuer, and whether it was made just now."""
    kept = transaction.scalar(select(source.c.patient_system).where(source.c.name == name))
    if kept is not None:
        return kept, False
    system = uuid.uuid4().urn
    put(transaction, source, [{"name": name, "patient_system": system}])
    return system, True


def endpoint_id(transaction: Connection, name: str) -> str | None:
    """UUID that identifies a source's Endpoint at every target, once one was published."""
    kept: str | None = transaction.scalar(select(source.c.endpoint_id).where(source.c.name == name))
    return kept
