"""Servers that fail in every known way, in front of the real ones: nothing lost, nothing doubled."""

import signal
import time
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from tests import commands
from tests import proxy as faults
from tests.proxy import Proxy
from tests.proxy.faults import Fault
from tests.proxy.recording import Recorded
from tests.samples import generate, store_rest
from tests.site import Site, uids, wait_for

OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict"}]}'

FHIR_FAULTS: dict[str, Callable[[], Fault]] = {
    "429": lambda: faults.status(429, {"Retry-After": "1"}),
    "503": lambda: faults.status(503),
    "500": lambda: faults.status(500, body=b"<html>oops</html>"),
    "409": lambda: faults.status(409, body=OUTCOME),
    "413": lambda: faults.status(413),
    "cut-body": lambda: faults.cut(40),
    "not-json": faults.not_json,
    "fewer-entries": faults.fewer_entries,
    "lost-answer": faults.drop_reply,
    "reset": faults.reset,
    "slow": lambda: faults.slow_reply(4.0),
}

ORTHANC_FAULTS: dict[str, Callable[[], Fault]] = {
    "401": lambda: faults.status(401),
    "500": lambda: faults.status(500),
    "503": lambda: faults.status(503),
    "cut-body": lambda: faults.cut(10),
    "html": faults.not_json,
    "reset": faults.reset,
}


@pytest.mark.parametrize("name", FHIR_FAULTS)
def test_fhir_server_fails_and_heals(site: Site, proxy: Proxy, name: str) -> None:
    site.target["timeout"] = "2s" if name == "slow" else "30s"
    datasets = generate(6, 2, 2, seed=f"fhir-{name}", patients=3)
    store_rest(site.orthanc, datasets)
    proxy.inject(FHIR_FAULTS[name](), times=3, when=_can_be_halved if name == "413" else faults.writes_studies)
    site.cli("backfill")
    assert proxy.faults_injected >= 1
    _converged(site, datasets)


def test_fhir_server_is_down_for_a_while(site: Site, proxy: Proxy) -> None:
    datasets = generate(4, 1, 2, seed="fhir-down")
    with site.daemon():
        with proxy.refusing():
            store_rest(site.orthanc, datasets)
            wait_for(lambda: "peer_lost" in site.log(), "the outage to be noticed")
            wait_for(lambda: site.status()["dirty"] == 4, "the studies to be noted")
        wait_for(lambda: site.status()["published"] == 4, "the studies to be published")
        assert "peer_back" in site.log()
    assert proxy.faults_injected > 0
    _converged(site, datasets)


@pytest.mark.parametrize("name", ORTHANC_FAULTS)
def test_orthanc_fails_and_heals(site: Site, orthanc_proxy: Proxy, name: str) -> None:
    """Four answers of Orthanc in a row are bad, after the daemon has begun."""
    datasets = generate(4, 2, 2, seed=f"orthanc-{name}")
    site.source["timeout"] = "10s"
    with site.daemon():
        wait_for(lambda: site.status()["last_poll_at"], "the first poll")
        orthanc_proxy.inject(ORTHANC_FAULTS[name](), times=4)
        store_rest(site.orthanc, datasets)
        wait_for(lambda: orthanc_proxy.faults_injected == 4, "the faults")
        wait_for(lambda: site.status()["published"] == 4, "the studies to be published", deadline_s=150)
    _converged(site, datasets)


def test_orthanc_is_down_for_a_while(site: Site, orthanc_proxy: Proxy) -> None:
    datasets = generate(3, 1, 2, seed="orthanc-down")
    with site.daemon():
        wait_for(lambda: site.status()["last_poll_at"], "the first poll")
        with orthanc_proxy.refusing():
            store_rest(site.orthanc, datasets)
            wait_for(lambda: "peer_lost" in site.log(), "the outage to be noticed")
        wait_for(lambda: site.status()["published"] == 3, "the studies to be published")
        assert "peer_back" in site.log()
    _converged(site, datasets)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_stop_while_the_fhir_server_hangs(site: Site, proxy: Proxy, signals: int) -> None:
    """The first SIGTERM ends it within 10 seconds with 0, the second at once; what was sent stays dirty."""
    datasets = generate(3, 1, 2, seed=f"stop-{signals}")
    store_rest(site.orthanc, datasets)
    proxy.inject(faults.hang(), times=None, when=faults.writes_studies)
    process = commands.start(site.arguments("run"), site.home / "daemon.out")
    wait_for(lambda: proxy.faults_injected, "the hanging request")
    process.terminate()
    began = time.monotonic()
    if signals == 2:
        wait_for(lambda: "stop_requested" in site.log(), "the first signal to be heard")
        process.terminate()
    process.join(10)
    assert process.exitcode == (0 if signals == 1 else -signal.SIGTERM)
    assert signals == 1 or time.monotonic() - began < 5
    assert site.status()["dirty"] == 3
    proxy.heal()
    site.cli("backfill")
    _converged(site, datasets)


def test_orthanc_is_killed_before_its_studies_are_stable(each_site: Site) -> None:
    """StableStudy never comes then, for Orthanc holds what is unstable in memory only."""
    datasets = generate(3, 1, 2, seed=f"restart-{each_site.orthanc.version}")
    with each_site.daemon():
        wait_for(lambda: each_site.status()["last_poll_at"], "the first poll")
        store_rest(each_site.orthanc, datasets)
        each_site.orthanc.kill()
        each_site.orthanc.start()
        wait_for(lambda: each_site.status()["published"] == 3, "the studies to be published")
    assert "StableStudy" not in each_site.orthanc_changes(), "the fault did not happen: StableStudy was logged"
    _converged(each_site, datasets)


def _can_be_halved(request: Recorded) -> bool:
    """A study that is too large even alone goes to quarantine, and a busy machine sends the first ones alone."""
    return faults.writes_studies(request) and len(request.writes) > 1


def _converged(site: Site, datasets: list[Dataset]) -> None:
    report = site.verify()
    assert report["equal"], report
    assert report["studies"] == len(uids(datasets))
    assert not report["quarantined"]
    assert not report["unsettled"]
