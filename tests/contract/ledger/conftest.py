"""The same suite on SQLite and on a real PostgreSQL server."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from indexer.ledger import Ledger, open_ledger, schema
from tests.contract.ledger.values import OTHER_TARGET, TARGET
from tests.servers.postgres import Postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with Postgres() as server:
        engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:  # no test cuts the power: waiting for the disk would prove nothing
            connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        engine.dispose()
        yield server.create_database()


def new_schema(database_url: str) -> str:
    """Make a schema and return the address of a ledger in it: much faster than a database for each test."""
    name = f"ledger_{secrets.token_hex(4)}"
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    engine.dispose()
    return f"{database_url}?options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a ledger that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return new_schema(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated ledger to copy: migrating one per test would take most of the suite's time."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    open_ledger(f"sqlite:///{path}", TARGET).close()
    return path


@pytest.fixture(scope="session")
def shared_schema(postgres_url: str) -> str:
    url = new_schema(postgres_url)
    open_ledger(url, TARGET).close()
    return url


@pytest.fixture(scope="session")
def shared_engine(shared_schema: str) -> Iterator[Engine]:
    engine = create_engine(shared_schema)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty ledger."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_file"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path}/ledger.db"
    shared: str = request.getfixturevalue("shared_schema")
    with request.getfixturevalue("shared_engine").begin() as connection:  # a TRUNCATE would make each file anew
        connection.exec_driver_sql("; ".join(f"DELETE FROM {table}" for table in schema.metadata.tables))
    return shared


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    with open_ledger(url, TARGET) as opened:
        yield opened


@pytest.fixture
def other_ledger(url: str) -> Iterator[Ledger]:
    """The same ledger, opened for another FHIR server."""
    with open_ledger(url, OTHER_TARGET) as opened:
        yield opened


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", TARGET) as opened:
        yield opened
