"""A ledger that takes no writes for a while is waited for; one that never took any is a mistake of the operator."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexer.errors import LedgerBusy, LedgerUnwritable
from indexer.ledger import Ledger, database, open_ledger
from tests.contract.ledger.values import TARGET, dirty, mark
from tests.fakes.ledger_faults import DISK_FAILS, GONE, READ_ONLY, failing
from tests.servers.postgres import Postgres
from tests.unit.world import wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BETWEEN_TRIES_S", (0.001, 0.01))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def make_read_only(server: Postgres, url: str) -> None:
    """As a failover does: whoever is connected loses its session, and no new one may write."""
    server.execute(
        f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(url)}'",
    )


def make_writable(server: Postgres, url: str) -> None:
    """The sessions that were opened meanwhile stay read-only, as those to a standby do."""
    server.execute(f"ALTER DATABASE {name_of(url)} RESET default_transaction_read_only")


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if getattr(record, "event", "").startswith("ledger_")]


def test_a_daemon_waits_while_postgresql_takes_no_writes_and_says_so_once(
    server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    url = server.create_database()
    with open_ledger(url, TARGET, patience_s=0.05) as ledger, ThreadPoolExecutor(3) as pool:
        ledger.wait_out(threading.Event())
        ledger.mark([mark()], 1000.0)
        for outage in (1, 2):
            make_read_only(server, url)
            waiting = [pool.submit(ledger.mark, [mark()], 1000.0) for _ in range(3)]
            wait_until(lambda: len(events(caplog)) == 2 * outage - 1, "the outage to be told")  # noqa: B023
            make_writable(server, url)
            for future in waiting:
                future.result(20)
            assert events(caplog) == ["ledger_waits", "ledger_back"] * outage
        assert dirty(ledger).generation == 7
    problems = {record.problem for record in caplog.records if getattr(record, "event", "") == "ledger_waits"}
    assert problems == {"PostgreSQL takes no writes."}


def test_a_command_gives_up_when_its_patience_ends(server: Postgres) -> None:
    url = server.create_database()
    with open_ledger(url, TARGET, patience_s=0.1) as ledger:
        ledger.mark([mark()], 1000.0)
        make_read_only(server, url)
        with pytest.raises(LedgerBusy, match="takes no writes"):
            ledger.mark([mark()], 1001.0)


def test_a_postgresql_that_takes_no_writes_from_the_start_is_the_wrong_one(server: Postgres) -> None:
    url = server.create_database()
    open_ledger(url, TARGET).close()
    make_read_only(server, url)
    with open_ledger(url, TARGET) as ledger, pytest.raises(LedgerUnwritable, match="takes no writes") as caught:
        ledger.mark([mark()], 1000.0)
    assert caught.value.exit_code == 78


def test_a_user_who_may_only_read_is_the_wrong_one_until_the_ledger_was_written(server: Postgres) -> None:
    url = server.create_database()
    with open_ledger(url, TARGET, patience_s=0.1) as ledger:
        ledger.mark([mark()], 1000.0)
    reader = f"reader_{name_of(url)}"
    server.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'reader' IN ROLE pg_read_all_data")
    as_reader = url.replace(url[url.index("://") + 3 : url.index("@")], f"{reader}:reader")
    with open_ledger(as_reader, TARGET, patience_s=0.1) as ledger:
        with pytest.raises(LedgerUnwritable, match="refuses"):
            ledger.mark([mark()], 1000.0)
        server.execute(f"GRANT pg_write_all_data TO {reader}")
        ledger.mark([mark()], 1001.0)
        server.execute(f"REVOKE pg_write_all_data FROM {reader}")
        with pytest.raises(LedgerBusy, match="refuses"):
            ledger.mark([mark()], 1002.0)


FAULTS = pytest.mark.parametrize("fault", [READ_ONLY, DISK_FAILS, GONE])


@FAULTS
def test_a_disk_that_takes_no_writes_for_a_moment_is_waited_for(
    sqlite_ledger: Ledger, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level("INFO")
    sqlite_ledger.mark([mark()], 1000.0)
    with failing(sqlite_ledger, fault, times=3, statement="INSERT INTO dirty") as faults:
        sqlite_ledger.mark([mark()], 1001.0)
    assert (faults.left, dirty(sqlite_ledger).generation) == (0, 2)
    assert events(caplog) == ["ledger_waits", "ledger_back"]


@FAULTS
def test_a_disk_that_takes_none_from_the_start_is_the_wrong_one(url: str, fault: str) -> None:
    with open_ledger(url, TARGET) as ledger, failing(ledger, fault, times=9) as faults:
        with pytest.raises(LedgerUnwritable):
            ledger.mark([mark()], 1000.0)
        assert faults.left == 8
