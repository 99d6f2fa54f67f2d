"""The ledger: durable table of dirty studies, on SQLite or PostgreSQL (`indexer.sync.protocols.Ledger`)."""

from __future__ import annotations

from indexer.ledger.sql_ledger import SqlLedger, open_ledger

__all__ = ["SqlLedger", "open_ledger"]
