"""A site between a real Orthanc and a real HAPI, with a recording proxy before each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy import Proxy
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc
from tests.site import Site


@pytest.fixture
def proxy(hapi_r4: Hapi) -> Iterator[Proxy]:
    """Between the indexer and HAPI."""
    with Proxy(hapi_r4.url) as between:
        yield between


@pytest.fixture
def site(tmp_path: Path, orthanc_1_12: Orthanc, proxy: Proxy) -> Site:
    """A site with Orthanc 1.12."""
    return Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url)


@pytest.fixture
def each_site(tmp_path: Path, orthanc: Orthanc, proxy: Proxy) -> Site:
    """One site per version of Orthanc."""
    return Site(home=tmp_path, orthanc=orthanc, fhir=proxy.url)


@pytest.fixture(params=["r4", "r5"])
def proxy_of_release(request: pytest.FixtureRequest, hapi_of: Callable[[Any], Hapi]) -> Iterator[Proxy]:
    """Between the indexer and HAPI of each release."""
    with Proxy(hapi_of(request.param).url) as between:
        yield between


@pytest.fixture
def site_of_release(tmp_path: Path, orthanc_1_12: Orthanc, proxy_of_release: Proxy) -> Site:
    """One site with Orthanc 1.12 per release of FHIR."""
    return Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy_of_release.url, target={"release": "auto"})


@pytest.fixture
def orthanc_proxy(site: Site) -> Iterator[Proxy]:
    """Between the indexer and Orthanc 1.12."""
    with Proxy(site.orthanc.url) as between:
        site.orthanc_url = between.url
        yield between
