"""Every error of the database becomes one of ours, with a hint and without data."""

import sqlite3
from collections.abc import Iterator
from types import ModuleType

import psycopg.errors
import pytest
import sqlalchemy.exc
from sqlalchemy import exc, text

from indexer.errors import LedgerBusy, LedgerError, LedgerFull, LedgerUnwritable
from indexer.ledger import Ledger, open_ledger
from indexer.ledger.translation import translated
from tests.contract.ledger.values import TARGET, dirty, mark
from tests.servers.postgres import Postgres
from tests.servers.process import free_port

SECRET = "1.2.840.113619.SECRET"


def verdict(error: BaseException) -> LedgerError:
    with pytest.raises(LedgerError) as caught, translated():
        raise error
    assert SECRET not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint
    return caught.value


def sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(SECRET)
    error.sqlite_errorname = name
    error.sqlite_errorcode = getattr(sqlite3, name)
    return error


SQLITE_NAMES = [name for name in dir(sqlite3) if name.startswith("SQLITE_") and isinstance(getattr(sqlite3, name), int)]


@pytest.mark.parametrize("name", SQLITE_NAMES)
def test_every_code_of_sqlite_is_ours(name: str) -> None:
    bare = verdict(sqlite_error(name))
    wrapped = verdict(exc.OperationalError("SELECT", {"uid": SECRET}, sqlite_error(name)))
    assert (type(bare), str(bare)) == (type(wrapped), str(wrapped))


def test_an_error_of_the_driver_itself_is_ours() -> None:
    assert "ProgrammingError" in verdict(sqlite3.ProgrammingError(SECRET)).message


def of_psycopg(kind: type[psycopg.Error]) -> exc.DBAPIError:
    return exc.DBAPIError("SELECT", {"uid": SECRET}, kind(SECRET))


def states() -> Iterator[type[psycopg.Error]]:
    return (
        kind
        for kind in vars(psycopg.errors).values()
        if isinstance(kind, type) and issubclass(kind, psycopg.Error) and kind.sqlstate
    )


@pytest.mark.parametrize("kind", list(states()), ids=lambda kind: kind.__name__)
def test_every_state_of_postgresql_is_ours(kind: type[psycopg.Error]) -> None:
    verdict(of_psycopg(kind))


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (sqlite_error("SQLITE_BUSY"), LedgerBusy, "locked"),
        (sqlite_error("SQLITE_BUSY_SNAPSHOT"), LedgerBusy, "locked"),
        (sqlite_error("SQLITE_LOCKED"), LedgerBusy, "locked"),
        (sqlite_error("SQLITE_FULL"), LedgerFull, "full"),
        (sqlite_error("SQLITE_IOERR_SHMSIZE"), LedgerFull, "full"),
        (sqlite_error("SQLITE_IOERR_WRITE"), LedgerUnwritable, "disk failed"),
        (sqlite_error("SQLITE_CORRUPT_INDEX"), LedgerError, "damaged"),
        (sqlite_error("SQLITE_NOTADB"), LedgerError, "damaged"),
        (sqlite_error("SQLITE_READONLY_DIRECTORY"), LedgerUnwritable, "for writing"),
        (sqlite_error("SQLITE_CANTOPEN"), LedgerUnwritable, "for writing"),
        (sqlite_error("SQLITE_CONSTRAINT"), LedgerError, "refused a statement"),
        (of_psycopg(psycopg.errors.DiskFull), LedgerFull, "full"),
        (of_psycopg(psycopg.errors.LockNotAvailable), LedgerBusy, "locked"),
        (of_psycopg(psycopg.errors.DeadlockDetected), LedgerBusy, "locked"),
        (of_psycopg(psycopg.errors.TooManyConnections), LedgerBusy, "reached"),
        (of_psycopg(psycopg.errors.AdminShutdown), LedgerBusy, "reached"),
        (of_psycopg(psycopg.OperationalError), LedgerBusy, "reached"),
        (of_psycopg(psycopg.errors.ConnectionTimeout), LedgerBusy, "reached"),
        (of_psycopg(psycopg.errors.CannotConnectNow), LedgerBusy, "reached"),
        (of_psycopg(psycopg.errors.CrashShutdown), LedgerBusy, "reached"),
        (of_psycopg(psycopg.errors.IdleInTransactionSessionTimeout), LedgerBusy, "reached"),
        (of_psycopg(psycopg.errors.InsufficientPrivilege), LedgerUnwritable, "refuses"),
        (of_psycopg(psycopg.errors.InvalidCatalogName), LedgerUnwritable, "refuses"),
        (of_psycopg(psycopg.errors.ReadOnlySqlTransaction), LedgerUnwritable, "no writes"),
        (of_psycopg(psycopg.errors.DataCorrupted), LedgerError, "damaged"),
        (of_psycopg(psycopg.errors.IoError), LedgerUnwritable, "disk failed"),
        (of_psycopg(psycopg.errors.UniqueViolation), LedgerError, "refused a statement (23505)"),
        (of_psycopg(psycopg.InterfaceError), LedgerError, "refused a statement"),
    ],
)
def test_codes_that_say_what_to_do(error: Exception, expected: type[LedgerError], words: str) -> None:
    ours = verdict(error)
    assert type(ours) is expected
    assert words in ours.message


def kinds_of(module: ModuleType) -> list[type[exc.SQLAlchemyError]]:
    return [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, exc.SQLAlchemyError)]


@pytest.mark.parametrize("kind", kinds_of(sqlalchemy.exc), ids=lambda kind: kind.__name__)
def test_every_error_of_sqlalchemy_is_ours(kind: type[exc.SQLAlchemyError]) -> None:
    error = kind.__new__(kind)
    error.orig = None  # type: ignore[attr-defined]  # what its __init__ would set; each class wants other arguments
    verdict(error)


def test_what_is_not_the_databases_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_a_bug_in_a_statement_names_no_data(ledger: Ledger) -> None:
    nowhere = text("SELECT :uid FROM nowhere")
    with pytest.raises(LedgerError, match="refused a statement") as caught:
        ledger.database.read(lambda transaction: transaction.execute(nowhere, {"uid": SECRET}))
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "url",
    [
        "/var/lib/ledger.db",
        "mysql://host/ledger",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////tmp/never-made.db?mode=ro",
    ],
)
def test_an_address_that_names_no_ledger(url: str) -> None:
    with pytest.raises(LedgerError, match="no address of a ledger") as caught:
        open_ledger(url, TARGET)
    assert "sqlite:////" in caught.value.hint


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(LedgerBusy, match="cannot be reached"):
        open_ledger(f"postgresql://nobody:{SECRET}@127.0.0.1:{free_port()}/ledger", TARGET, patience_s=0.2)


def test_the_work_goes_on_after_a_restart_of_the_server() -> None:
    with Postgres() as server, open_ledger(server.create_database(), TARGET, patience_s=1.0) as ledger:
        ledger.mark([mark()], 1000.0)
        server.kill()
        with pytest.raises(LedgerBusy):
            ledger.mark([mark()], 1001.0)
        server.start()
        ledger.mark([mark()], 1002.0)
        assert dirty(ledger).generation == 2


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(LedgerError) as caught:
        open_ledger("postgresql://host/ledger", TARGET)
    assert "dicom-fhir-indexer[postgres]" in caught.value.hint
