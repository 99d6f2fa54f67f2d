"""How the servers do, told by the process that drains to whoever asks for it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select

from indexer.ledger.schema import server_health
from indexer.ledger.target_state import put
from indexer.model.ledger import HealthState

if TYPE_CHECKING:
    from collections.abc import Iterable


def put_health(transaction: Connection, states: Iterable[HealthState]) -> None:
    """Record how servers do."""
    put(transaction, server_health, [dataclasses.asdict(state) for state in states])


def health(transaction: Connection) -> tuple[HealthState, ...]:
    """What was recorded last of every server, by name."""
    rows = transaction.execute(select(server_health).order_by(server_health.c.server)).mappings()
    return tuple(HealthState(**row) for row in rows)


def clear_health(transaction: Connection) -> None:
    """Forget what an earlier process saw."""
    transaction.execute(delete(server_health))
