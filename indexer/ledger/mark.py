"""Marking studies dirty: the statements behind `note`, `mark`, `backfill_mark` and `replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select

from indexer.ledger.database import upsert
from indexer.ledger.locations import home
from indexer.ledger.schema import SOURCE_NOT_CONFIGURED, dirty, location, study
from indexer.model import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.model import Mark


def mark(transaction: Connection, marks: Sequence[Mark], now: float, run_id: int | None = None) -> None:
    """Raise the generation of each study and make it dirty.

    Parameters
    ----------
    run_id
        The backfill that marks, if one does.
    """
    if not marks:
        return
    locations = [
        {
            "mark_source": one.location.source,
            "mark_location_id": one.location.location_id,
            "mark_uid": one.location.study_instance_uid,
            "mark_now": now,
        }
        for one in marks
    ]
    transaction.execute(_location(transaction), locations)
    _touch(transaction, [_row(one, now, run_id) for one in marks], bindparam("mark_source"))


def _row(mark: Mark, now: float, run_id: int | None) -> dict[str, Any]:
    return {
        "mark_uid": mark.location.study_instance_uid,
        "mark_source": mark.location.source,
        "mark_lane": int(mark.lane),
        "mark_reason": mark.reason,
        "mark_force": mark.force,
        "mark_now": now,
        "mark_quiet_until": now + mark.quiet_s,
        "mark_max_wait_s": mark.max_wait_s,
        "mark_run": run_id,
    }


def replay(transaction: Connection, study_instance_uids: Sequence[str], sources: Sequence[str], now: float) -> None:
    """Make known studies due at once, each where it is read."""
    if not study_instance_uids:
        return
    common = {
        "mark_lane": int(Lane.LIVE),
        "mark_reason": "replay",
        "mark_force": False,
        "mark_now": now,
        "mark_quiet_until": now,
        "mark_max_wait_s": 0.0,
        "mark_run": None,
    }
    source = func.coalesce(home(bindparam("mark_uid"), sources), sources[0])
    _touch(transaction, [{"mark_uid": uid, **common} for uid in study_instance_uids], source)


def _touch(transaction: Connection, rows: list[dict[str, Any]], source: ColumnElement[str]) -> None:
    """Carry out marks whose locations are known."""
    transaction.execute(_study(transaction), [{"mark_uid": row["mark_uid"]} for row in rows])
    transaction.execute(_dirty(transaction, source), rows)


def _location(transaction: Connection) -> Any:
    row = upsert(transaction, location).values(
        source=bindparam("mark_source"),
        location_id=bindparam("mark_location_id"),
        study_instance_uid=bindparam("mark_uid"),
        marked_at=bindparam("mark_now"),
    )
    return row.on_conflict_do_update(
        index_elements=["source", "location_id"],
        set_={"study_instance_uid": row.excluded.study_instance_uid, "marked_at": row.excluded.marked_at},
    )


def _study(transaction: Connection) -> Any:
    row = upsert(transaction, study).values(study_instance_uid=bindparam("mark_uid"), generation=1)
    return row.on_conflict_do_update(index_elements=["study_instance_uid"], set_={"generation": study.c.generation + 1})


def _dirty(transaction: Connection, source: ColumnElement[str]) -> Any:
    generation = select(study.c.generation).where(study.c.study_instance_uid == bindparam("mark_uid"))
    row = upsert(transaction, dirty).values(
        study_instance_uid=bindparam("mark_uid"),
        source=source,
        generation=generation.scalar_subquery(),
        lane=bindparam("mark_lane"),
        reason=bindparam("mark_reason"),
        force=bindparam("mark_force"),
        first_event_at=bindparam("mark_now"),
        last_event_at=bindparam("mark_now"),
        due_at=bindparam("mark_quiet_until"),
        attempts=0,
        is_abandoned=False,
        run_id=bindparam("mark_run"),
    )
    return row.on_conflict_do_update(index_elements=["study_instance_uid"], set_=_again(row.excluded))


def _again(new: Any) -> dict[str, ColumnElement[Any]]:
    """What a mark changes in a study that is dirty already."""
    old = dirty.c
    is_live = new.lane == int(Lane.LIVE)
    was_deferred = or_(old.attempts > 0, old.last_cause.is_not(None))
    # What is being read now covers the marks before it: the first one after it begins a new wait. Otherwise a study
    # that grows for hours would, once it waited for its longest, be written again at every single change.
    is_first_since_taken = and_(old.taken_generation.is_not(None), old.taken_generation == old.generation)
    first_event_at = case((is_first_since_taken, new.first_event_at), else_=old.first_event_at)
    latest = first_event_at + bindparam("mark_max_wait_s")
    settled = case((new.due_at < latest, new.due_at), else_=latest)
    return {
        "source": case((old.last_cause == SOURCE_NOT_CONFIGURED, new.source), else_=old.source),
        "generation": new.generation,
        "lane": case((new.lane < old.lane, new.lane), else_=old.lane),
        "reason": case((new.lane <= old.lane, new.reason), else_=old.reason),
        "force": or_(old.force, new.force),
        "first_event_at": first_event_at,
        "last_event_at": new.last_event_at,
        "due_at": case((is_live, settled), (was_deferred, new.last_event_at), else_=old.due_at),
        "attempts": case((is_live, 0), else_=old.attempts),
        "last_cause": case((or_(is_live, old.last_cause == SOURCE_NOT_CONFIGURED), None), else_=old.last_cause),
        "run_id": case((new.run_id.is_(None), old.run_id), else_=new.run_id),
    }
