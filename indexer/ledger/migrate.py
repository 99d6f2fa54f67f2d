"""Bring the tables up to this program's schema: a new ledger is made from it, an older one is migrated step by step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from indexer.errors import LedgerError
from indexer.ledger.schema import metadata

if TYPE_CHECKING:
    from indexer.ledger.database import Database

# The newest file of migrations/versions. Alembic itself is imported only when there is something to make or to migrate.
HEAD = "0001"
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Make or upgrade the tables, in one transaction; nothing is done when they are up to date."""
    if database.read(_revision) != HEAD:
        database.write(_upgrade)


def _revision(transaction: Connection) -> str | None:
    tables = inspect(transaction).get_table_names()
    if "alembic_version" in tables:
        version: str | None = transaction.scalar(text("SELECT version_num FROM alembic_version"))
        return version
    if tables:
        raise LedgerError(
            "The database holds tables of another program.",
            hint="Name an empty database, or a schema of its own, in 'ledger'.",
        )
    return None


def _upgrade(transaction: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    revision = _revision(transaction)
    if revision == HEAD:  # another process was faster
        return
    config = Config(attributes={"connection": transaction})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise LedgerError(
            f"The ledger was written by a newer version of this program (schema {revision}, known {HEAD}).",
            hint="Install that version again, or put back the backup that was made before the upgrade.",
        )
    if revision is None:
        metadata.create_all(transaction, checkfirst=False)
        command.stamp(config, "head")
    else:
        command.upgrade(config, "head")
