"""A site between a real Orthanc and a real HAPI, with a recording proxy before each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.proxy import Proxy
from tests.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.hapi import Hapi
    from tests.servers.orthanc import Orthanc


@pytest.fixture
def proxy(hapi_r4: Hapi) -> Iterator[Proxy]:
    """Between the indexer and HAPI."""
    with Proxy(hapi_r4.url) as between:
        yield between


@pytest.fixture
def site(tmp_path: Path, orthanc: Orthanc, proxy: Proxy) -> Site:
    """One site per version of Orthanc."""
    return Site(home=tmp_path, orthanc=orthanc, fhir=proxy.url)


@pytest.fixture
def orthanc_proxy(orthanc_1_12: Orthanc) -> Iterator[Proxy]:
    """Between the indexer and Orthanc 1.12."""
    with Proxy(orthanc_1_12.url) as between:
        yield between


@pytest.fixture
def site_1_12(tmp_path: Path, orthanc_1_12: Orthanc, orthanc_proxy: Proxy, proxy: Proxy) -> Site:
    """One site with proxies on both sides."""
    return Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url, orthanc_url=orthanc_proxy.url)
