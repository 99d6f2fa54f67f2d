"""A consistent copy of an SQLite ledger while it is used."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import LedgerError, UsageError
from indexer.ledger.translation import translated

if TYPE_CHECKING:
    from indexer.ledger.database import Database


def backup(database: Database, path: Path) -> None:
    """Write a copy to a new file of mode 0600; it bears its name only once it is whole."""
    if database.path is None:
        raise UsageError("Only an SQLite ledger is copied by this command.", hint="Use pg_dump for PostgreSQL.")
    if path.exists():
        raise UsageError("The file for the copy exists already.", hint="Name a new file.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600
        os.close(descriptor)
        try:
            _copy(database, name)
            Path(name).rename(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(
            f"The copy cannot be written: {error.strerror}.", hint="Check the directory and its free space."
        ) from error


def _copy(database: Database, name: str) -> None:
    with translated(), database.engine.connect() as connection, closing(sqlite3.connect(name)) as new:
        driver: Any = connection.connection.driver_connection
        driver.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file, without side files, that any SQLite reads
