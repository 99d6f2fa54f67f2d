"""Fixtures that several unit tests share."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from indexer.cli import backfill
from indexer.ledger import database
from indexer.orthanc import OrthancSource
from indexer.sync.drain import drain, source_workers
from indexer.transport import Transport
from tests.fakes.memory import MemoryTarget
from tests.fakes.orthanc import FakeOrthanc
from tests.unit.cli_site import CommandLine, command_line
from tests.unit.world import World, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from indexer.ledger import Ledger


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a ledger that was made and never used: copying it is faster than migrating."""
    folder = tmp_path_factory.mktemp("ledger")
    with opened(folder):
        return folder / "ledger.db"


@pytest.fixture
def ledger(tmp_path: Path, empty_ledger: Path) -> Iterator[Ledger]:
    """An empty SQLite ledger."""
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    with opened(tmp_path) as one:
        yield one


@pytest.fixture
def target() -> MemoryTarget:
    """A FHIR server in memory, empty."""
    return MemoryTarget()


@pytest.fixture
def world(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> World:
    """Archive, FHIR server and ledger, all empty."""
    for module in (drain, source_workers):
        monkeypatch.setattr(module, "IDLE_S", 0.01)
    monkeypatch.setattr(database, "BETWEEN_TRIES_S", (0.001, 0.01))
    return World(ledger=ledger)


@pytest.fixture
def fake() -> Iterator[FakeOrthanc]:
    """An empty Orthanc in this process."""
    with FakeOrthanc() as made:
        yield made


@pytest.fixture
def connect() -> Iterator[Callable[..., OrthancSource]]:
    """Makes a source of an address; its connections are closed at the end."""
    made: list[Transport] = []

    def build(url: str, clock: Callable[[], float] = lambda: 0.0, **options: Any) -> OrthancSource:
        made.append(Transport(url, peer="orthanc main", timeout_s=5, **options))
        return OrthancSource(made[-1], "main", clock=clock)

    yield build
    for transport in made:
        transport.close()


@pytest.fixture
def source(fake: FakeOrthanc, connect: Callable[..., OrthancSource]) -> OrthancSource:
    """The fake Orthanc as a source."""
    return connect(fake.url)


@pytest.fixture
def line(
    tmp_path: Path, empty_ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """The command line; signals and the environment are put back."""
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    for module in (drain, source_workers):
        monkeypatch.setattr(module, "IDLE_S", 0.01)
    monkeypatch.setattr(backfill, "WATCH_S", 0.02)
    monkeypatch.setattr(backfill, "PATIENCE_S", 10.0)
    monkeypatch.delenv("DICOM_FHIR_INDEXER_CONFIG", raising=False)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield from command_line(tmp_path, capsys, monkeypatch)
    for number, handler in kept.items():
        signal.signal(number, handler)
