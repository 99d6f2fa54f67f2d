"""Marking studies dirty: the statements behind `note`, `mark`, `backfill_mark` and `replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, or_, select

from indexer.ledger import locations
from indexer.ledger.database import insert, put
from indexer.ledger.schema import SOURCE_NOT_CONFIGURED, dirty, location, quarantine, study
from indexer.model import Lane, Mark, StudyLocation

if TYPE_CHECKING:
    from collections.abc import Sequence


def mark(transaction: Connection, marks: Sequence[Mark], now: float, run_id: int | None = None) -> None:
    """Mark studies dirty, for a backfill if one is named; the generation of each rises."""
    places = [
        {
            "source": mark.location.source,
            "location_id": mark.location.location_id,
            "study_instance_uid": mark.location.study_instance_uid,
            "marked_at": now,
        }
        for mark in marks
    ]
    put(transaction, location, places)
    _touch(transaction, marks, now, run_id)


def replay(transaction: Connection, study_instance_uids: Sequence[str], now: float, *, sources: Sequence[str]) -> int:
    """Mark studies of the quarantine dirty again (all without a UID), where these sources read them; how many."""
    query = select(quarantine.c.study_instance_uid)
    wanted = set(study_instance_uids)
    uids = [uid for uid in transaction.scalars(query) if not wanted or uid in wanted]
    stands = locations.of_studies(transaction, uids)
    readers = {uid: locations.reader(stands[uid], sources) or sources[0] for uid in uids}
    marks = [Mark(location=StudyLocation(reader, "", uid), reason="replay") for uid, reader in readers.items()]
    _touch(transaction, marks, now)
    return len(uids)


def _touch(transaction: Connection, marks: Sequence[Mark], now: float, run_id: int | None = None) -> None:
    """Raise the generation of each study and make it dirty at its source."""
    if not marks:
        return
    rows = [
        {
            "study_instance_uid": mark.location.study_instance_uid,
            "source": mark.location.source,
            "lane": int(mark.lane),
            "reason": mark.reason,
            "force": mark.force,
            "first_event_at": now,
            "last_event_at": now,
            "due_at": now + mark.quiet_s,
            "attempts": 0,
            "is_abandoned": False,
            "run_id": run_id,
            "mark_uid": mark.location.study_instance_uid,
            "mark_max_wait_s": mark.max_wait_s,
        }
        for mark in marks
    ]
    keys = ["study_instance_uid"]
    first = insert(transaction, study)
    raised = first.on_conflict_do_update(index_elements=keys, set_={"generation": study.c.generation + 1})
    transaction.execute(raised, [{"study_instance_uid": row["mark_uid"], "generation": 1} for row in rows])
    generation = select(study.c.generation).where(study.c.study_instance_uid == bindparam("mark_uid"))
    row = insert(transaction, dirty).values(generation=generation.scalar_subquery())
    transaction.execute(row.on_conflict_do_update(index_elements=keys, set_=_again(row.excluded)), rows)


def _again(new: Any) -> dict[str, ColumnElement[Any]]:
    """What a mark changes in a study that is dirty already."""
    old = dirty.c
    is_live = new.lane == int(Lane.LIVE)
    was_unconfigured = old.last_cause == SOURCE_NOT_CONFIGURED
    was_deferred = or_(old.attempts > 0, old.last_cause.is_not(None))
    # What is being read now covers the marks before it: the first one after it begins a new wait. Otherwise a study
    # that grows for hours would, once it waited for its longest, be written again at every single change.
    is_first_since_taken = and_(old.taken_generation.is_not(None), old.taken_generation == old.generation)
    first_event_at = case((is_first_since_taken, new.first_event_at), else_=old.first_event_at)
    latest = first_event_at + bindparam("mark_max_wait_s")
    settled = case((new.due_at < latest, new.due_at), else_=latest)
    return {
        "source": case((was_unconfigured, new.source), else_=old.source),
        "generation": new.generation,
        "lane": case((new.lane < old.lane, new.lane), else_=old.lane),
        "reason": case((new.lane <= old.lane, new.reason), else_=old.reason),
        "force": or_(old.force, new.force),
        "first_event_at": first_event_at,
        "last_event_at": new.last_event_at,
        "due_at": case((is_live, settled), (was_deferred, new.last_event_at), else_=old.due_at),
        "attempts": case((is_live, 0), else_=old.attempts),
        "last_cause": case((or_(is_live, was_unconfigured), None), else_=old.last_cause),
        "run_id": case((new.run_id.is_(None), old.run_id), else_=new.run_id),
    }
