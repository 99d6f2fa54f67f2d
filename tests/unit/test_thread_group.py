"""Threads that end together."""

import threading

import pytest

from indexer.errors import Interrupted, LedgerError
from indexer.thread_group import ThreadGroup
from tests.unit.world import wait_until


def fail(error: BaseException) -> None:
    raise error


def test_a_failure_stops_all_and_is_raised() -> None:
    threads = ThreadGroup(threading.Event())
    ended = threading.Event()

    def other() -> None:
        threads.stop.wait()
        ended.set()

    threads.start(other)
    threads.start(lambda: fail(LedgerError("damaged")))
    wait_until(threads.stop.is_set, "the failure to stop the threads")
    with pytest.raises(LedgerError, match="damaged"):
        threads.join(5)
    assert ended.is_set()
    assert not threads.is_alive


def test_the_first_failure_is_the_one_that_is_raised() -> None:
    threads = ThreadGroup(threading.Event())
    threads.keep(lambda: fail(LedgerError("first")))
    threads.keep(lambda: fail(LedgerError("second")))
    with pytest.raises(LedgerError, match="first"):
        threads.join(1)


def test_an_interruption_stops_all_and_is_no_failure() -> None:
    threads = ThreadGroup(threading.Event())
    threads.keep(lambda: fail(Interrupted("a stop was asked for")))
    assert threads.stop.is_set()
    threads.join(1)


def test_a_loop_that_ends_well_does_not_stop_the_others() -> None:
    threads = ThreadGroup(threading.Event())
    threads.start(lambda: None)
    threads.keep(lambda: None)
    assert not threads.stop.is_set()
    threads.join(1)
    assert threads.stop.is_set()


def test_even_an_exit_is_a_failure() -> None:
    threads = ThreadGroup(threading.Event())
    threads.keep(lambda: fail(SystemExit(3)))
    with pytest.raises(SystemExit):
        threads.join(1)


def test_a_thread_that_hangs_is_abandoned() -> None:
    threads, hangs = ThreadGroup(threading.Event()), threading.Event()
    threads.start(hangs.wait)
    threads.join(0.05)
    assert threads.is_alive
    hangs.set()
    wait_until(lambda: not threads.is_alive, "the thread to end")
