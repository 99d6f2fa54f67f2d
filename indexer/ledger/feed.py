"""How far each source's feed was read."""

from __future__ import annotations

from sqlalchemy import Connection, select

from indexer.ledger.database import upsert
from indexer.ledger.schema import feed, source
from indexer.model import FeedPosition


def position(transaction: Connection, name: str) -> FeedPosition | None:
    """Feed position of a source, None before the first poll."""
    row = transaction.execute(select(feed).where(feed.c.source == name)).one_or_none()
    if row is None:
        return None
    return FeedPosition(cursor=row.cursor, reached=row.reached, epoch=row.epoch)


def move(transaction: Connection, name: str, to: FeedPosition) -> None:
    """Set the feed position of a source."""
    values = {"cursor": to.cursor, "reached": to.reached, "epoch": to.epoch}
    row = upsert(transaction, feed).values(source=name, **values)
    transaction.execute(row.on_conflict_do_update(index_elements=["source"], set_=values))


def record_poll(transaction: Connection, name: str, now: float) -> None:
    """Record that a poll of a source went well."""
    row = upsert(transaction, source).values(name=name, last_poll_at=now)
    transaction.execute(row.on_conflict_do_update(index_elements=["name"], set_={"last_poll_at": now}))
