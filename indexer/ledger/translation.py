"""The one place where the database's errors become ours.

Texts of the database are not passed on: PostgreSQL's quote the values of a row, SQLAlchemy's the parameters.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import exc

from indexer.errors import LedgerBusy, LedgerError, LedgerFull

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Verdict(NamedTuple):
    """Which error of ours, with what text."""

    error: type[LedgerError]
    message: str
    hint: str | None = None


_LOCKED = _Verdict(
    LedgerBusy,
    "The ledger stayed locked by another process",
    "Another process writes for a long time, such as a migration or a copy; try again, or find it with 'fuser'.",
)
_FULL = _Verdict(LedgerFull, "The ledger's disk is full")
_DAMAGED = _Verdict(
    LedgerError,
    "The ledger is damaged, or it is no ledger of this program",
    "Stop the daemon, move the file with its -wal and -shm files aside and put the last backup back; "
    "docs/ledger.md says what starting without one costs.",
)
_NOT_WRITABLE = _Verdict(
    LedgerError,
    "The ledger cannot be opened for writing",
    "Check that its directory exists, is not mounted read-only, and that it and its files belong to this user.",
)
_DISK_FAILS = _Verdict(
    LedgerError, "The ledger's disk failed to read or write", "Look into the kernel's log; restore from a backup."
)
_UNREACHABLE = _Verdict(
    LedgerBusy,
    "The ledger's PostgreSQL server cannot be reached",
    "Check that it runs, and host, port, database, user and password in 'ledger'.",
)
_NOT_ALLOWED = _Verdict(
    LedgerError,
    "PostgreSQL refuses the ledger's user or database",
    "Check user, password, database and the right to create tables there, in 'ledger' and in pg_hba.conf.",
)
_STANDBY = _Verdict(LedgerError, "PostgreSQL takes no writes", "It is a standby or in recovery: name the primary.")
_NO_ADDRESS = _Verdict(
    LedgerError,
    "The ledger's address cannot be read",
    "Write sqlite:////absolute/path/ledger.db or postgresql://user@host/database.",
)
_NO_DRIVER = _Verdict(
    LedgerError,
    "The driver for this kind of ledger is not installed",
    "For PostgreSQL: pip install 'dicom-fhir-indexer[postgres]'.",
)

# Longest prefix of sqlite3's error name first. A full disk also shows where the shared memory file cannot grow.
_SQLITE: dict[str, _Verdict] = {
    "SQLITE_IOERR_SHMSIZE": _FULL,
    "SQLITE_IOERR_CORRUPTFS": _DAMAGED,
    "SQLITE_IOERR_LOCK": _LOCKED,
    "SQLITE_IOERR": _DISK_FAILS,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_READONLY": _NOT_WRITABLE,
    "SQLITE_CANTOPEN": _NOT_WRITABLE,
    "SQLITE_PERM": _NOT_WRITABLE,
    "SQLITE_AUTH": _NOT_WRITABLE,
}

# Longest prefix of SQLSTATE first (PostgreSQL 15 documentation, appendix A "PostgreSQL Error Codes").
_POSTGRESQL: dict[str, _Verdict] = {
    "53100": _FULL,
    "53": _UNREACHABLE,
    "55P03": _LOCKED,
    "40": _LOCKED,
    "57014": _LOCKED,
    "57P": _UNREACHABLE,
    "08": _UNREACHABLE,
    "28": _NOT_ALLOWED,
    "3D": _NOT_ALLOWED,
    "3F": _NOT_ALLOWED,
    "42501": _NOT_ALLOWED,
    "25006": _STANDBY,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "58": _DISK_FAILS,
}


def _longest(verdicts: dict[str, _Verdict], code: str) -> _Verdict | None:
    fitting = [prefix for prefix in verdicts if code.startswith(prefix)]
    return verdicts[max(fitting, key=len)] if fitting else None


def _unexpected(error: BaseException, code: str = "") -> _Verdict:
    return _Verdict(LedgerError, f"The ledger's database refused a statement ({code or type(error).__name__})")


def _judge_driver(error: BaseException) -> _Verdict:
    """Judge an exception of sqlite3 or psycopg."""
    if isinstance(error, sqlite3.Error):
        name: str = getattr(error, "sqlite_errorname", "")
        return _longest(_SQLITE, name) or _unexpected(error, name)
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:  # psycopg gives no SQLSTATE when the connection fails, at its start or later
        return _UNREACHABLE if type(error).__name__ == "OperationalError" else _unexpected(error)
    return _longest(_POSTGRESQL, state) or _unexpected(error, state)


def _judge(error: BaseException) -> _Verdict:
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        return _judge_driver(error.orig)
    if isinstance(error, sqlite3.Error):
        return _judge_driver(error)
    if isinstance(error, exc.TimeoutError):
        return _LOCKED
    if isinstance(error, ModuleNotFoundError | exc.NoSuchModuleError):
        return _NO_DRIVER
    if isinstance(error, exc.ArgumentError):
        return _NO_ADDRESS
    return _unexpected(error)


@contextmanager
def translated() -> Iterator[None]:
    """Turn every error of SQLAlchemy and the drivers into one of the `LedgerError` family.

    Raises
    ------
    LedgerBusy
        Locked for longer than the patience, or PostgreSQL is away: try again.
    LedgerFull
        No room on the disk.
    LedgerError
        Anything else.
    """
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        verdict = _judge(error)
        raise verdict.error(verdict.message + ".", hint=verdict.hint) from error
