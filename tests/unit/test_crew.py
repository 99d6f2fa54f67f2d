"""Threads that end together."""

from __future__ import annotations

import threading

import pytest

from indexer.crew import Crew
from indexer.errors import Interrupted, LedgerError
from tests.unit.world import wait_until


def fail(error: BaseException) -> None:
    raise error


def test_a_failure_stops_all_and_is_raised() -> None:
    crew = Crew(threading.Event())
    ended = threading.Event()

    def other() -> None:
        crew.stop.wait()
        ended.set()

    crew.start(other)
    crew.start(lambda: fail(LedgerError("damaged")))
    wait_until(crew.stop.is_set, "the failure to stop the crew")
    with pytest.raises(LedgerError, match="damaged"):
        crew.join(5)
    assert ended.is_set()
    assert not crew.is_alive


def test_the_first_failure_is_the_one_that_is_raised() -> None:
    crew = Crew(threading.Event())
    crew.keep(lambda: fail(LedgerError("first")))
    crew.keep(lambda: fail(LedgerError("second")))
    with pytest.raises(LedgerError, match="first"):
        crew.join(1)


def test_an_interruption_stops_all_and_is_no_failure() -> None:
    crew = Crew(threading.Event())
    crew.keep(lambda: fail(Interrupted("a stop was asked for")))
    assert crew.stop.is_set()
    crew.join(1)


def test_a_loop_that_ends_well_does_not_stop_the_others() -> None:
    crew = Crew(threading.Event())
    crew.start(lambda: None)
    crew.keep(lambda: None)
    assert not crew.stop.is_set()
    crew.join(1)
    assert crew.stop.is_set()


def test_even_an_exit_is_a_failure() -> None:
    crew = Crew(threading.Event())
    crew.keep(lambda: fail(SystemExit(3)))
    with pytest.raises(SystemExit):
        crew.join(1)


def test_a_thread_that_hangs_is_abandoned() -> None:
    crew, hangs = Crew(threading.Event()), threading.Event()
    crew.start(hangs.wait)
    crew.join(0.05)
    assert crew.is_alive
    hangs.set()
    wait_until(lambda: not crew.is_alive, "the thread to end")
