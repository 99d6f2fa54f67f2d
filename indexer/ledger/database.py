"""Transactions: each is run again while another process or a full disk is in its way."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import tenacity
from sqlalchemy.dialects import postgresql, sqlite

from indexer.errors import Interrupted, LedgerBusy, LedgerFull
from indexer.ledger.engine import open_engine, switch_to_wal
from indexer.ledger.translation import translated
from indexer.log import Event

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

_log = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK = 500
BETWEEN_TRIES_S = (0.1, 5.0)


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut values into pieces that fit into one statement's parameters."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def put(transaction: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows by their primary keys; columns that are not named keep their values."""
    if not rows:
        return
    row = insert(transaction, table)
    keys = [column.name for column in table.primary_key]
    values = {name: row.excluded[name] for name in rows[0] if name not in keys}
    transaction.execute(row.on_conflict_do_update(index_elements=keys, set_=values), rows)


def insert(transaction: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that takes ``on_conflict_do_update``, in the transaction's dialect."""
    return postgresql.insert(table) if transaction.dialect.name == "postgresql" else sqlite.insert(table)


class Database:
    """Runs transactions on one ledger's database, from any number of threads.

    A transaction is a function of its connection. It may be run more than once, and all that it does is undone before
    it is run again: it changes nothing but the database. After its patience it gives up with `LedgerBusy` or
    `LedgerFull`.
    """

    def __init__(self, url: str, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._stop: threading.Event | None = None
        with translated():
            self.engine = open_engine(url, patience_s)
        if self.path is not None:
            self._again(lambda: switch_to_wal(self.engine))

    @property
    def path(self) -> Path | None:
        """The ledger's file, None on PostgreSQL."""
        url = self.engine.url
        return Path(url.database or "") if url.get_backend_name() == "sqlite" else None

    def wait_out(self, stop: threading.Event) -> None:
        """Give up no transaction from now on until `stop` is set; one that waits then raises `Interrupted`."""
        self._stop = stop

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads."""
        return self._again(lambda: self._transaction(work, writes=False))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that writes; there is one at a time per ledger."""
        return self._again(lambda: self._transaction(work, writes=True))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _transaction(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        with self.engine.connect() as connection:
            connection.execution_options(writes=writes)
            with connection.begin():
                return work(connection)

    def _again(self, attempt: Callable[[], T]) -> T:
        stop = self._stop
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((LedgerBusy, LedgerFull)),
            wait=tenacity.wait_random_exponential(*BETWEEN_TRIES_S),
            stop=tenacity.stop_before_delay(self._patience_s),
            before_sleep=_tell,
            reraise=True,
        )
        if stop is not None and not stop.is_set():
            retrying = retrying.copy(
                stop=tenacity.stop_when_event_set(stop),
                sleep=tenacity.sleep_using_event(stop),
                retry_error_callback=_interrupt,
            )
        return retrying(translated()(attempt))


def _tell(state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        facts = {"event": Event.LEDGER_WAITS, "cause": type(state.outcome.exception()).__name__}
        _log.warning("the ledger cannot be written; trying again", extra=facts)


def _interrupt(state: tenacity.RetryCallState) -> NoReturn:
    raise Interrupted("a stop was asked for") from (state.outcome.exception() if state.outcome else None)
