"""The daemon while its ledger takes no writes: it waits, says so once, and goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy import Proxy
from tests.samples import generate, store_rest
from tests.servers.orthanc import Orthanc
from tests.servers.postgres import Postgres
from tests.site import Site, wait_for


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def test_the_daemon_outlives_a_failover_and_a_restart(
    tmp_path: Path, orthanc_1_12: Orthanc, proxy: Proxy, postgres: Postgres
) -> None:
    url = postgres.create_database("ledger")
    site = Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url, top={"ledger": url})
    with site.daemon():
        wait_for(lambda: "draining" in site.log(), "the daemon to drain")
        postgres.execute(
            "ALTER DATABASE ledger SET default_transaction_read_only = on",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'",
        )
        store_rest(orthanc_1_12, generate(1, 1, 2, seed="failover-read-only"))
        wait_for(lambda: "takes no writes" in site.log(), "the outage to be told")
        postgres.execute("ALTER DATABASE ledger RESET default_transaction_read_only")
        wait_for(lambda: site.status()["published"] == 1, "the study to be published")
        postgres.kill()
        store_rest(orthanc_1_12, generate(1, 1, 2, seed="failover-killed"))
        wait_for(
            lambda: site.log().count('"ledger_waits"') > site.log().count('"ledger_back"'), "the outage to be told"
        )
        postgres.start()
        wait_for(lambda: site.status()["published"] == 2, "the second study to be published")
    assert site.verify()["equal"]
    outages = site.log().count('"ledger_back"')
    assert outages <= site.log().count('"ledger_waits"') <= 2 * outages, "an outage was told many times"
