"""The ledger as the flow sees it: each method one transaction."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from indexer.ledger import (
    backfills,
    feed,
    health,
    installation,
    locations,
    mark,
    report,
    settle,
    target_state,
    targets,
    work,
)
from indexer.ledger.backup import backup
from indexer.ledger.database import Database, reads, writes
from indexer.ledger.lock import drain_lock
from indexer.ledger.migrate import migrate
from indexer.model import Lane

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from indexer.model import (
        BackfillRun,
        EndpointState,
        FeedPosition,
        Mark,
        Patient,
        Published,
        ResourceKey,
        Settlement,
        StudyLocation,
        Task,
        Written,
    )
    from indexer.model.ledger import BackfillProgress, HealthState, QuarantineRow, StudyRow, Summary

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


class Ledger:
    """The durable state, for any number of threads. Times are epoch seconds.

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

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    # -- made once ---------------------------------------------------------------------------------------------

    def site_key(self) -> bytes:
        """Secret behind all keyed hashes, 32 bytes, made at first use."""
        return installation.site_key(self.database, None)

    @writes
    def patient_system(self, transaction: Connection, source: str) -> tuple[str, bool]:
        """``urn:uuid:`` system for this source's numbers without an issuer, and whether it was made just now."""
        return installation.patient_system(transaction, source)

    # -- target ------------------------------------------------------------------------------------------------

    @reads
    def drained_target(self, transaction: Connection) -> str | None:
        """Address of the target that was drained to last, None before the first time."""
        return installation.drained_target(transaction)

    @writes
    def put_drained_target(self, transaction: Connection, base_url: str) -> None:
        """Record that this target is drained to from now on."""
        installation.put_drained_target(transaction, base_url)

    def reset_target(self) -> None:
        """The same address, but another or an emptied server: nothing counts as sent any more."""
        targets.reset_target(self.database, self.target)

    def _target(self, transaction: Connection) -> int | None:
        return targets.active(transaction, self.target)

    def _begun_target(self, transaction: Connection) -> int:
        return targets.begun(transaction, self.target)

    # -- drain lock --------------------------------------------------------------------------------------------

    @contextmanager
    def drain_lock(self) -> Iterator[None]:
        """Hold the right to drain; the leases of a dead owner end. Raises `LedgerBusy` if its owner lives."""
        with self._lock.hold():
            self._begin_draining()
            yield

    @writes
    def _begin_draining(self, transaction: Connection) -> None:
        work.end_leases(transaction)
        health.clear_health(transaction)

    def drainer_alive(self) -> bool:
        """Whether some process holds the drain lock."""
        return self._lock.is_held()

    # -- feed --------------------------------------------------------------------------------------------------

    @reads
    def position(self, transaction: Connection, source: str) -> FeedPosition | None:
        """Feed position, None before the first poll."""
        return feed.position(transaction, source)

    @writes
    def note(
        self, transaction: Connection, source: str, marks: Sequence[Mark], position: FeedPosition, now: float
    ) -> None:
        """Mark studies dirty and move the position, together."""
        mark.mark(transaction, marks, now)
        feed.move(transaction, source, position)

    @writes
    def record_poll(self, transaction: Connection, source: str, now: float) -> None:
        """A poll of this source went well."""
        feed.record_poll(transaction, source, now)

    # -- work --------------------------------------------------------------------------------------------------

    @writes
    def mark(self, transaction: Connection, marks: Sequence[Mark], now: float) -> None:
        """Mark studies dirty; the generation of each rises."""
        mark.mark(transaction, marks, now)

    @reads
    def locations(self, transaction: Connection, source: str, limit: int = 0) -> tuple[StudyLocation, ...]:
        """Known locations in a source, newest first; all of them without a limit."""
        return locations.of_source(transaction, source, limit)

    @writes
    def take(
        self,
        transaction: Connection,
        now: float,
        limit: int,
        lease_s: float,
        *,
        source: str,
        sources: Sequence[str],
        lane: Lane | None = None,
    ) -> tuple[Task, ...]:
        """Lease due studies that one source's pipeline reads: live before backfill, oldest due first.

        Parameters
        ----------
        sources
            The configured ones in their order; the first of them that has a study reads it.
        lane
            Studies of this lane only.

        Raises
        ------
        LedgerBusy
            Also if this process lost the drain lock with its connection to PostgreSQL, and cannot get it back.
        """
        self._lock.confirm()
        lanes = Lane if lane is None else [lane]
        return work.take(
            transaction, self._target(transaction), now, limit, lease_s, source=source, sources=sources, lanes=lanes
        )

    @reads
    def next_due(self, transaction: Connection, now: float, *, source: str) -> float | None:
        """Seconds until something of a source is due that is not leased; None if nothing else of it is dirty."""
        return work.next_due(transaction, source, now)

    @writes
    def defer_unconfigured(self, transaction: Connection, sources: Sequence[str]) -> None:
        """Dirty studies that stand in none of these sources say so; no pipeline takes them."""
        work.defer_unconfigured(transaction, sources)

    @writes
    def settle(self, transaction: Connection, settlements: Sequence[Settlement], now: float) -> None:
        """End tasks; a study that was marked meanwhile stays dirty."""
        settle.settle(transaction, self._begun_target(transaction), settlements, now)

    # -- confirmed by the target -------------------------------------------------------------------------------

    @reads
    def published(self, transaction: Connection, study_instance_uids: Sequence[str]) -> Mapping[str, Published]:
        """What the present target confirmed, by StudyInstanceUID."""
        return target_state.published(transaction, self._target(transaction), study_instance_uids)

    @reads
    def published_uids(self, transaction: Connection) -> frozenset[str]:
        """Every study that the present target confirmed."""
        return target_state.published_uids(transaction, self._target(transaction))

    @reads
    def patients(self, transaction: Connection, patient_keys: Sequence[str]) -> Mapping[str, Patient]:
        """What the present target confirmed of Patients, by key."""
        return target_state.patients(transaction, self._target(transaction), patient_keys)

    @reads
    def endpoint(self, transaction: Connection, source: str) -> EndpointState | None:
        """The source's Endpoint as the present target holds it."""
        return target_state.endpoint(transaction, self._target(transaction), source)

    @reads
    def endpoint_id(self, transaction: Connection, source: str) -> str | None:
        """Id that the source's Endpoint bears at any target, once one was published."""
        return target_state.endpoint_id(transaction, source)

    @writes
    def put_endpoint(self, transaction: Connection, state: EndpointState) -> None:
        """Record a source's Endpoint as the present target holds it."""
        target_state.put_endpoint(transaction, self._begun_target(transaction), state)

    @writes
    def record_pending(
        self, transaction: Connection, bodies: Mapping[ResourceKey, bytes]
    ) -> Mapping[ResourceKey, Written]:
        """Record what is about to be sent to the present target, packed; what was written before."""
        return target_state.record_pending(transaction, self._begun_target(transaction), bodies)

    @writes
    def forget_patients(self, transaction: Connection, patient_keys: Sequence[str]) -> None:
        """The present target holds these Patients no longer."""
        target_state.forget_patients(transaction, self._target(transaction), patient_keys)

    # -- backfill ----------------------------------------------------------------------------------------------

    @writes
    def backfill_begin(self, transaction: Connection, digest: str, now: float, rate: float | None) -> BackfillRun:
        """The unfinished run of the same options, or a new one."""
        return backfills.begin(transaction, digest, now, rate)

    @writes
    def backfill_mark(
        self, transaction: Connection, run: BackfillRun, marks: Sequence[Mark], cursor: str, now: float
    ) -> BackfillRun:
        """Mark a chunk for a run and move its cursor, together."""
        return backfills.mark(transaction, run, marks, cursor, now)

    @writes
    def backfill_marked(self, transaction: Connection, run: BackfillRun) -> BackfillRun:
        """All marks of the run are made."""
        return backfills.marked(transaction, run)

    @reads
    def backfill_progress(self, transaction: Connection, run: BackfillRun) -> BackfillProgress:
        """How far the run is."""
        return backfills.progress(transaction, run)

    @writes
    def backfill_finish(self, transaction: Connection, run: BackfillRun, now: float) -> None:
        """Nothing of the run is dirty any more."""
        backfills.finish(transaction, run, now)

    @reads
    def backfill_rate(self, transaction: Connection) -> float | None:
        """Lowest rate that an unfinished run asks for, in studies per second."""
        return backfills.rate(transaction)

    # -- health of the servers ---------------------------------------------------------------------------------

    @writes
    def put_health(self, transaction: Connection, states: Sequence[HealthState]) -> None:
        """Record how servers do; the drain lock's next owner forgets it."""
        health.put_health(transaction, states)

    @reads
    def health(self, transaction: Connection) -> tuple[HealthState, ...]:
        """How each server did when it was recorded last, by name."""
        return health.health(transaction)

    # -- reports -----------------------------------------------------------------------------------------------

    @reads
    def summary(self, transaction: Connection, source: str, now: float) -> Summary:
        """Counts and times for `status`."""
        return report.summary(transaction, self._target(transaction), source, now)

    @reads
    def study(self, transaction: Connection, study_instance_uid: str) -> StudyRow | None:
        """All that is known of one study."""
        return report.study_row(transaction, self._target(transaction), study_instance_uid)

    @reads
    def quarantine(self, transaction: Connection) -> tuple[QuarantineRow, ...]:
        """Studies in quarantine, oldest first."""
        return report.quarantine_rows(transaction)

    @writes
    def replay(
        self, transaction: Connection, study_instance_uids: Sequence[str], now: float, *, sources: Sequence[str]
    ) -> int:
        """Mark studies of the quarantine dirty again (all without a UID), where these sources read them; how many."""
        uids = report.quarantined_uids(transaction, study_instance_uids)
        mark.replay(transaction, uids, sources, now)
        return len(uids)

    def backup(self, path: Path) -> None:
        """Write a consistent copy of the ledger to a new file."""
        backup(self.database, path)
