"""The archives that a test of the sources runs on."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.source_cases import IN_MEMORY, KINDS, Archive, Case, MemoryCase, running


@pytest.fixture
def settings() -> dict[str, Any]:
    """Further keys of Orthanc's configuration; a test gives them by its parameters."""
    return {}


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, settings: dict[str, Any]) -> Iterator[Case]:
    """One Orthanc of each kind, empty."""
    with running(request.param, **settings) as found:
        yield found


@pytest.fixture(params=[*KINDS, *IN_MEMORY])
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    """One archive of each kind, empty."""
    if request.param in IN_MEMORY:
        yield MemoryCase(IN_MEMORY[request.param](time.time))
    else:
        with running(request.param) as found:
            yield found
