"""Transactions: each is run again while another process, a full disk or an outage is in its way."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import tenacity
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

from indexer.errors import Interrupted, LedgerBusy, LedgerFull, LedgerUnwritable
from indexer.ledger.engine import open_engine, switch_to_wal
from indexer.ledger.files import OpenFiles
from indexer.ledger.translation import of_driver, translated
from indexer.log import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, ExceptionContext, Table

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
        self._has_written = False
        self._outage = Outage()
        with translated():
            self.engine = open_engine(url, patience_s)
        event.listen(self.engine, "after_cursor_execute", self._record_write)
        event.listen(self.engine, "handle_error", _distrust)
        self._files: OpenFiles | None = None
        if (path := self.path) is not None:
            self._again(lambda: switch_to_wal(self.engine))
            self._files = self._again(lambda: OpenFiles(self.engine, path))

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
        result = self._again(lambda: self._transaction(work, writes=True))
        self._outage.end()
        return result

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of the database into ours; a ledger that this process has written to is away, not unusable."""
        try:
            with translated():
                yield
        except LedgerUnwritable as error:
            if not self._has_written:
                raise
            raise LedgerBusy(error.message, hint=error.hint) from error

    def close(self) -> None:
        """Close all connections."""
        if self._files is not None:
            self._files.close()
        self.engine.dispose()

    def _transaction(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        if self._files is not None:
            self._files.confirm()
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
            before_sleep=lambda state: self._outage.begin(state.outcome),
            reraise=True,
        )
        if stop is not None and not stop.is_set():
            retrying = retrying.copy(
                stop=tenacity.stop_when_event_set(stop),
                sleep=tenacity.sleep_using_event(stop),
                retry_error_callback=_interrupt,
            )
        try:
            return retrying(self.translated()(attempt))
        finally:
            self._outage.leave()

    def _record_write(self, *arguments: Any) -> None:
        context = arguments[4]
        self._has_written |= context.isinsert or context.isupdate or context.isdelete


def _distrust(context: ExceptionContext) -> None:
    """Make all connections anew: those to a server that became a standby would never write again."""
    if isinstance(of_driver(context.original_exception), LedgerUnwritable):
        context.is_disconnect = True


class Outage:
    """Says why the ledger cannot be written, each reason once however many transactions wait, and when it can.

    It lasts until none of them waits any more: each may have a connection that was opened before it ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problems: set[str] = set()
        self._waiting: set[int] = set()

    def begin(self, outcome: tenacity.Future | None) -> None:
        """Say what is in the way of a transaction, unless that was said."""
        error = outcome.exception() if outcome else None
        with self._lock:
            self._waiting.add(threading.get_ident())
            is_news = str(error) not in self._problems
            self._problems.add(str(error))
        if is_news:
            facts = {"event": Event.LEDGER_WAITS, "cause": type(error).__name__, "problem": str(error)}
            _log.warning("the ledger cannot be written; trying again", extra=facts)

    def leave(self) -> None:
        """Take note that the transaction of this thread does not wait any more."""
        with self._lock:
            self._waiting.discard(threading.get_ident())

    def end(self) -> None:
        """Say that a transaction was written, if that is news and no other one waits."""
        with self._lock:
            is_news = bool(self._problems) and not self._waiting
            if is_news:
                self._problems.clear()
        if is_news:
            _log.info("the ledger is written again", extra={"event": Event.LEDGER_BACK})


def _interrupt(state: tenacity.RetryCallState) -> NoReturn:
    raise Interrupted("a stop was asked for") from (state.outcome.exception() if state.outcome else None)
