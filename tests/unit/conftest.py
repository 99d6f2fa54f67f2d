"""Fixtures of the flow's unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from indexer.sync import drain
from tests.unit.world import World, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from indexer.ledger import SqlLedger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    """An empty SQLite ledger."""
    with opened(tmp_path) as one:
        yield one


@pytest.fixture
def world(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> World:
    """Archive, FHIR server and ledger, all empty."""
    monkeypatch.setattr(drain, "IDLE_S", 0.01)
    monkeypatch.setattr(drain, "BUSY_S", 0.01)
    return World(ledger=ledger)
