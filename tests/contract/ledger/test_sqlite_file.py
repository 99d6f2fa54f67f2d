"""The SQLite file: who may read it, and what happens when it, or its disk, is not as it should be."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexer.errors import LedgerBusy, LedgerError, LedgerFull, UsageError
from indexer.ledger import Ledger, open_ledger
from indexer.model import FeedPosition
from tests.contract.ledger.conftest import new_schema
from tests.contract.ledger.values import TARGET, execute, mark, marks, settled, take, take_one

NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_only_its_owner_reads_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "made" / "here" / "ledger.db"
    previous = os.umask(0)
    try:
        with open_ledger(url_of(path), TARGET) as ledger, ledger.drain_lock():
            ledger.mark([mark()], 1000.0)
            files = {one.name: mode(one) for one in path.parent.iterdir()}
    finally:
        os.umask(previous)
    names = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.drain.lock")
    assert files == dict.fromkeys(names, 0o600)
    assert mode(path.parent) == 0o700


def test_a_file_that_others_could_read_is_tightened_and_a_directory_left(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch(mode=0o644)
    tmp_path.chmod(0o755)
    open_ledger(url_of(path), TARGET).close()
    assert (mode(path), mode(tmp_path)) == (0o600, 0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with open_ledger(url_of(tmp_path / "ledger.db"), TARGET) as ledger, ledger.drain_lock():
        ledger.mark([mark()], 1000.0)
        assert {one.stat().st_uid for one in tmp_path.iterdir()} == {NOBODY}


def test_every_commit_reaches_the_disk(sqlite_ledger: Ledger) -> None:
    assert execute(sqlite_ledger, "PRAGMA journal_mode") == [("wal",)]
    assert execute(sqlite_ledger, "PRAGMA synchronous") == [(2,)]  # FULL


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be read as one" * 99, b"SQLite format 3\0" * 300]
)
def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged") as caught:
        open_ledger(url_of(path), TARGET)
    assert "backup" in caught.value.hint
    assert caught.value.exit_code == 78
    assert path.read_bytes() == content


def test_a_damaged_page_is_told_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    _mark(path, 2000)
    content = bytearray(path.read_bytes())
    for page in range(20 * 4096, len(content), 4096):  # tables stay readable, rows do not
        content[page : page + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged"):
        _mark(path, 2000)


def _mark(path: Path, count: int) -> None:
    with open_ledger(url_of(path), TARGET) as ledger:
        ledger.mark(marks(f"1.{number}" for number in range(count)), 1000.0)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE patients (name TEXT)")
    with pytest.raises(LedgerError, match="another program"):
        open_ledger(url_of(path), TARGET)


@pytest.mark.skipif(os.geteuid() != 0, reason="root is needed to become somebody without rights")
@pytest.mark.parametrize("what", ["file", "directory", "missing"])
def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path, what: str) -> None:
    path = tmp_path / "ledger.db"
    if what != "missing":
        open_ledger(url_of(path), TARGET).close()
    os.chown(tmp_path, *((NOBODY, NOBODY) if what == "file" else (0, 0)))
    tmp_path.chmod(0o755)
    code = (
        "import sys, os; sys.path.insert(0, os.getcwd())\n"
        "from indexer.ledger import open_ledger; from indexer.errors import LedgerError\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n    open_ledger(*sys.argv[1:]).mark([], 0.0)\n"
        "except LedgerError as error:\n    print(type(error).__name__, error, error.hint)\n"
    )
    for parent in [*tmp_path.parents][:-2]:  # pytest's directories are for their owner alone
        parent.chmod(parent.stat().st_mode | 0o011)
    # Nobody may write coverage data either.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    argv = [sys.executable, "-c", code, url_of(path), TARGET]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    kind = "LedgerError" if what == "missing" else "LedgerUnwritable"
    assert done.stdout.startswith(f"{kind} The ledger cannot be"), done.stderr
    assert "directory" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be made"):
        open_ledger(url_of(tmp_path / "file" / "ledger.db"), TARGET)


def test_a_lock_file_that_cannot_be_opened_says_so(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "ledger.db.drain.lock").mkdir()
    with pytest.raises(LedgerError, match="lock file"):
        sqlite_ledger.drainer_alive()


def test_a_long_foreign_transaction_is_waited_for_and_then_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(url_of(path), TARGET, patience_s=0.2) as ledger, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusy) as caught:
            ledger.mark([mark()], 1000.0)
        assert "locked" in caught.value.message
        assert ledger.position("main") is None  # reading goes on
        other.rollback()
        ledger.mark([mark()], 1000.0)
        assert take_one(ledger, 1000.0).generation == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small file system; the full disk was not tried")
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here; the full disk was not tried: {mounted.stderr!r}")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with open_ledger(url_of(small_disk / "ledger.db"), TARGET, patience_s=0.2) as ledger:
        ledger.note("main", [mark("0.0")], FeedPosition(reached=1), 1000.0)
        filler.write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 65536))
        with pytest.raises(LedgerFull) as caught:
            _note_pages(ledger, 2, 1000)
        assert caught.value.exit_code == 75
        position = ledger.position("main")
        assert position is not None
        assert 1 <= position.reached < 999
        filler.unlink()
        _note_pages(ledger, position.reached + 1, position.reached + 2)
        tasks = take(ledger, 1000.0, limit=100_000)
        # The first page held one study, the last one came when there was room.
        assert len(tasks) == 1 + 50 * position.reached
        ledger.settle([settled(task) for task in tasks[:10]], 1001.0)


def _note_pages(ledger: Ledger, first: int, end: int) -> None:
    for page in range(first, end):
        ledger.note("main", marks(f"{page}.{place}" for place in range(50)), FeedPosition(reached=page), 1000.0)


def test_a_full_disk_at_first_start_says_so(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096))
    with pytest.raises(LedgerFull):
        open_ledger(url_of(small_disk / "ledger.db"), TARGET, patience_s=0.2)
    (small_disk / "filler").unlink()
    open_ledger(url_of(small_disk / "ledger.db"), TARGET).close()


def test_a_backup_is_whole_private_and_usable(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    sqlite_ledger.mark(marks(["1.1", "1.2"]), 1000.0)
    sqlite_ledger.settle([settled(take(sqlite_ledger, 1000.0)[0])], 1001.0)
    key = sqlite_ledger.site_key()
    kept = tmp_path / "kept" / "ledger.db"
    kept.parent.mkdir()
    sqlite_ledger.backup(kept)
    assert [one.name for one in kept.parent.iterdir()] == ["ledger.db"]
    assert mode(kept) == 0o600
    with open_ledger(url_of(kept), TARGET) as restored:
        assert restored.site_key() == key
        assert restored.published_uids() == sqlite_ledger.published_uids()
        assert len(restored.locations("main")) == 2


def test_a_backup_overwrites_nothing(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    kept.write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        sqlite_ledger.backup(kept)
    assert kept.read_text() == "precious"


def test_a_backup_that_cannot_be_written_leaves_nothing(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="copy cannot be written"):
        sqlite_ledger.backup(tmp_path / "missing" / "kept.db")


def test_postgresql_has_its_own_backup(postgres_url: str) -> None:
    with open_ledger(new_schema(postgres_url), TARGET) as ledger, pytest.raises(UsageError) as caught:
        ledger.backup(Path("/tmp/never-written.db"))
    assert "pg_dump" in caught.value.hint
