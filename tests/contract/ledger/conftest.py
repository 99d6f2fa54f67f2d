"""The same suite on SQLite and on a real PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.ledger import SqlLedger, open_ledger
from tests.contract.ledger.values import TARGET
from tests.servers.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a ledger that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    """An empty ledger with an open target."""
    with open_ledger(url) as opened:
        opened.open_target(TARGET)
        yield opened


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        opened.open_target(TARGET)
        yield opened
