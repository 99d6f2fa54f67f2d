"""The daemon as a process, over fakes that answer wrongly while it starts and later."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.fhir import FakeFhir
from tests.fakes.orthanc import FakeOrthanc
from tests.proxy import Fault, cut, not_json, reset, status
from tests.samples import generate, store_rest
from tests.site import Site, wait_for

FAULTS = 6
ENDLESS = Fault(
    name="a chunk that is none",
    forward=False,
    answer=(200, {"Transfer-Encoding": "chunked", "Content-Type": "application/fhir+json"}, b"zz\r\n{}\r\n"),
)
BAD_HOUR = [
    *map(status, (204, 400, 401, 403, 404, 405, 413, 418, 422, 501, 503)),
    status(302, {"Location": "http://[::1"}),
    ENDLESS,
    not_json(),
    cut(10),
    reset(),
]


@pytest.fixture
def orthanc() -> Iterator[FakeOrthanc]:
    with FakeOrthanc() as archive:
        yield archive


@pytest.fixture
def fhir() -> Iterator[FakeFhir]:
    with FakeFhir() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, orthanc: FakeOrthanc, fhir: FakeFhir) -> Site:
    return Site(
        home=tmp_path,
        orthanc=orthanc,
        fhir=fhir.url,
        source={"stable_age": "0s"},
        target={"release": "auto", "retry": {"initial": "50ms", "max": "200ms"}},
        top={"settle": {"quiet": "0s", "margin": "0s", "max_wait": "60s"}},
    )


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """Where to write to a pipe that is full and that nobody reads."""
    read, write = os.pipe()
    os.write(write, b"x" * fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096))
    yield write
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("fault", BAD_HOUR, ids=lambda fault: fault.name)
def test_it_waits_for_a_fhir_server_that_is_not_up_yet(site: Site, fhir: FakeFhir, fault: Fault) -> None:
    """After a power cut, the proxy is there before the server."""
    store_rest(site.orthanc, generate(1))
    fhir.proxy.inject(fault, times=FAULTS)
    with site.daemon():
        wait_for(lambda: fhir.of_type("ImagingStudy"), "the study")
    assert fhir.proxy.faults_injected == FAULTS
    assert '"peer_lost"' in site.log()
    assert site.verify()["equal"]


@pytest.mark.parametrize("fault", BAD_HOUR, ids=lambda fault: fault.name)
def test_it_outlasts_a_bad_hour_of_the_fhir_server(site: Site, fhir: FakeFhir, fault: Fault) -> None:
    with site.daemon():
        store_rest(site.orthanc, generate(1, seed="before"))
        wait_for(lambda: len(fhir.of_type("ImagingStudy")) == 1, "the first study")
        fhir.proxy.inject(fault, times=None)
        store_rest(site.orthanc, generate(3, seed="meanwhile"))
        wait_for(lambda: fhir.proxy.faults_injected >= FAULTS, "the faults")
        fhir.proxy.heal()
        wait_for(lambda: len(fhir.of_type("ImagingStudy")) == 4, "the other studies")
    assert site.verify()["equal"]
    assert site.status()["quarantined"] == 0


def test_a_log_that_nobody_reads_stops_nothing(site: Site, fhir: FakeFhir, full_pipe: int) -> None:
    store_rest(site.orthanc, generate(3))
    with subprocess.Popen(site.command("run"), stdout=subprocess.DEVNULL, stderr=full_pipe) as daemon:
        try:
            wait_for(lambda: len(fhir.of_type("ImagingStudy")) == 3, "the studies")
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(10) == 0
        finally:
            daemon.kill()


def test_progress_that_nobody_reads_stops_no_backfill(site: Site, fhir: FakeFhir, full_pipe: int) -> None:
    store_rest(site.orthanc, generate(3))
    with subprocess.Popen(site.command("backfill"), stdout=subprocess.DEVNULL, stderr=full_pipe) as command:
        try:
            assert command.wait(60) == 0
        finally:
            command.kill()
    assert len(fhir.of_type("ImagingStudy")) == 3


def test_an_error_that_nobody_reads_ends_the_program(site: Site, full_pipe: int) -> None:
    (site.home / "ledger.db").write_text("no database")
    with subprocess.Popen(site.command("run"), stdout=subprocess.DEVNULL, stderr=full_pipe) as daemon:
        try:
            assert daemon.wait(20) == 78
        finally:
            daemon.kill()
