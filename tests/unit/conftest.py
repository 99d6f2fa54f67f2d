"""Fixtures that several unit tests share."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.cli import backfill, signals
from indexer.ledger import Ledger, database
from indexer.orthanc import OrthancSource
from indexer.sync.drain import drain, pack, queues, source_workers
from indexer.transport import Transport
from tests.fakes.memory import MemoryTarget
from tests.fakes.orthanc import FakeOrthanc
from tests.fakes.scripted import RawServer
from tests.unit.cli_site import CommandLine, command_line
from tests.unit.world import World, opened


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
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain sees news and its end at once."""
    for module in (drain, pack, queues, source_workers):
        monkeypatch.setattr(module, "POLL_S", 0.01)
    for module in (drain, source_workers):
        monkeypatch.setattr(module, "IDLE_S", 0.01)


@pytest.fixture
def world(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, _short_waits: None) -> World:
    """Archive, FHIR server and ledger, all empty."""
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
    tmp_path: Path,
    empty_ledger: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    _short_waits: None,
) -> Iterator[CommandLine]:
    """The command line; signals and the environment are put back."""
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    monkeypatch.setattr(backfill, "WATCH_S", 0.02)
    monkeypatch.setattr(signals, "END_S", 3600.0)  # the process is that of the tests
    monkeypatch.setattr(backfill, "PATIENCE_S", 10.0)
    monkeypatch.delenv("DICOM_FHIR_INDEXER_CONFIG", raising=False)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield from command_line(tmp_path, capsys, monkeypatch)
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def server() -> Iterator[RawServer]:
    """A server that answers what a test says, byte by byte."""
    made = RawServer()
    yield made
    made.close()


@pytest.fixture
def make(server: RawServer) -> Iterator[Callable[..., Transport]]:
    """Makes a transport to it; its connections are closed at the end."""
    made: list[Transport] = []

    def build(base_url: str | None = None, **options: object) -> Transport:
        made.append(Transport(base_url or server.url, peer="orthanc main", **options))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for transport in made:
        transport.close()
