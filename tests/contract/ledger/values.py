"""Short ways to write marks and what comes of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from indexer.ledger import Ledger
from indexer.model import Deferred, Lane, Mark, Patient, Published, Quarantined, Settled, StudyLocation, Task
from indexer.model.ledger import DirtyRow, StudyRow

TARGET = "http://fhir.example/fhir"
OTHER_TARGET = "http://other.example/fhir"
LEASE_S = 600.0
TAKE = "take"


def location(uid: str, source: str = "main", location_id: str | None = None) -> StudyLocation:
    return StudyLocation(source, location_id or f"id-of-{uid}", uid)


def mark(uid: str = "1.2.3", **options: Any) -> Mark:
    values: dict[str, Any] = {"reason": "NewInstance", "location": location(uid)}
    return Mark(**(values | options))


def marks(uids: Iterable[str], **options: Any) -> list[Mark]:
    return [mark(uid, **options) for uid in uids]


def backfill_mark(uid: str = "1.2.3", **options: Any) -> Mark:
    return mark(uid, reason="backfill", lane=Lane.BACKFILL, **options)


def published(uid: str = "1.2.3", **options: Any) -> Published:
    values: dict[str, Any] = {
        "study_instance_uid": uid,
        "fhir_id": f"fhir-{uid}",
        "version_id": "1",
        "fingerprint": "f" * 64,
        "mapping_generation": 1,
        "last_update": "20240101T000000",
        "number_of_series": 2,
        "number_of_instances": 7,
        "patient_key": "key",
        "published_at": 50.0,
    }
    return Published(**(values | options))


def patient(key: str = "key", **options: Any) -> Patient:
    values: dict[str, Any] = {
        "patient_key": key,
        "fhir_id": f"p-{key}",
        "fingerprint": "a" * 64,
        "basis": "20240101 0 1",
    }
    return Patient(**(values | options))


def settled(task: Task, **options: Any) -> Settled:
    return Settled(task=task, published=published(task.study_instance_uid, **options))


def quarantined(task: Task, cause: str = "no-patient-id") -> Quarantined:
    return Quarantined(task=task, cause=cause, text="It has no PatientID.", hint="Mend it.")


def deferred(due_in_s: float = 0.0, cause: str = "sick", *, counts: bool = True) -> Callable[[Task], Deferred]:
    """How a task ends that was tried in vain."""
    return lambda task: Deferred(task=task, due_in_s=due_in_s, cause=cause, counts=counts)


def play(ledger: Ledger, *steps: Any) -> Any:
    """A mark is made, the study is taken, or its task ends so, each at its time or else a second after the last one.

    Returns the task that was taken last.
    """
    task, now = None, 999.0
    for step in steps:
        now, step = step if isinstance(step, tuple) else (now + 1.0, step)
        if isinstance(step, Mark):
            ledger.mark([step], now)
        elif step == TAKE:
            task = take_one(ledger, now)
        else:
            ledger.settle([step(task)], now)
    return task


def unchanged(task: Task) -> Settled:
    return Settled(task=task, published=None)


def row_of(ledger: Ledger, uid: str = "1.2.3") -> StudyRow:
    row = ledger.study(uid)
    assert row is not None
    return row


def dirty(ledger: Ledger, uid: str = "1.2.3") -> DirtyRow:
    row = row_of(ledger, uid).dirty
    assert row is not None
    return row


def take(
    ledger: Ledger,
    now: float,
    limit: int = 100,
    lease_s: float = LEASE_S,
    *,
    source: str = "main",
    sources: Sequence[str] = ("main",),
    lane: Lane | None = None,
) -> tuple[Task, ...]:
    return ledger.take(now, limit, lease_s, source=source, sources=sources, lane=lane)


def next_due(ledger: Ledger, now: float) -> float | None:
    return ledger.next_due(now, source="main")


def execute(ledger: Ledger, *statements: str) -> Sequence[Any]:
    """Run statements of SQL behind the ledger's back; the rows of the last one, if it has any."""

    def work(transaction: Connection) -> Sequence[Any]:
        result = [transaction.exec_driver_sql(statement) for statement in statements][-1]
        return result.all() if result.returns_rows else ()

    return ledger.database.write(work)


def take_one(ledger: Ledger, now: float) -> Task:
    (task,) = take(ledger, now)
    return task


def taken_uids(ledger: Ledger, now: float, limit: int = 100) -> list[str]:
    return [task.study_instance_uid for task in take(ledger, now, limit)]
