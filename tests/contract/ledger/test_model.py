"""The rule of generations, against a dictionary: no mark is lost, no study is in flight twice."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from sqlalchemy import select

from indexer.ledger import Ledger, schema
from indexer.model import Dropped, Lane, Settlement, Task
from tests.contract.ledger.values import LEASE_S, deferred, execute, location, mark, quarantined, settled, take

UIDS = st.sampled_from(["1.1", "1.2", "1.3"])
LANES = st.sampled_from(list(Lane))


@dataclass(frozen=True)
class Dirty:
    """What the ledger must know of a dirty study."""

    generation: int
    lane: Lane
    force: bool
    first_event_at: float
    due_at: float
    attempts: int = 0
    last_cause: str | None = None
    lease_until: float | None = None
    taken: int | None = None


ENDINGS: dict[str, Callable[[Task], Settlement]] = {
    "settled": settled,
    "dropped": lambda task: Dropped(task=task),
    "deferred": deferred(100.0),
    "quarantined": quarantined,
}
COLUMNS = (*(field.name for field in fields(Dirty)[:-1]), "taken_generation")


class Generations(RuleBasedStateMachine):
    """Marks, takes and settlements in any order, with a clock that only runs forward."""

    ledger: Ledger
    tasks = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.generations: dict[str, int] = {}
        self.dirty: dict[str, Dirty] = {}
        self.locations: set[str] = set()
        self.published: set[str] = set()
        self.quarantined: set[str] = set()

    @initialize()
    def begin_empty(self) -> None:
        execute(self.ledger, *(f"DELETE FROM {table}" for table in schema.metadata.tables))

    @rule(seconds=st.sampled_from([1.0, 30.0, 200.0, LEASE_S]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(uid=UIDS, lane=LANES, quiet_s=st.sampled_from([0.0, 70.0]), force=st.booleans())
    def mark(self, uid: str, lane: Lane, quiet_s: float, force: bool) -> None:
        self.ledger.mark([mark(uid, lane=lane, quiet_s=quiet_s, max_wait_s=150.0, force=force)], self.now)
        self.locations.add(uid)
        self._expect_mark(uid, lane, quiet_s, force)

    def _expect_mark(self, uid: str, lane: Lane, quiet_s: float, force: bool) -> None:
        generation = self.generations[uid] = self.generations.get(uid, 0) + 1
        old = self.dirty.get(uid)
        if old is None:
            self.dirty[uid] = Dirty(generation, lane, force, self.now, self.now + quiet_s)
            return
        first = self.now if old.taken == old.generation else old.first_event_at
        new = replace(old, generation=generation, first_event_at=first, force=old.force or force)
        if lane is Lane.LIVE:
            due_at = min(self.now + quiet_s, first + 150.0)
            new = replace(new, lane=lane, due_at=due_at, attempts=0, last_cause=None)
        elif old.attempts or old.last_cause:
            new = replace(new, due_at=self.now)
        self.dirty[uid] = new

    @rule(target=tasks, limit=st.integers(min_value=1, max_value=3))
    def take(self, limit: int) -> object:
        due = sorted(
            (row.lane, row.due_at, uid)
            for uid, row in self.dirty.items()
            if row.due_at <= self.now and (row.lease_until is None or row.lease_until <= self.now)
        )
        tasks = take(self.ledger, self.now, limit)
        ranks = [
            (self.dirty[task.study_instance_uid].lane, self.dirty[task.study_instance_uid].due_at) for task in tasks
        ]
        assert ranks == [rank[:2] for rank in due[:limit]]
        for task in tasks:
            self._expect_task(task)
        return multiple(*tasks)

    def _expect_task(self, task: Task) -> None:
        uid = task.study_instance_uid
        row = self.dirty[uid]
        assert (task.generation, task.attempts, task.force) == (row.generation, row.attempts, row.force)
        assert bool(task.locations) == (uid in self.locations)
        assert (task.published is not None) == (uid in self.published)
        self.dirty[uid] = replace(row, lease_until=self.now + LEASE_S, taken=row.generation)

    @rule(task=consumes(tasks), ends=st.sampled_from(list(ENDINGS)))
    def settle(self, task: Task, ends: str) -> None:
        uid = task.study_instance_uid
        self.ledger.settle([ENDINGS[ends](task)], self.now)
        if ends == "settled":
            self.published.add(uid)
            self.quarantined.discard(uid)
        row = self.dirty.get(uid)
        if row is not None and row.generation == task.generation:
            self._expect_end(uid, row, ends)
        elif row is not None and row.taken == task.generation:
            first = row.first_event_at if ends == "settled" else min(row.first_event_at, task.first_event_at)
            self.dirty[uid] = replace(row, lease_until=None, taken=None, first_event_at=first)

    def _expect_end(self, uid: str, row: Dirty, ends: str) -> None:
        del self.dirty[uid]
        if ends == "deferred":
            due = {"due_at": self.now + 100.0, "attempts": row.attempts + 1, "last_cause": "sick"}
            self.dirty[uid] = replace(row, lease_until=None, taken=None, **due)  # type: ignore[arg-type]
        if ends == "quarantined":
            self.quarantined.add(uid)
        if ends == "dropped":
            self.quarantined.discard(uid)
            self.locations.discard(uid)

    @rule()
    def begin_to_drain(self) -> None:
        with self.ledger.drain_lock():
            self.dirty = {uid: replace(row, lease_until=None, taken=None) for uid, row in self.dirty.items()}

    @rule()
    def replay(self) -> None:
        assert self.ledger.replay([], self.now, sources=["main"]) == len(self.quarantined)
        for uid in self.quarantined:
            self._expect_replay(uid)

    def _expect_replay(self, uid: str) -> None:
        old = self.dirty.get(uid)
        self._expect_mark(uid, Lane.LIVE, 0.0, False)
        if old is not None:  # a replay waits for nothing
            row = self.dirty[uid]
            self.dirty[uid] = replace(row, due_at=min(self.now, row.first_event_at))

    @invariant()
    def knows_the_same(self) -> None:
        columns = [schema.dirty.c[name] for name in ("study_instance_uid", *COLUMNS)]
        rows = self.ledger.database.read(lambda transaction: transaction.execute(select(*columns)).all())
        known = {uid: Dirty(*values) for uid, *values in rows}
        assert known == self.dirty
        assert {row.study_instance_uid for row in self.ledger.quarantine()} == self.quarantined
        assert set(self.ledger.locations("main")) == {location(uid) for uid in self.locations}
        assert self.ledger.published_uids() == self.published


def test_any_order_of_marks_and_settlements(ledger: Ledger) -> None:
    class OnThisLedger(Generations): ...

    OnThisLedger.ledger = ledger
    is_fast = ledger.database.path is not None
    OnThisLedger.TestCase.settings = settings(
        max_examples=30 if is_fast else 10,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    OnThisLedger.TestCase().runTest()
