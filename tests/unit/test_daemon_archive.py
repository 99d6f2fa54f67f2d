"""The daemon as a process, over an archive that answers wrongly while it starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.fhir import FakeFhir
from tests.fakes.orthanc import FakeOrthanc
from tests.proxy import Fault, Proxy
from tests.samples import generate, store_rest
from tests.site import Site, wait_for
from tests.unit.test_daemon import BAD_HOUR, FAULTS


@pytest.fixture
def fhir() -> Iterator[FakeFhir]:
    with FakeFhir() as server:
        yield server


@pytest.mark.parametrize("fault", BAD_HOUR, ids=lambda fault: fault.name)
def test_it_waits_for_an_archive_that_is_not_up_yet(tmp_path: Path, fhir: FakeFhir, fault: Fault) -> None:
    """It is asked for its changes and for the address of its Endpoint at once."""
    with FakeOrthanc() as orthanc, Proxy(orthanc.url) as proxy:
        site = Site(
            home=tmp_path,
            orthanc=orthanc,
            orthanc_url=proxy.url,
            fhir=fhir.url,
            source={"stable_age": "0s", "dicomweb": None},
            target={"retry": {"initial": "50ms", "max": "200ms"}},
            top={"settle": {"quiet": "0s", "margin": "0s", "max_wait": "60s"}},
        )
        store_rest(orthanc, generate(1))
        proxy.inject(fault, times=FAULTS)
        with site.daemon():
            wait_for(lambda: fhir.of_type("ImagingStudy"), "the study", 30)
        assert proxy.faults_injected == FAULTS
        assert site.verify()["equal"]
