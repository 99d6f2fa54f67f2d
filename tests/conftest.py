"""Servers that many tests share, started when the first test asks for them, and how tests are shared out."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.servers.hapi import Hapi, Release
from tests.servers.orthanc import Orthanc, orthanc_versions

WITH_SERVERS = ("tests/integration/", "tests/chaos/", "tests/contract/test_source_ways_in.py")
REAL = re.compile(r"real 1\.|hapi-r|medplum")
"""Parameters of other tests that name a real server."""


hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")  # how long an example takes says nothing on a busy machine


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    from tests.distribution import LongFirst

    return LongFirst(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a real server. In one process the quick tests stay first; several begin with the long ones."""
    for item in items:
        if item.nodeid.startswith(WITH_SERVERS) or REAL.search(item.name):
            item.add_marker("server")
    if hasattr(config, "workerinput"):
        from tests.distribution import in_order

        items[:] = in_order(items)


@pytest.fixture(scope="session")
def hapi_of() -> Iterator[Callable[[Release], Hapi]]:
    """A real HAPI of a release, one for each process; tests keep apart by their own studies and patients."""
    with contextlib.ExitStack() as running:
        yield functools.cache(lambda release: running.enter_context(Hapi(release, base_path=f"/base{release.upper()}")))


@pytest.fixture(scope="session")
def hapi_r4(hapi_of: Callable[[Release], Hapi]) -> Hapi:
    """A real HAPI R4."""
    return hapi_of("r4")


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
