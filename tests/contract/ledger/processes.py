"""Other processes that use a ledger, for tests; run as ``python -m tests.contract.ledger.processes``."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.ledger import open_ledger
from indexer.model import Lane, Mark, StudyLocation
from tests.contract.ledger.values import TARGET

ROOT = Path(__file__).parents[3]
CHUNK = 20


def hold(url: str) -> None:
    """Take a study under the drain lock, say so, and wait to be killed."""
    with open_ledger(url, TARGET) as ledger, ledger.drain_lock():
        print(len(ledger.take(2000.0, 10, 600.0, source="main", sources=["main"])), flush=True)
        sys.stdin.read()


def mark(url: str, name: str, chunks: str) -> None:
    """Mark chunks of new studies for a backfill of this name; without end if `chunks` is 0."""
    with open_ledger(url, TARGET) as ledger:
        run = ledger.backfill_begin(name, 1000.0, None)
        for number in itertools.islice(itertools.count(), int(chunks) or None):
            uids = [f"{name}.{number}.{place}" for place in range(CHUNK)]
            marks = [
                Mark(location=StudyLocation(name, uid, uid), reason="backfill", lane=Lane.BACKFILL) for uid in uids
            ]
            run = ledger.backfill_mark(run, marks, str(number), 1000.0)
            print(number, flush=True)


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a function of this module in a process of its own, killed at the end."""
    argv = [sys.executable, "-m", "tests.contract.ledger.processes", *arguments]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def line(started: subprocess.Popen[str]) -> str:
    """Read the next line that a process says."""
    assert started.stdout is not None
    said = started.stdout.readline()
    assert said, "the process ended without a word"
    return said.strip()


def wait_until(is_so: Callable[[], bool], deadline_s: float = 30.0) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, "the condition did not come true"


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(sys.argv[2])
    else:
        mark(*sys.argv[2:])
