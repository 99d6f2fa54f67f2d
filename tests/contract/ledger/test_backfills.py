"""Backfill runs: resumed after a kill, counted while they drain."""

from indexer.ledger import Ledger
from indexer.model import BackfillRun, Deferred, FeedPosition, Quarantined
from indexer.model.ledger import BackfillProgress
from tests.contract.ledger.values import TAKE, backfill_mark, mark, play, settled, take, take_one, unchanged


def begun(ledger: Ledger, *uids: str) -> BackfillRun:
    run = ledger.backfill_begin("digest", 1000.0, None)
    return ledger.backfill_mark(run, [backfill_mark(uid) for uid in uids], f"main/id-of-{uids[-1]}", 1000.0)


def test_an_unfinished_run_of_the_same_options_goes_on(ledger: Ledger) -> None:
    run = begun(ledger, "1.1", "1.2")
    assert (run.cursor, run.marked, run.is_marked, run.started_at) == ("main/id-of-1.2", 2, False, 1000.0)
    assert ledger.backfill_begin("digest", 2000.0, None) == run
    assert ledger.backfill_begin("other", 2000.0, None).run_id != run.run_id
    assert ledger.backfill_marked(run).is_marked
    ledger.backfill_finish(run, 3000.0)
    new = ledger.backfill_begin("digest", 4000.0, None)
    assert (new.run_id != run.run_id, new.cursor, new.marked, new.is_marked) == (True, "", 0, False)


def test_progress_counts_studies_and_instances(ledger: Ledger) -> None:
    run = begun(ledger, "1.1", "1.2", "1.3", "1.4")
    ledger.mark([mark("9.9")], 1000.0)
    assert ledger.backfill_progress(run) == BackfillProgress(marked=4, remaining=4, quarantined=0, instances=0)
    tasks = {task.study_instance_uid: task for task in take(ledger, 1000.0)}
    ledger.settle(
        [
            settled(tasks["9.9"]),
            settled(tasks["1.1"]),
            Quarantined(task=tasks["1.2"], cause="refused", text="", hint=""),
            Deferred(task=tasks["1.3"], due_in_s=0.0, cause="away"),
            unchanged(tasks["1.4"]),
        ],
        1001.0,
    )
    assert ledger.backfill_progress(run) == BackfillProgress(marked=4, remaining=1, quarantined=1, instances=7)


def test_an_unchanged_study_counts_with_the_instances_that_were_confirmed(ledger: Ledger) -> None:
    play(ledger, (900.0, mark("1.1")), TAKE, settled)
    run = begun(ledger, "1.1")
    play(ledger, TAKE, unchanged)
    assert ledger.backfill_progress(run).instances == 7


def test_a_study_that_changes_meanwhile_belongs_to_the_run_until_it_is_clean(ledger: Ledger) -> None:
    run = begun(ledger, "1.1")
    play(ledger, TAKE, mark("1.1"), settled)
    assert ledger.backfill_progress(run) == BackfillProgress(marked=1, remaining=1, quarantined=0, instances=0)
    ledger.settle([settled(take_one(ledger, 1003.0))], 1004.0)
    assert ledger.backfill_progress(run) == BackfillProgress(marked=1, remaining=0, quarantined=0, instances=7)
    ledger.mark([mark("1.1")], 1005.0)
    assert ledger.backfill_progress(run).remaining == 0


def test_a_later_run_takes_over_what_is_still_dirty(ledger: Ledger) -> None:
    first = begun(ledger, "1.1")
    second = ledger.backfill_begin("other", 1001.0, None)
    ledger.backfill_mark(second, [backfill_mark("1.1")], "main/x", 1001.0)
    assert ledger.backfill_progress(first).remaining == 0
    assert ledger.backfill_progress(second).remaining == 1


def test_the_slowest_unfinished_run_sets_the_rate(ledger: Ledger) -> None:
    assert ledger.backfill_rate() is None
    for digest, rate, uid in (("slow", 2.0, "1.1"), ("fast", 20.0, "1.2"), ("free", None, "1.3")):
        run = ledger.backfill_begin(digest, 1000.0, rate)
        assert run.rate == rate
        ledger.backfill_mark(run, [backfill_mark(uid)], uid, 1000.0)
    assert ledger.backfill_rate() == 2.0
    slow = next(task for task in take(ledger, 1000.0) if task.study_instance_uid == "1.1")
    ledger.settle([settled(slow)], 1001.0)
    assert ledger.backfill_rate() == 20.0, "a run without dirty studies holds nobody back"
    assert ledger.backfill_begin("fast", 1002.0, None).rate is None
    assert ledger.backfill_rate() is None


def test_a_resumed_run_knows_where_the_feed_was_when_it_began(ledger: Ledger) -> None:
    run = ledger.backfill_begin("digest", 1000.0, None)
    assert run.feed_position == ""
    position = FeedPosition(cursor="c", reached=7, epoch=2)
    ledger.backfill_mark(run, [backfill_mark("1.1")], "main/x", 1000.0, feed_position=position.text)
    assert FeedPosition.parse(ledger.backfill_begin("digest", 2000.0, None).feed_position) == position
