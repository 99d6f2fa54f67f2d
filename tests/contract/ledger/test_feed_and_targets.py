"""The feed's position, the targets, what is made once, and the summary."""

import pytest

from indexer.errors import LedgerError
from indexer.ledger import Ledger, open_ledger, targets
from indexer.model import Deferred, EndpointState, FeedPosition, Quarantined, ResourceKey, Settled
from indexer.model.ledger import Summary
from tests.contract.ledger.values import (
    OTHER_TARGET,
    TAKE,
    TARGET,
    backfill_mark,
    execute,
    location,
    mark,
    marks,
    patient,
    play,
    published,
    row_of,
    settled,
    take,
    take_one,
)

POSITION = FeedPosition(cursor='{"a source": "its own text"}', reached=41, epoch=2)


def endpoint(digit: str) -> EndpointState:
    return EndpointState(
        source="main", fhir_id="endpoint-id", fingerprint=digit * 64, version_id=digit, is_shared=digit == "f"
    )


def test_marks_and_position_move_together(ledger: Ledger) -> None:
    assert ledger.position("main") is None
    ledger.note("main", [mark()], POSITION, 1000.0)
    ledger.note("second", [], FeedPosition(reached=2**40), 1000.0)
    assert ledger.position("main") == POSITION
    assert ledger.position("second") == FeedPosition(reached=2**40)
    assert take_one(ledger, 1000.0).study_instance_uid == "1.2.3"


def test_a_poll_that_brings_nothing_is_heard_but_moves_nothing(ledger: Ledger) -> None:
    ledger.record_poll("main", 1000.0)
    assert ledger.position("main") is None
    assert ledger.summary("main", 1001.0).last_poll_at == 1000.0
    ledger.record_poll("main", 1010.0)
    assert ledger.summary("main", 1011.0).last_poll_at == 1010.0


def test_another_target_has_confirmed_nothing(ledger: Ledger, other_ledger: Ledger) -> None:
    play(ledger, mark(), TAKE, lambda task: Settled(task=task, published=published(), patient=patient()))
    ledger.put_endpoint(endpoint("e"), "endpoint-id")
    assert other_ledger.published(["1.2.3"]) == {}
    assert other_ledger.published_uids() == frozenset()
    assert other_ledger.patients(["key"]) == {}
    assert other_ledger.endpoint("main") is None
    assert other_ledger.endpoint_id("main") == "endpoint-id"
    assert other_ledger.summary("main", 1002.0).published == 0
    assert row_of(other_ledger).published is None
    assert ledger.published_uids() == {"1.2.3"}
    assert ledger.endpoint("main") == endpoint("e")


def test_a_renewed_target_has_confirmed_nothing_and_keeps_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_DELETED_AT_ONCE", 2)
    ledger.mark(marks(f"1.{number}" for number in range(5)), 1000.0)
    ledger.settle([settled(task) for task in take(ledger, 1000.0)], 1001.0)
    ledger.put_endpoint(endpoint("e"), "endpoint-id")
    ledger.record_pending({ResourceKey("ImagingStudy", "1.2.3"): b"one"})
    ledger.reset_target()
    assert ledger.published_uids() == frozenset()
    assert (ledger.endpoint("main"), ledger.endpoint_id("main")) == (None, "endpoint-id")
    assert [execute(ledger, f"SELECT * FROM {table}") for table in ("published", "written")] == [[], []]
    ledger.put_endpoint(endpoint("a"), "endpoint-id")
    assert ledger.endpoint("main") == endpoint("a")


def test_a_renewal_by_another_process_counts_at_once(ledger: Ledger, url: str) -> None:
    play(ledger, mark(), TAKE, settled)
    with open_ledger(url, TARGET) as other:
        other.reset_target()
    assert ledger.published_uids() == frozenset()


def test_a_target_that_has_confirmed_nothing_can_be_reset(ledger: Ledger) -> None:
    ledger.reset_target()
    assert ledger.published_uids() == frozenset()


def test_an_endpoint_that_moved_keeps_its_id(ledger: Ledger) -> None:
    assert (ledger.endpoint("main"), ledger.endpoint_id("main")) == (None, None)
    ledger.put_endpoint(endpoint("e"), "endpoint-id")
    ledger.put_endpoint(endpoint("f"), "endpoint-id")
    assert ledger.endpoint("main") == endpoint("f")
    assert ledger.endpoint("second") is None


@pytest.mark.parametrize("given", [None, b"k" * 32])
def test_the_site_key_is_made_or_given_once(url: str, given: bytes | None) -> None:
    with open_ledger(url, TARGET, site_key=given) as ledger:
        key = ledger.site_key()
        assert key == (given or key)
        assert len(key) == 32
        assert ledger.site_key() == key
    for again in (key, None):
        with open_ledger(url, TARGET, site_key=again) as ledger:
            assert ledger.site_key() == key


def test_another_site_key_is_refused(url: str) -> None:
    open_ledger(url, TARGET, site_key=b"k" * 32).close()
    with pytest.raises(LedgerError, match="site key") as caught:
        open_ledger(url, TARGET, site_key=b"l" * 32)
    assert "another id" in caught.value.hint
    assert caught.value.exit_code == 78


def test_a_source_keeps_the_system_that_was_made_for_it(ledger: Ledger) -> None:
    system, is_new = ledger.patient_system("main")
    assert system.startswith("urn:uuid:")
    assert is_new
    assert ledger.patient_system("main") == (system, False)
    assert ledger.patient_system("second")[0] != system


def test_a_summary_of_nothing(ledger: Ledger) -> None:
    assert ledger.summary("main", 1000.0) == Summary(
        source="main",
        feed_position=None,
        feed_epoch=None,
        dirty=0,
        dirty_live=0,
        waiting={},
        oldest_dirty_at=None,
        published=0,
        patient_mismatch=0,
        quarantined=0,
        last_poll_at=None,
        last_write_at=None,
    )


def test_a_summary_counts_what_stands_in_its_source(ledger: Ledger) -> None:
    ledger.note("main", marks(["1.1", "1.2", "1.3", "1.4"]), POSITION, 1000.0)
    ledger.mark([backfill_mark("1.5"), mark("1.1", location=location("1.1", "second"))], 1001.0)
    ledger.mark([mark("9.9", location=location("9.9", "second"))], 1002.0)
    order = ("main", "second")
    taken = [task for name in order for task in take(ledger, 1002.0, source=name, sources=order)]
    tasks = {task.study_instance_uid: task for task in taken}
    ledger.settle(
        [
            settled(tasks["1.1"]),
            Quarantined(task=tasks["1.2"], cause="refused", text="", hint=""),
            Deferred(task=tasks["1.3"], due_in_s=9.0, cause="away"),
            Deferred(task=tasks["9.9"], due_in_s=9.0, cause="away"),
        ],
        1003.0,
    )
    ledger.record_poll("main", 1004.0)
    assert ledger.summary("main", 1005.0) == Summary(
        source="main",
        feed_position=41,
        feed_epoch=2,
        dirty=3,
        dirty_live=2,
        waiting={"away": 1},
        oldest_dirty_at=1000.0,
        published=1,
        patient_mismatch=0,
        quarantined=1,
        last_poll_at=1004.0,
        last_write_at=1003.0,
    )
    second = ledger.summary("second", 1005.0)
    assert (second.dirty, second.published, second.quarantined, second.feed_position) == (1, 1, 0, None)
    assert ledger.summary("main", 900.0).oldest_dirty_at == 900.0  # the clock was set back


def test_a_target_of_which_nothing_was_recorded_reads_as_empty(ledger: Ledger) -> None:
    ledger.mark([mark()], 1000.0)
    assert ledger.summary("main", 1001.0).dirty == 1
    assert row_of(ledger).published is None
    assert ledger.study("9.9") is None
    assert ledger.published_uids() == frozenset()
    assert take_one(ledger, 1000.0).published is None
    assert execute(ledger, "SELECT * FROM target") == []


def test_the_target_that_is_drained_to_is_remembered(ledger: Ledger) -> None:
    assert ledger.drained_target() is None
    for target in (TARGET, OTHER_TARGET, TARGET):
        ledger.put_drained_target(target)
        assert ledger.drained_target() == target


def test_what_a_target_takes_is_remembered_until_it_is_another_one(ledger: Ledger) -> None:
    assert ledger.capacities() == {}
    facts = {"send": {"limit": 20, "too_many": 21, "patience": 8}}
    ledger.put_capacities(facts)
    assert ledger.capacities() == facts
    ledger.reset_target()
    assert ledger.capacities() == {}
