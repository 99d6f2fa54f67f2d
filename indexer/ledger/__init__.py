"""The ledger: durable table of dirty studies, on SQLite or PostgreSQL."""

from __future__ import annotations

from indexer.ledger.ledger import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
