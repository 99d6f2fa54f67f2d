"""The ledger as the flow sees it: each method is one transaction."""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from indexer.ledger import (
    backfills,
    installation,
    marks,
    report,
    retries,
    targets,
    work,
)
from indexer.ledger import locations as known_locations
from indexer.ledger.backup import backup
from indexer.ledger.database import Database
from indexer.ledger.lock import drain_lock
from indexer.ledger.migrate import migrate

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from indexer.model import Lane, Task

T = TypeVar("T")
P = ParamSpec("P")

PATIENCE_S = 30.0


def open_ledger(url: str, target: str, *, site_key: bytes | None = None, patience_s: float = PATIENCE_S) -> Ledger:
    """Open a ledger, made or migrated if need be.

    Parameters
    ----------
    url
        ``sqlite:////absolute/path`` or ``postgresql://user@host/database``.
    target
        Address of the FHIR server that the ledger is opened for: what it confirmed says nothing about another.
    site_key
        Secret behind the keyed hashes; without it the ledger makes its own.
    patience_s
        How long a transaction waits for other processes or for room on the disk, until `Ledger.wait_out`.

    Raises
    ------
    LedgerError
        If it is damaged, newer than this program, not writable, or begun with another site key.
    """
    with ExitStack() as on_failure:
        database = Database(url, patience_s=patience_s)
        on_failure.callback(database.close)
        migrate(database)
        if site_key is not None:
            installation.site_key(database, site_key)
        on_failure.pop_all()
    return Ledger(database, target)


def _reads(work: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """A method that does this as one transaction that only reads."""

    @functools.wraps(work)
    def read(self: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.database.read(lambda transaction: work(transaction, *args, **kwargs))

    return read


def _writes(work: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """A method that does this as one transaction that writes."""

    @functools.wraps(work)
    def write(self: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.database.write(lambda transaction: work(transaction, *args, **kwargs))

    return write


def _reads_target(work: Callable[Concatenate[Connection, int | None, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """The same of a function that takes the present target's id, None before anything was recorded of it."""

    @functools.wraps(work)
    def read(self: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.database.read(lambda it: work(it, targets.active(it, self.target), *args, **kwargs))

    return read


def _writes_target(work: Callable[Concatenate[Connection, int, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """The same of a function that takes the present target's id."""

    @functools.wraps(work)
    def write(self: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.database.write(lambda it: work(it, targets.begun(it, self.target), *args, **kwargs))

    return write


class Ledger:
    """The durable state, for any number of threads. Times are epoch seconds.

    Most methods are one transaction of a function that is named beside them, and are described there.

    Parameters
    ----------
    database
        Migrated to the present schema.
    target
        Address of the FHIR server that `published`, `patients`, `endpoint` and the like speak of.
    """

    def __init__(self, database: Database, target: str) -> None:
        self.database = database
        self.target = target
        self._lock = drain_lock(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_out(self, stop: threading.Event) -> None:
        """Give up no transaction from now on until `stop` is set; one that waits then raises `Interrupted`."""
        self.database.wait_out(stop)

    def confirm(self) -> None:
        """Raise `LedgerReplaced` if the files that were opened were deleted or replaced, as every other method does."""
        self.database.read(lambda _: None)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def backup(self, path: Path) -> None:
        """Write a consistent copy of the ledger to a new file."""
        backup(self.database, path)

    @contextmanager
    def drain_lock(self) -> Iterator[None]:
        """Hold the right to drain; the leases of a dead owner end. Raises `LedgerBusy` if its owner lives."""
        with self._lock.hold():
            self.database.write(_begin_draining)
            yield

    def drainer_alive(self) -> bool:
        """Whether some process holds the drain lock."""
        return self._lock.is_held()

    def site_key(self) -> bytes:
        """Secret behind all keyed hashes, 32 bytes, made at first use."""
        return installation.site_key(self.database, None)

    def reset_target(self) -> None:
        """The same address, but another or an emptied server: nothing counts as sent any more."""
        targets.reset(self.database, self.target)

    drained_target = _reads(installation.drained_target)
    put_drained_target = _writes(installation.put_drained_target)

    position = _reads(installation.position)
    note = _writes(installation.note)
    record_poll = _writes(installation.record_poll)
    patient_system = _writes(installation.patient_system)
    endpoint_id = _reads(installation.endpoint_id)
    locations = _reads(known_locations.of_source)
    study_locations = _reads(known_locations.of_studies)

    mark = _writes(marks.mark)
    replay = _writes(marks.replay)
    next_due = _reads(work.next_due)
    defer_unconfigured = _writes(work.defer_unconfigured)
    settle = _writes_target(work.settle)

    def take(
        self, now: float, limit: int, lease_s: float, *, source: str, sources: Sequence[str], lane: Lane | None = None
    ) -> tuple[Task, ...]:
        """Lease due studies, as `indexer.ledger.work.take` does.

        Raises
        ------
        LedgerBusy
            Also if this process lost the drain lock with its connection to PostgreSQL, and cannot get it back.
        """

        def confirmed(transaction: Connection) -> tuple[Task, ...]:
            self._lock.confirm()
            target_id = targets.active(transaction, self.target)
            return work.take(transaction, target_id, now, limit, lease_s, source=source, sources=sources, lane=lane)

        return self.database.write(confirmed)

    published = _reads_target(targets.published)
    published_uids = _reads_target(targets.published_uids)
    patients = _reads_target(targets.patients)
    put_patients = _writes_target(targets.put_patients)
    forget_patients = _writes_target(targets.forget_patients)
    endpoint = _reads_target(targets.endpoint)
    put_endpoint = _writes_target(targets.put_endpoint)
    record_pending = _writes_target(targets.record_pending)
    capacities = _reads_target(targets.capacities)
    put_capacities = _writes_target(targets.put_capacities)

    backfill_begin = _writes(backfills.begin)
    backfill_mark = _writes(backfills.mark)
    backfill_marked = _writes(backfills.marked)
    backfill_progress = _reads(backfills.progress)
    backfill_finish = _writes(backfills.finish)
    backfill_rate = _reads(backfills.rate)

    summary = _reads_target(report.summary)
    study = _reads_target(report.study_row)
    quarantine = _reads(report.quarantine_rows)
    retries_due = _reads(retries.due)
    note_setup = _writes(retries.note_setup)
    health = _reads(report.health)
    put_health = _writes(report.put_health)


def _begin_draining(transaction: Connection) -> None:
    work.end_leases(transaction)
    report.clear_health(transaction)
