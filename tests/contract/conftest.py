"""The Orthanc that a test of the sources runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.source_cases import KINDS, Case, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """One of each kind, empty."""
    with running(request.param) as found:
        yield found
