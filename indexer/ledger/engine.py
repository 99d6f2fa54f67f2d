"""Connections to SQLite and to PostgreSQL.

Writing transactions come one at a time on both: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock at their
start. So no transaction ever waits for one that waits for it, and what a transaction reads stays true until it ends.
A deferred transaction of SQLite that reads first and writes later would fail at once, whatever its patience.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text

from indexer.errors import LedgerError
from indexer.model import ledger_url

_CONNECTIONS = 16
_WAL_BYTES = 64 * 1024 * 1024
_CACHE_KIB = 8192  # SQLite's own 2 MiB makes marking a large archive half as fast: its keys come in no order
# First number of every advisory lock of ours; the second one names the schema, so that several ledgers share a server.
ADVISORY_WRITE = 0x44494658
ADVISORY_DRAIN = 0x44494659


def open_engine(url: str, patience_s: float) -> Engine:
    """Connections to the database at this address, whose writing transactions wait so long for one another."""
    try:
        address = make_url(ledger_url.checked(url))
    except ValueError as error:
        raise LedgerError("This is no address of a ledger.", hint=str(error)) from None
    if address.get_backend_name() == "sqlite":
        return _sqlite(address, patience_s)
    return _postgresql(address.set(drivername="postgresql+psycopg"), patience_s)


def _sqlite(url: URL, patience_s: float) -> Engine:
    path = Path(url.database or "")
    _make_file(path)
    # Without an isolation level the driver starts no transactions of its own; the begin event below does.
    options = {"isolation_level": None, "timeout": patience_s, "check_same_thread": False}
    engine = create_engine(url, connect_args=options, pool_size=_CONNECTIONS, max_overflow=-1, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")


def _begin_sqlite(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def switch_to_wal(engine: Engine) -> None:
    """Write-ahead log: readers and the writer do not stop each other. The mode stays with the file.

    SQLite does not wait here if another process switches at the same time: whoever calls this tries again.
    """
    with engine.connect() as connection:
        # The driver's connection, because a PRAGMA of the journal fails inside a transaction.
        (mode,) = connection.connection.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise LedgerError(
            "The ledger's file system cannot hold SQLite's write-ahead log.",
            hint="Put the ledger on a local disk, not on a network share.",
        )


def _make_file(path: Path) -> None:
    """Make the file for this user's eyes only; SQLite gives its side files the same mode.

    An existing file is never opened here: closing it would end the locks that SQLite holds on it in this process.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat() if path.exists() else None
        if status is None:
            with suppress(FileExistsError):  # another process makes it at the same moment
                os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        elif status.st_mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(0o600)
    except OSError as error:
        raise LedgerError(
            f"The ledger cannot be made or opened: {error.strerror}.",
            hint="Check that its directory exists and belongs to this user.",
        ) from error


def open_private(path: Path, flags: int) -> int:
    """Open a file of mode 0600; one that root makes belongs to the directory's owner, who runs the daemon."""
    descriptor = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _postgresql(url: URL, patience_s: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"application_name": f"dicom-fhir-indexer {os.getpid()}"},
        pool_size=_CONNECTIONS,
        pool_pre_ping=True,
        pool_timeout=patience_s,
        hide_parameters=True,
    )

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.execute(text(f"SET LOCAL lock_timeout = {int(patience_s * 1000)}"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_WRITE}, hashtext(current_schema()))"))

    event.listen(engine, "begin", begin)
    return engine
