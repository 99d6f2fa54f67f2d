"""A ledger whose files are deleted or replaced under an open one: nothing is written any more, and it says why."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.errors import LedgerBusy, LedgerReplaced, LedgerUnwritable
from indexer.ledger import Ledger, open_ledger
from tests.contract.ledger.values import TARGET, mark, take

FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm")


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [Path.unlink, replace], ids=["deleted", "replaced"])
def test_it_is_noticed_by_whoever_reads_or_writes(
    sqlite_ledger: Ledger, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    sqlite_ledger.mark([mark()], 1000.0)
    harm(tmp_path / name)
    with pytest.raises(LedgerReplaced, match=f"{name} was deleted or replaced") as caught:
        sqlite_ledger.mark([mark("1.1")], 1001.0)
    assert caught.value.exit_code == 75
    assert "backfill" in caught.value.hint
    with pytest.raises(LedgerReplaced, match="deleted or replaced"):
        sqlite_ledger.position("main")


def test_its_directory_may_be_what_was_moved(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_ledger(f"sqlite:///{home}/ledger.db", TARGET) as ledger:
        home.rename(tmp_path / "elsewhere")
        with pytest.raises(LedgerReplaced, match="deleted or replaced"):
            ledger.mark([mark()], 1000.0)


def test_a_directory_that_cannot_be_looked_into_is_an_outage(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_ledger(f"sqlite:///{home}/ledger.db", TARGET, patience_s=0.0) as ledger:
        ledger.mark([mark()], 1000.0)
        home.rename(tmp_path / "elsewhere")
        home.symlink_to(home)
        with pytest.raises(LedgerBusy, match="cannot be seen") as caught:
            ledger.mark([mark()], 1001.0)
        assert isinstance(caught.value.__cause__, LedgerUnwritable)
        home.unlink()
        (tmp_path / "elsewhere").rename(home)
        assert len(take(ledger, 1002.0)) == 1


def test_a_link_to_the_ledger_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "ledger.db").symlink_to(tmp_path / "disk" / "ledger.db")
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", TARGET) as ledger:
        ledger.mark([mark()], 1000.0)
        (tmp_path / "disk" / "ledger.db-wal").unlink()
        with pytest.raises(LedgerReplaced, match="deleted or replaced"):
            ledger.mark([mark()], 1001.0)


def test_other_processes_come_and_go(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(3):
        with open_ledger(f"sqlite:///{tmp_path}/ledger.db", TARGET) as other:
            other.mark([mark()], 1000.0)
        sqlite_ledger.database.engine.dispose()  # as after an error of the disk
        assert len(take(sqlite_ledger, 1000.0)) <= 1


def test_a_deleted_lock_file_does_not_let_two_drain(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    sqlite_ledger.mark([mark()], 1000.0)
    lock = tmp_path / "ledger.db.drain.lock"
    with sqlite_ledger.drain_lock(), open_ledger(f"sqlite:///{tmp_path}/ledger.db", TARGET) as other:
        lock.unlink()
        assert len(take(sqlite_ledger, 1000.0)) == 1
        with pytest.raises(LedgerBusy), other.drain_lock():
            pytest.fail("the lock was given twice")
    assert not sqlite_ledger.drainer_alive()


def test_a_lock_that_another_process_got_meanwhile_is_not_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with open_ledger(url, TARGET, patience_s=0.0) as ledger, open_ledger(url, TARGET) as other:
        ledger.mark([mark()], 1000.0)
        with ledger.drain_lock():
            (tmp_path / "ledger.db.drain.lock").unlink()
            with other.drain_lock(), pytest.raises(LedgerBusy, match="drains this ledger"):
                take(ledger, 1000.0)
            assert len(take(ledger, 1001.0)) == 1
