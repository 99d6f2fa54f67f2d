"""Whether the files of an SQLite ledger are still those that were opened.

Whoever has a file open goes on in it after it was deleted or replaced, while the next process begins in another one:
two would drain side by side, and what the first one writes is gone when it ends.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from indexer.errors import LedgerReplaced, LedgerUnwritable

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

Identity = tuple[int, int]


def identity(path: Path) -> Identity | None:
    """Device and inode of what stands at a path; None if there is nothing."""
    try:
        return _identity(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LedgerUnwritable(
            f"The ledger's files cannot be seen: {error.strerror}.", hint="Check the ledger's directory and its disk."
        ) from error


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that stands at a path."""
    return _identity(os.fstat(descriptor)) == identity(path)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


class OpenFiles:
    """The ledger's file, its write-ahead log and the index of that, as this process opened them.

    One connection stays open and unused. So SQLite does not remove the side files, as it does with a last connection.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._connection = engine.raw_connection()
        self._connection.cursor().execute("SELECT 1 FROM sqlite_master").fetchall()  # opens the side files
        real = path.resolve()  # SQLite follows links, and puts the side files beside what they lead to
        paths = path, *(real.with_name(real.name + suffix) for suffix in ("-wal", "-shm"))
        self._opened = {path: identity(path) for path in paths}

    def confirm(self) -> None:
        """Raise `LedgerReplaced` if one of them was deleted or replaced."""
        for path, opened in self._opened.items():
            if identity(path) != opened:
                raise LedgerReplaced(f"The ledger's file {path.name} was deleted or replaced while the program ran.")

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
