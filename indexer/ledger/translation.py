"""The one place where the database's errors become ours.

Texts of the database are not passed on: PostgreSQL's quote the values of a row, SQLAlchemy's the parameters.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import exc

from indexer.errors import LedgerBusy, LedgerError, LedgerFull, LedgerUnwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LOCKED = partial(
    LedgerBusy,
    "The ledger stayed locked by another process.",
    hint="Another process writes for a long time, such as a migration or a copy; try again, or find it with 'fuser'.",
)
_FULL = partial(LedgerFull, "The ledger's disk is full.")
_DAMAGED = partial(
    LedgerError,
    "The ledger is damaged, or it is no ledger of this program.",
    hint="Stop the daemon, move the file with its -wal and -shm files aside and put the last backup back; "
    "docs/ledger.md says what starting without one costs.",
)
_NOT_WRITABLE = partial(
    LedgerUnwritable,
    "The ledger cannot be opened for writing.",
    hint="Check that its directory exists, is not mounted read-only, and that it and its files belong to this user.",
)
_DISK_FAILS = partial(
    LedgerUnwritable,
    "The ledger's disk failed to read or write.",
    hint="Look into the kernel's log; restore from a backup.",
)
_UNREACHABLE = partial(
    LedgerBusy,
    "The ledger's PostgreSQL server cannot be reached.",
    hint="Check that it runs, and host, port, database, user and password in 'ledger'.",
)
_NOT_ALLOWED = partial(
    LedgerUnwritable,
    "PostgreSQL refuses the ledger's user or database.",
    hint="Check user, password, database and the right to create tables there, in 'ledger' and in pg_hba.conf.",
)
_STANDBY = partial(
    LedgerUnwritable,
    "PostgreSQL takes no writes.",
    hint="It is a standby, in recovery or set read-only: name the primary in 'ledger'.",
)
_NO_ADDRESS = partial(
    LedgerError,
    "The ledger's address cannot be read.",
    hint="Write sqlite:////absolute/path/ledger.db or postgresql://user@host/database.",
)
_NO_DRIVER = partial(
    LedgerError,
    "The driver for this kind of ledger is not installed.",
    hint="For PostgreSQL: pip install 'dicom-fhir-indexer[postgres]'.",
)

# Longest prefix of sqlite3's error name first. A full disk also shows where the shared memory file cannot grow.
_SQLITE: dict[str, Callable[[], LedgerError]] = {
    "SQLITE_IOERR": _DISK_FAILS,
    **dict.fromkeys(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"), _FULL),
    **dict.fromkeys(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR_LOCK"), _LOCKED),
    **dict.fromkeys(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_CORRUPTFS"), _DAMAGED),
    **dict.fromkeys(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"), _NOT_WRITABLE),
}

# Longest prefix of SQLSTATE first (PostgreSQL 15 documentation, appendix A "PostgreSQL Error Codes").
_POSTGRESQL: dict[str, Callable[[], LedgerError]] = {
    "53100": _FULL,
    "25006": _STANDBY,
    "58": _DISK_FAILS,
    **dict.fromkeys(("55P03", "40", "57014"), _LOCKED),
    **dict.fromkeys(("53", "57P", "08", "25P03", "25P04"), _UNREACHABLE),
    **dict.fromkeys(("28", "3D", "3F", "42501"), _NOT_ALLOWED),
    **dict.fromkeys(("XX001", "XX002"), _DAMAGED),
}


def _longest(errors: Mapping[str, Callable[[], LedgerError]], code: str) -> LedgerError | None:
    fitting = [prefix for prefix in errors if code.startswith(prefix)]
    return errors[max(fitting, key=len)]() if fitting else None


def _unexpected(error: BaseException, code: str = "") -> LedgerError:
    return LedgerError(f"The ledger's database refused a statement ({code or type(error).__name__}).")


def of_driver(error: BaseException) -> LedgerError:
    """Our error for one of sqlite3 or psycopg."""
    if isinstance(error, sqlite3.Error):
        name: str = getattr(error, "sqlite_errorname", "")
        return _longest(_SQLITE, name) or _unexpected(error, name)
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:  # psycopg gives no SQLSTATE when the connection fails, at its start or later
        is_lost = any(kind.__name__ == "OperationalError" for kind in type(error).__mro__)
        return _UNREACHABLE() if is_lost else _unexpected(error)
    return _longest(_POSTGRESQL, state) or _unexpected(error, state)


def _ours(error: BaseException) -> LedgerError:
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        return of_driver(error.orig)
    if isinstance(error, sqlite3.Error):
        return of_driver(error)
    if isinstance(error, exc.TimeoutError):
        return _LOCKED()
    if isinstance(error, ModuleNotFoundError | exc.NoSuchModuleError):
        return _NO_DRIVER()
    return _NO_ADDRESS() if isinstance(error, exc.ArgumentError) else _unexpected(error)


@contextmanager
def translated() -> Iterator[None]:
    """Turn every error of SQLAlchemy and the drivers into one of the `LedgerError` family.

    `LedgerBusy` and `LedgerFull` end by themselves or when somebody makes room. `LedgerUnwritable` does if the ledger
    was written before (`indexer.ledger.database.Database.translated`). Anything else does not.
    """
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        raise _ours(error) from error
