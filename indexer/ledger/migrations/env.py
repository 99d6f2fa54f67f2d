"""Run by Alembic: migrates over the connection, and within the transaction, that `migrate` hands in."""

from __future__ import annotations

from alembic import context

from indexer.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
