"""Servers that many tests share, started when the first test asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc, orthanc_versions

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def hapi_r4() -> Iterator[Hapi]:
    """A real HAPI R4; tests keep apart by their own studies and patients."""
    with Hapi("r4") as server:
        yield server


@pytest.fixture(params=orthanc_versions())
def orthanc(request: pytest.FixtureRequest) -> Iterator[Orthanc]:
    """An empty real Orthanc of each version."""
    with Orthanc(request.param, stable_age_s=1) as server:
        yield server


@pytest.fixture
def orthanc_1_12() -> Iterator[Orthanc]:
    """An empty real Orthanc 1.12."""
    with Orthanc("1.12", stable_age_s=1) as server:
        yield server
