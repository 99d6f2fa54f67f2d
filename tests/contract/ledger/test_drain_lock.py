"""One process drains a ledger; its death frees the right and its leases."""

import os

import pytest

from indexer.errors import LedgerBusy
from indexer.ledger import Ledger, open_ledger
from tests.contract.ledger.conftest import new_schema
from tests.contract.ledger.processes import line, process
from tests.contract.ledger.values import TARGET, execute, mark, take
from tests.site import wait_for


def test_the_lock_is_held_once_per_ledger(ledger: Ledger, url: str) -> None:
    assert not ledger.drainer_alive()
    with open_ledger(url, TARGET) as other:
        with ledger.drain_lock():
            assert ledger.drainer_alive()
            assert other.drainer_alive()
            with pytest.raises(LedgerBusy) as caught, other.drain_lock():
                pytest.fail("the lock was given twice")
            assert str(os.getpid()) in caught.value.message
            assert caught.value.exit_code == 75
        assert not other.drainer_alive()
        with other.drain_lock():
            assert ledger.drainer_alive()


def test_an_error_of_the_drain_frees_the_lock_and_passes_through(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.drain_lock():
        _ = 1 / 0
    assert not ledger.drainer_alive()


def test_a_living_owner_in_another_process_is_named(ledger: Ledger, url: str) -> None:
    ledger.mark([mark()], 1000.0)
    with process("hold", url) as owner:
        assert line(owner) == "1"
        assert ledger.drainer_alive()
        with pytest.raises(LedgerBusy, match=rf"\b{owner.pid}\b"), ledger.drain_lock():
            pytest.fail("the lock was given twice")
        assert take(ledger, 2001.0) == ()  # its lease runs
        owner.stdin.close()  # type: ignore[union-attr]  # a pipe, as process() asked for
        owner.wait(30)
    assert not ledger.drainer_alive()


def test_a_dead_owner_frees_the_lock_and_its_leases(ledger: Ledger, url: str) -> None:
    ledger.mark([mark()], 1000.0)
    with process("hold", url) as owner:
        assert line(owner) == "1"
        owner.kill()
        owner.wait(30)
    while ledger.drainer_alive():  # PostgreSQL notices the broken connection a little later
        pass
    assert take(ledger, 2001.0) == ()
    with ledger.drain_lock():
        assert len(take(ledger, 2001.0)) == 1


def test_a_lock_that_was_lost_with_its_session_is_taken_again(postgres_url: str) -> None:
    url = new_schema(postgres_url)
    with open_ledger(url, TARGET) as ledger, open_ledger(url, TARGET) as other, ledger.drain_lock():
        assert take(ledger, 1000.0) == ()
        _end_sessions_with_locks(other)
        assert not other.drainer_alive()
        assert take(ledger, 1001.0) == ()
        assert other.drainer_alive()


def test_a_lock_that_somebody_else_got_meanwhile_is_not_taken(postgres_url: str) -> None:
    url = new_schema(postgres_url)
    with open_ledger(url, TARGET, patience_s=0.2) as ledger, open_ledger(url, TARGET) as other:
        with ledger.drain_lock():
            _end_sessions_with_locks(other)
            with other.drain_lock():
                for _ in range(2):
                    with pytest.raises(LedgerBusy, match=str(os.getpid())):
                        take(ledger, 1001.0)
            assert take(ledger, 1002.0) == ()
        wait_for(lambda: not other.drainer_alive(), "PostgreSQL to see the end of the session")


def _end_sessions_with_locks(ledger: Ledger) -> None:
    others = "locktype = 'advisory' AND pid <> pg_backend_pid()"
    execute(ledger, f"SELECT pg_terminate_backend(pid, 9000) FROM pg_locks WHERE {others}")
