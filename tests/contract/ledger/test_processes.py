"""Several processes and threads at once, and a kill at any moment."""

import threading
from collections import Counter

from indexer.ledger import Ledger, open_ledger
from tests.contract.ledger.processes import CHUNK, line, process, wait_until
from tests.contract.ledger.values import (
    TARGET,
    mark,
    marks,
    next_due,
    settled,
    take,
)

KILLS = 4
CHUNKS = 12


def test_two_processes_mark_while_threads_drain_and_nothing_is_lost(ledger: Ledger, url: str) -> None:
    names = ("main", "a", "b")
    seen: Counter[str] = Counter()
    guard, stop = threading.Lock(), threading.Event()

    def drain() -> None:
        with open_ledger(url, TARGET) as own:
            while not stop.is_set():
                tasks = [task for name in names for task in take(own, 2000.0, 33, source=name, sources=names)]
                own.settle([settled(task) for task in tasks], 2001.0)
                with guard:
                    seen.update(task.study_instance_uid for task in tasks)

    threads = [threading.Thread(target=drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    with process("mark", url, "a", str(CHUNKS)) as one, process("mark", url, "b", str(CHUNKS)) as two:
        for number in range(CHUNKS):
            ledger.mark(marks(f"c.{number}.{place}" for place in range(CHUNK)), 1000.0)
        assert (one.wait(60), two.wait(60)) == (0, 0)
    wait_until(lambda: len(ledger.published_uids()) == 3 * CHUNKS * CHUNK)
    assert [ledger.next_due(2000.0, source=name) for name in names] == [None, None, None]
    stop.set()
    for thread in threads:
        thread.join()
    assert ledger.published_uids() == set(seen)
    assert set(seen.values()) == {1}, "a study was taken twice at once"


def test_every_mark_of_a_restless_study_is_seen_by_a_later_read(ledger: Ledger, url: str) -> None:
    """The archive is a counter; whoever reads it after the last mark must publish the last value."""
    archive, written = 0, -1
    is_over = threading.Event()

    def change() -> None:
        nonlocal archive
        with open_ledger(url, TARGET) as own:
            for _ in range(60):
                archive += 1
                own.mark([mark()], 1000.0)
        is_over.set()

    thread = threading.Thread(target=change)
    thread.start()
    while not is_over.is_set() or next_due(ledger, 2000.0) is not None:
        for task in take(ledger, 2000.0):
            read = archive
            ledger.settle([settled(task, number_of_instances=read)], 2001.0)
            written = read
    thread.join()
    assert written == 60
    assert ledger.published(["1.2.3"])["1.2.3"].number_of_instances == 60


def test_a_kill_while_marking_leaves_whole_chunks_and_the_cursor_with_them(ledger: Ledger, url: str) -> None:
    for kill in range(KILLS):
        name = f"kill{kill}"
        with process("mark", url, name, "0") as marker:
            for _ in range(1 + 3 * kill):
                said = int(line(marker))
            marker.kill()
            marker.wait(30)
        wait_until(lambda name=name: _is_whole(ledger, name))  # type: ignore[misc]  # a commit may still be under way
        run = ledger.backfill_begin(name, 1000.0, None)
        assert int(run.cursor) >= said, "a chunk that was reported as committed is gone"
        assert run.marked == (int(run.cursor) + 1) * CHUNK
        assert len(ledger.locations(name)) == ledger.backfill_progress(run).remaining == run.marked


def _is_whole(ledger: Ledger, name: str) -> bool:
    run = ledger.backfill_begin(name, 1000.0, None)
    return len(ledger.locations(name)) == run.marked
