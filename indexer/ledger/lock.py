"""The right to drain: one process per ledger, whose death frees it at once."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from indexer.errors import LedgerBusy, LedgerError
from indexer.ledger.engine import ADVISORY_DRAIN, open_private
from indexer.ledger.files import is_at
from indexer.ledger.translation import translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from indexer.ledger.database import Database

# `is_held` takes the lock for an instant; who meets that instant tries again.
_TRIES = 10
_BETWEEN_TRIES_S = 0.01


def drain_lock(database: Database) -> FileLock | AdvisoryLock:
    """The lock that fits the database; one process per ledger holds it."""
    path = database.path
    return AdvisoryLock(database) if path is None else FileLock(path.with_name(path.name + ".drain.lock"))


def _busy(holder: str) -> LedgerBusy:
    return LedgerBusy(f"Another process drains this ledger: {holder}.")


class FileLock:
    """``flock`` on a file beside the ledger, which names the holder's process id.

    The file stays when the lock is given back: removing it would let two processes lock two files.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock; raises `LedgerBusy` if somebody else does."""
        self._descriptor = self._acquire()
        try:
            yield
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """Whether some process, this one included, holds the lock."""
        descriptor = self._open()
        try:
            return not _locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def confirm(self) -> None:
        """Take the lock again if its file was deleted or replaced; raises `LedgerBusy` if that cannot be."""
        former = self._descriptor
        if former is not None and not is_at(former, self._path):
            self._descriptor = self._acquire()
            os.close(former)

    def _acquire(self) -> int:
        descriptor = self._open()
        with ExitStack() as on_failure:
            on_failure.callback(os.close, descriptor)
            if not any(_locked(descriptor, fcntl.LOCK_EX, after_s=try_ * _BETWEEN_TRIES_S) for try_ in range(_TRIES)):
                raise _busy(f"process {os.pread(descriptor, 32, 0).decode('ascii', 'replace').strip() or 'unknown'}")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            on_failure.pop_all()
        return descriptor

    def _open(self) -> int:
        try:
            return open_private(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        except OSError as error:
            raise LedgerError(
                f"The ledger's lock file cannot be opened: {error.strerror}.",
                hint="Check that the ledger's directory and the .drain.lock file in it belong to this user.",
            ) from error


def _locked(descriptor: int, kind: int, after_s: float = 0.0) -> bool:
    time.sleep(after_s)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class AdvisoryLock:
    """Advisory lock of a PostgreSQL session, on a connection that does nothing else.

    Connections bear the process id of their owner in their application_name.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        self._session = self._acquire()
        try:
            yield
        finally:
            self._release(self._session)
            self._session = None

    def is_held(self) -> bool:
        return self._database.read(lambda transaction: transaction.scalar(_HOLDER)) is not None

    def confirm(self) -> None:
        """Take the lock again if this process lost it unnoticed; raises `LedgerBusy` if that cannot be."""
        if self._session is None:
            return
        try:
            with self._database.translated():
                self._session.execute(text("SELECT 1"))
        except LedgerError:
            _end(self._session)  # never used again: a connection that mends itself would be one without the lock
            self._session = self._acquire()

    def _acquire(self) -> Connection:
        with self._database.translated():
            session = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if session.scalar(text(f"SELECT pg_try_advisory_lock({_KEYS})")):
                return session
            holder = session.scalar(_HOLDER) or "unknown"
            _end(session)
        raise _busy(holder)

    def _release(self, session: Connection) -> None:
        """Unlock before the session ends, which the server notices a little later, or never was told to."""
        with suppress(LedgerError), translated():
            session.execute(text(f"SELECT pg_advisory_unlock({_KEYS})"))
        _end(session)


def _end(session: Connection) -> None:
    """End a session, and its locks with it, whether or not the server still answers."""
    if not session.closed:
        session.invalidate()
        session.close()


_KEYS = f"{ADVISORY_DRAIN}, hashtext(current_schema())"
_HOLDER = text(
    # The two halves of the key stand unsigned in pg_locks (PostgreSQL 15 documentation, 54.12 "pg_locks").
    "SELECT coalesce(activity.application_name, 'pid ' || locks.pid) FROM pg_locks AS locks "
    "LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid "
    "WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 2 AND locks.classid = :lock "
    "AND locks.objid::bigint = (hashtext(current_schema())::bigint & 4294967295) "
    "AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1"
).bindparams(lock=ADVISORY_DRAIN)
