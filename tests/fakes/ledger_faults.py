"""Faults of a ledger's database, met where the driver would raise them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from indexer.ledger import Ledger

BUSY, FULL, DAMAGED = "SQLITE_BUSY", "SQLITE_FULL", "SQLITE_CORRUPT"
READ_ONLY, DISK_FAILS, GONE = "SQLITE_READONLY", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN"


@dataclass
class Faults:
    """How many of them are still to come."""

    left: int


@contextmanager
def failing(ledger: Ledger, fault: str, *, times: int = 1, statement: str = "") -> Iterator[Faults]:
    """The next statements that begin like this fail, each in the middle of its transaction."""
    faults = Faults(times)

    def fail(_connection: object, _cursor: object, text: str, *_: Any) -> None:
        if faults.left and text.startswith(statement):
            faults.left -= 1
            error = sqlite3.OperationalError(fault)
            error.sqlite_errorname = fault
            raise error

    event.listen(ledger.database.engine, "before_cursor_execute", fail)
    try:
        yield faults
    finally:
        event.remove(ledger.database.engine, "before_cursor_execute", fail)
