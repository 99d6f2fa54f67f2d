"""How tasks end, alone and when the study was marked meanwhile."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from indexer.ledger import Ledger
from indexer.model import Dropped, Published, Settled, Settlement, Task
from tests.contract.ledger.values import (
    TAKE,
    deferred,
    dirty,
    location,
    mark,
    marks,
    next_due,
    patient,
    play,
    published,
    quarantined,
    row_of,
    settled,
    take,
    take_one,
    unchanged,
)

ENDINGS: dict[str, Callable[[Task], Settlement]] = {
    "settled": settled,
    "unchanged": unchanged,
    "dropped": lambda task: Dropped(task=task),
    "deferred": deferred(9999.0),
    "quarantined": quarantined,
}


def test_a_published_study_is_clean_and_remembered(ledger: Ledger) -> None:
    confirmed, person = published(version_id=None, last_update=None, patient_key=None), patient(names=("a", "b"))
    play(ledger, mark(), TAKE, lambda task: Settled(task=task, published=confirmed, patient=person))
    assert row_of(ledger).dirty is None
    assert ledger.published(["1.2.3", "9.9"]) == {"1.2.3": confirmed}
    assert ledger.patients(["key", "other"]) == {"key": person}


def test_a_study_published_again_replaces_what_was_known(ledger: Ledger) -> None:
    for version in ("1", "2"):
        task, person = play(ledger, mark(), TAKE), patient(fingerprint=version * 64)
        ledger.settle([replace(settled(task, version_id=version), patient=person)], 1002.0)
    assert ledger.published(["1.2.3"])["1.2.3"].version_id == "2"
    assert ledger.patients(["key"])["key"].fingerprint == "2" * 64


def test_the_ledger_says_when_if_nobody_did(ledger: Ledger) -> None:
    play(ledger, mark(), TAKE, lambda task: settled(task, published_at=0.0))
    assert ledger.published(["1.2.3"])["1.2.3"].published_at == 1002.0


def test_an_unchanged_study_is_clean_and_what_was_confirmed_stays(ledger: Ledger) -> None:
    play(ledger, mark(), TAKE, settled, mark(), TAKE, unchanged)
    assert row_of(ledger).dirty is None
    assert row_of(ledger).published == published()


def test_a_dropped_study_leaves_its_place_but_not_the_target(ledger: Ledger) -> None:
    task = play(ledger, mark(), mark(location=location("1.2.3", "second")), TAKE, settled, mark(), TAKE)
    ledger.settle([Dropped(task=replace(task, locations=(location("1.2.3"),)))], 1006.0)
    row = row_of(ledger)
    assert (row.dirty, row.locations, row.published) == (None, (location("1.2.3", "second"),), published())


def test_a_quarantined_study_is_kept_aside_with_its_cause(ledger: Ledger) -> None:
    ledger.mark(marks(["1.2.3", "1.2.4"]), 1000.0)
    first, second = take(ledger, 1000.0)
    ledger.settle([quarantined(first)], 1001.0)
    ledger.settle([quarantined(second, "refused")], 1002.0)
    rows = ledger.quarantine()
    assert [(row.cause, row.since, len(row.locations)) for row in rows] == [
        ("no-patient-id", 1001.0, 1),
        ("refused", 1002.0, 1),
    ]
    assert (rows[0].text, rows[0].hint) == ("It has no PatientID.", "Mend it.")
    assert row_of(ledger, rows[0].study_instance_uid).quarantine == rows[0]
    assert next_due(ledger, 2000.0) is None


def test_a_servers_words_cannot_break_the_ledger(ledger: Ledger) -> None:
    play(ledger, mark(), TAKE, lambda task: replace(quarantined(task), text="HAPI-0\0' ; \u2028😀"))
    assert ledger.quarantine()[0].text == "HAPI-0' ; \u2028😀"


@pytest.mark.parametrize("ends", ["settled", "unchanged", "dropped", "quarantined"])
def test_quarantine_lasts_until_the_study_ends_otherwise(ledger: Ledger, ends: str) -> None:
    task = play(ledger, mark(), TAKE, quarantined, mark(), TAKE, deferred(counts=False))
    assert [row.since for row in ledger.quarantine()] == [1002.0]
    ledger.settle([ENDINGS[ends](task)], 1006.0)
    left = [(row.cause, row.since) for row in ledger.quarantine()]
    assert left == ([("no-patient-id", 1006.0)] if ends == "quarantined" else [])


@pytest.mark.parametrize("ends", ENDINGS)
def test_a_study_marked_meanwhile_stays_dirty_and_free(ledger: Ledger, ends: str) -> None:
    play(ledger, mark(max_wait_s=900.0), TAKE, mark(quiet_s=70.0, max_wait_s=900.0), ENDINGS[ends])
    row, left = row_of(ledger), dirty(ledger)
    assert (left.generation, left.due_at, left.is_leased, left.attempts, left.last_cause) == (2, 1072.0, False, 0, None)
    assert (row.quarantine, row.locations) == (None, (location("1.2.3"),))
    assert row.published == (published() if ends == "settled" else None)


def test_force_outlives_a_settlement_that_came_too_late(ledger: Ledger) -> None:
    assert play(ledger, mark(), TAKE, mark(force=True), settled, TAKE).force


def test_a_late_settlement_cannot_end_a_newer_mark(ledger: Ledger) -> None:
    """A lease ran out, the study was taken twice; the slower reader must not end what came since."""
    slow = play(ledger, mark(), TAKE)
    play(ledger, (9000.0, TAKE), settled, mark())
    ledger.settle([settled(slow)], 9003.0)
    assert take_one(ledger, 9004.0).generation == 2


def test_a_late_settlement_does_not_free_a_newer_lease(ledger: Ledger) -> None:
    slow = play(ledger, mark(), TAKE)
    assert play(ledger, mark(), (9000.0, TAKE)).generation == 2
    ledger.settle([settled(slow)], 9001.0)
    assert take(ledger, 9002.0) == ()


def test_many_kinds_end_in_one_settlement(ledger: Ledger) -> None:
    ledger.mark(marks(["1.1", "1.2", "1.3", "1.4"]), 1000.0)
    tasks = {task.study_instance_uid: task for task in take(ledger, 1000.0)}
    ledger.settle(
        [
            settled(tasks["1.1"]),
            Dropped(task=tasks["1.2"]),
            deferred()(tasks["1.3"]),
            quarantined(tasks["1.4"]),
        ],
        1001.0,
    )
    rows = [row_of(ledger, uid) for uid in ("1.1", "1.2", "1.3", "1.4")]
    assert [row.dirty is not None for row in rows] == [False, False, True, False]
    assert [len(row.locations) for row in rows] == [1, 0, 1, 1]
    assert [isinstance(row.published, Published) for row in rows] == [True, False, False, False]
    assert [row.quarantine is not None for row in rows] == [False, False, False, True]


def test_nothing_changes_nothing(ledger: Ledger) -> None:
    ledger.mark([], 1000.0)
    ledger.settle([], 1001.0)
    assert ledger.replay([], 1002.0, sources=["main"]) == 0
    assert take(ledger, 2000.0) == ()
    assert next_due(ledger, 2000.0) is None


def test_replay_makes_quarantined_studies_due(ledger: Ledger) -> None:
    ledger.mark(marks(["1.1", "1.2", "1.3"]), 1000.0)
    ledger.settle([quarantined(task) for task in take(ledger, 1000.0)], 1001.0)
    assert ledger.replay(["1.1", "9.9"], 1002.0, sources=["main"]) == 1
    task = take_one(ledger, 1002.0)
    assert (task.study_instance_uid, task.reason, task.locations) == ("1.1", "replay", (location("1.1"),))
    assert len(ledger.quarantine()) == 3
    ledger.settle([settled(task)], 1003.0)
    assert ledger.replay([], 1004.0, sources=["main"]) == 2
    assert {one.study_instance_uid for one in take(ledger, 1004.0)} == {"1.2", "1.3"}
    assert len(ledger.quarantine()) == 2
