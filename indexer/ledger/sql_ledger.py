"""The ledger as the flow sees it: each method one transaction."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from indexer.ledger import backfills, feed, installation, locations, mark, report, settle, target_state, targets, work
from indexer.ledger.backup import backup
from indexer.ledger.engine import Database
from indexer.ledger.lock import drain_lock
from indexer.ledger.migrate import migrate
from indexer.model import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from indexer.model import (
        BackfillRun,
        FeedPosition,
        Mark,
        Patient,
        Published,
        Settlement,
        StudyLocation,
        Task,
        Written,
    )
    from indexer.model.ledger import BackfillProgress, QuarantineRow, StudyRow, Summary

PATIENCE_S = 30.0


def open_ledger(url: str, *, site_key: bytes | None = None, patience_s: float = PATIENCE_S) -> SqlLedger:
    """Open a ledger, made or migrated if need be.

    Parameters
    ----------
    url
        ``sqlite:////absolute/path`` or ``postgresql://user@host/database``.
    site_key
        Secret behind the keyed hashes; without it the ledger makes its own.
    patience_s
        How long a transaction waits for other processes.

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
    return SqlLedger(database)


class SqlLedger:
    """The `Ledger` on SQLite or PostgreSQL, for any number of threads.

    Parameters
    ----------
    database
        Migrated to the present schema.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = drain_lock(database)
        self._base_url: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # -- made once ---------------------------------------------------------------------------------------------

    def site_key(self) -> bytes:
        """Secret behind all keyed hashes, 32 bytes, made at first use."""
        return installation.site_key(self._database, None)

    def patient_system(self, source: str) -> tuple[str, bool]:
        """``urn:uuid:`` system for this source's numbers without an issuer, and whether it was made just now."""
        with self._database.write() as transaction:
            return installation.patient_system(transaction, source)

    # -- target ------------------------------------------------------------------------------------------------

    def open_target(self, base_url: str) -> None:
        """Make `base_url` the target that `published`, `patients` and `endpoint` speak of, in this object."""
        targets.open_target(self._database, base_url)
        self._base_url = base_url

    def drained_target(self) -> str | None:
        """Address of the target that was drained to last, None before the first time."""
        with self._database.read() as transaction:
            return installation.drained_target(transaction)

    def put_drained_target(self, base_url: str) -> None:
        """Record that this target is drained to from now on."""
        with self._database.write() as transaction:
            installation.put_drained_target(transaction, base_url)

    def reset_target(self, base_url: str) -> None:
        """The same address, but another or an emptied server: nothing counts as sent any more."""
        targets.reset_target(self._database, base_url)
        self._base_url = base_url

    def _target(self, transaction: Connection) -> int:
        return targets.present(transaction, self._base_url)

    # -- drain lock --------------------------------------------------------------------------------------------

    @contextmanager
    def drain_lock(self) -> Iterator[None]:
        """Hold the right to drain; ends the leases of a dead owner. Raises `LedgerBusy` if its owner lives."""
        with self._lock.hold():
            with self._database.write() as transaction:
                work.end_leases(transaction)
            yield

    def drainer_alive(self) -> bool:
        """Whether some process holds the drain lock."""
        return self._lock.is_held()

    # -- feed --------------------------------------------------------------------------------------------------

    def position(self, source: str) -> FeedPosition | None:
        """Feed position, None before the first poll."""
        with self._database.read() as transaction:
            return feed.position(transaction, source)

    def note(self, source: str, marks: Sequence[Mark], position: FeedPosition, now: float) -> None:
        """Mark studies dirty and move the position, together."""
        with self._database.write() as transaction:
            mark.mark(transaction, marks, now)
            feed.move(transaction, source, position)

    def record_poll(self, source: str, now: float) -> None:
        """A poll of this source went well."""
        with self._database.write() as transaction:
            feed.record_poll(transaction, source, now)

    # -- work --------------------------------------------------------------------------------------------------

    def mark(self, marks: Sequence[Mark], now: float) -> None:
        """Mark studies dirty; the generation of each rises."""
        with self._database.write() as transaction:
            mark.mark(transaction, marks, now)

    def locations(self, source: str, limit: int = 0) -> tuple[StudyLocation, ...]:
        """Known locations in a source, newest first; all of them without a limit."""
        with self._database.read() as transaction:
            return locations.of_source(transaction, source, limit)

    def take(self, now: float, limit: int, lease_s: float, lane: Lane | None = None) -> tuple[Task, ...]:
        """Lease due studies: live before backfill, oldest due first; of one lane only if one is given.

        Raises
        ------
        LedgerBusy
            Also if this process lost the drain lock with its connection to PostgreSQL, and cannot get it back.
        """
        self._lock.confirm()
        with self._database.write() as transaction:
            target_id = self._target(transaction)
            return work.take(transaction, target_id, now, limit, lease_s, Lane if lane is None else [lane])

    def next_due(self, now: float) -> float | None:
        """Seconds until something is due that is not leased; None if nothing else is dirty."""
        with self._database.read() as transaction:
            return work.next_due(transaction, now)

    def settle(self, settlements: Sequence[Settlement], now: float) -> None:
        """End tasks; a study that was marked meanwhile stays dirty."""
        with self._database.write() as transaction:
            settle.settle(transaction, self._target(transaction), settlements, now)

    # -- confirmed by the target -------------------------------------------------------------------------------

    def published(self, study_instance_uids: Sequence[str]) -> Mapping[str, Published]:
        """What the present target confirmed, by StudyInstanceUID."""
        with self._database.read() as transaction:
            return target_state.published(transaction, self._target(transaction), study_instance_uids)

    def published_uids(self) -> frozenset[str]:
        """Every study that the present target confirmed."""
        with self._database.read() as transaction:
            return target_state.published_uids(transaction, self._target(transaction))

    def patients(self, patient_keys: Sequence[str]) -> Mapping[str, Patient]:
        """What the present target confirmed of Patients, by key."""
        with self._database.read() as transaction:
            return target_state.patients(transaction, self._target(transaction), patient_keys)

    def endpoint(self, source: str) -> tuple[str, str] | None:
        """Id and fingerprint of the source's Endpoint at the present target."""
        with self._database.read() as transaction:
            return target_state.endpoint(transaction, self._target(transaction), source)

    def endpoint_id(self, source: str) -> str | None:
        """Id that the source's Endpoint bears at any target, once one was published."""
        with self._database.read() as transaction:
            return target_state.endpoint_id(transaction, source)

    def put_endpoint(self, source: str, fhir_id: str, fingerprint: str) -> None:
        """Record that the present target holds the Endpoint as fingerprinted."""
        with self._database.write() as transaction:
            target_state.put_endpoint(transaction, self._target(transaction), source, fhir_id, fingerprint)

    def record_pending(self, bodies: Mapping[str, bytes]) -> Mapping[str, Written]:
        """Record what is about to be sent to the present target, packed, by reference; what was written before."""
        with self._database.write() as transaction:
            return target_state.record_pending(transaction, self._target(transaction), bodies)

    def forget_patients(self, patient_keys: Sequence[str]) -> None:
        """The present target holds these Patients no longer."""
        with self._database.write() as transaction:
            target_state.forget_patients(transaction, self._target(transaction), patient_keys)

    # -- backfill ----------------------------------------------------------------------------------------------

    def backfill_begin(self, digest: str, now: float, rate: float | None) -> BackfillRun:
        """The unfinished run of the same options, or a new one."""
        with self._database.write() as transaction:
            return backfills.begin(transaction, digest, now, rate)

    def backfill_mark(self, run: BackfillRun, marks: Sequence[Mark], cursor: str, now: float) -> BackfillRun:
        """Mark a chunk for a run and move its cursor, together."""
        with self._database.write() as transaction:
            return backfills.mark(transaction, run, marks, cursor, now)

    def backfill_marked(self, run: BackfillRun) -> BackfillRun:
        """All marks of the run are made."""
        with self._database.write() as transaction:
            return backfills.marked(transaction, run)

    def backfill_progress(self, run: BackfillRun) -> BackfillProgress:
        """How far the run is."""
        with self._database.read() as transaction:
            return backfills.progress(transaction, run)

    def backfill_finish(self, run: BackfillRun, now: float) -> None:
        """Nothing of the run is dirty any more."""
        with self._database.write() as transaction:
            backfills.finish(transaction, run, now)

    def backfill_rate(self) -> float | None:
        """Lowest rate that an unfinished run asks for, in studies per second."""
        with self._database.read() as transaction:
            return backfills.rate(transaction)

    # -- reports -----------------------------------------------------------------------------------------------

    def summary(self, source: str, now: float) -> Summary:
        """Counts and times for `status`."""
        with self._database.read() as transaction:
            return report.summary(transaction, targets.active(transaction, self._base_url), source, now)

    def study(self, study_instance_uid: str) -> StudyRow | None:
        """All that is known of one study."""
        with self._database.read() as transaction:
            return report.study_row(transaction, targets.active(transaction, self._base_url), study_instance_uid)

    def quarantine(self) -> tuple[QuarantineRow, ...]:
        """Studies in quarantine, oldest first."""
        with self._database.read() as transaction:
            return report.quarantine_rows(transaction)

    def replay(self, study_instance_uids: Sequence[str], now: float) -> int:
        """Mark studies of the quarantine dirty again (all without a UID); how many."""
        with self._database.write() as transaction:
            uids = report.quarantined_uids(transaction, study_instance_uids)
            mark.replay(transaction, uids, now)
        return len(uids)

    def backup(self, path: Path) -> None:
        """Write a consistent copy of the ledger to a new file."""
        backup(self._database, path)
