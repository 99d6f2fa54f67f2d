"""A transaction is run again while another process or a full disk is in its way."""

import threading
import time

import pytest

from indexer.errors import Interrupted, LedgerBusy, LedgerError, LedgerFull
from indexer.ledger import Ledger, database, open_ledger
from tests.contract.ledger.values import TARGET, mark, marks, take
from tests.fakes.ledger_faults import BUSY, DAMAGED, FULL, failing


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BETWEEN_TRIES_S", (0.001, 0.01))


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.cause for record in caplog.records if getattr(record, "event", None) == "ledger_waits"]


@pytest.mark.parametrize(("fault", "cause"), [(BUSY, "LedgerBusy"), (FULL, "LedgerFull")])
def test_it_is_undone_and_run_again_and_told_once(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, fault: str, cause: str
) -> None:
    with failing(ledger, fault, times=3, statement="INSERT INTO dirty") as faults:
        ledger.mark([mark()], 1000.0)
    assert faults.left == 0
    assert waits(caplog) == [cause]
    (task,) = take(ledger, 1000.0)
    assert task.generation == 1, "what was tried in vain left something"


@pytest.mark.parametrize(("fault", "error"), [(BUSY, LedgerBusy), (FULL, LedgerFull)])
def test_a_command_gives_up_when_its_patience_ends(url: str, fault: str, error: type[LedgerError]) -> None:
    with open_ledger(url, TARGET, patience_s=0.05) as ledger, failing(ledger, fault, times=1000), pytest.raises(error):
        ledger.mark([mark()], 1000.0)


def test_a_fault_that_waiting_does_not_mend_is_raised_at_once(ledger: Ledger) -> None:
    with failing(ledger, DAMAGED, times=1000) as faults, pytest.raises(LedgerError, match="damaged"):
        ledger.mark([mark()], 1000.0)
    assert faults.left == 999


def test_a_daemon_goes_on_beyond_that_until_it_is_stopped(url: str) -> None:
    stop, ended = threading.Event(), threading.Event()

    def mark_in_vain() -> None:
        with pytest.raises(Interrupted):
            ledger.mark([mark()], 1000.0)
        ended.set()

    with (
        open_ledger(url, TARGET, patience_s=0.05) as ledger,
        failing(ledger, BUSY, times=100_000, statement="INSERT INTO dirty") as faults,
    ):
        ledger.wait_out(stop)
        thread = threading.Thread(target=mark_in_vain)
        thread.start()
        deadline = time.monotonic() + 20
        while faults.left > 99_995:
            assert time.monotonic() < deadline, "it was not tried again"
        assert not ended.is_set()
        stop.set()
        assert ended.wait(20)
        thread.join()
        with pytest.raises(LedgerBusy):  # after the stop it has the patience of a command
            ledger.mark([mark()], 1000.0)
        faults.left = 0
        assert ledger.study("1.2.3") is None, "what was tried in vain left something"


def test_no_study_is_leased_twice_where_taking_is_tried_again(ledger: Ledger) -> None:
    uids = {f"1.{number}" for number in range(100)}
    ledger.mark(marks(uids), 1000.0)
    taken: list[str] = []

    def work() -> None:
        while tasks := take(ledger, 1000.0, limit=7):
            taken.extend(task.study_instance_uid for task in tasks)

    with (
        failing(ledger, BUSY, times=20, statement="SELECT location"),
        failing(ledger, FULL, times=5, statement="UPDATE"),
    ):
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == sorted(uids)
