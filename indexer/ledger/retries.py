"""When studies that the FHIR server refused are tried again: ever more rarely, and at once if the setup changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, exists, select, update

from indexer.ledger.database import chunks, put
from indexer.ledger.schema import dirty, meta, quarantine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Quarantined

FIRST_S, LONGEST_S = 3600.0, 7 * 86400.0
"""First and longest wait; in between a study waits as long as it has been in quarantine."""

_SETUP = "setup"


def times(
    transaction: Connection, quarantined: Sequence[Quarantined], now: float
) -> Mapping[str, tuple[float, float | None]]:
    """Since when each study is in quarantine, and when it is tried again, None for never."""
    refused = [settlement.task.study_instance_uid for settlement in quarantined if settlement.is_retried]
    since: dict[str, float] = {}
    for uids in chunks(refused):
        rows = select(quarantine.c.study_instance_uid, quarantine.c.since).where(
            quarantine.c.study_instance_uid.in_(uids), quarantine.c.retry_at.is_not(None)
        )
        since |= {uid: min(at, now) for uid, at in transaction.execute(rows)}
    waits = {uid: min(max(now - since.get(uid, now), FIRST_S), LONGEST_S) for uid in refused}
    return {
        uid: (since.get(uid, now), now + waits[uid] if uid in waits else None)
        for uid in (settlement.task.study_instance_uid for settlement in quarantined)
    }


def due(transaction: Connection, now: float) -> tuple[str, ...]:
    """Studies of the quarantine whose time has come, and that are not marked yet."""
    is_dirty = exists().where(dirty.c.study_instance_uid == quarantine.c.study_instance_uid)
    uids = select(quarantine.c.study_instance_uid).where(quarantine.c.retry_at <= now, ~is_dirty)
    return tuple(transaction.scalars(uids))


def note_setup(transaction: Connection, setup: str, now: float) -> None:
    """Record what the FHIR server and the configuration are; if they are others than before, all are tried again."""
    former = transaction.scalar(select(meta.c.value).where(meta.c.name == _SETUP))
    if former not in (None, setup):
        transaction.execute(update(quarantine).where(quarantine.c.retry_at > now).values(retry_at=now))
    put(transaction, meta, [{"name": _SETUP, "value": setup}])
