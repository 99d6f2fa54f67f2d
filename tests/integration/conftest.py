"""A site between a real Orthanc and a real HAPI, with a recording proxy before each."""

from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def orthanc_proxy(site: Site) -> Iterator[Proxy]:
    """Between the indexer and Orthanc 1.12."""
    with Proxy(site.orthanc.url) as between:
        site.orthanc_url = between.url
        yield between
