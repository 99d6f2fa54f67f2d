"""``kill -9`` at named points, each followed by a restart and ``verify``."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.killer import POINTS
from tests.proxy import Proxy
from tests.samples import generate, store_rest
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc
from tests.site import Site, uids, wait_for

KILLS = 9
"""Per point: 6 points make 54 kills."""


@pytest.fixture
def proxy(hapi_r4: Hapi) -> Iterator[Proxy]:
    with Proxy(hapi_r4.url, keep_bodies=False) as between:
        yield between


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_or_doubled(tmp_path: Path, orthanc_1_12: Orthanc, proxy: Proxy, point: str) -> None:
    site = Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url)
    site.cli("backfill")
    stored: list[str] = []
    for number in range(KILLS):
        datasets = generate(2, 1, 2, seed=f"kill-{point}-{number}")
        store_rest(site.orthanc, datasets)
        stored += uids(datasets)
        site.cli("run" if point == "after-poll-commit" else "backfill", kill_at=point, expect=-signal.SIGKILL)
        _finish(site, point, len(stored))
        report = site.verify()
        assert report["equal"], report
        assert (report["studies"], report["unsettled"]) == (len(stored), [])
    written = Counter(proxy.written())
    extra = written["ImagingStudy"] + written["Patient"] - 2 * len(stored)
    assert 0 <= extra <= KILLS, f"{extra} entries too many for {KILLS} kills"


def _finish(site: Site, point: str, count: int) -> None:
    if point == "after-poll-commit":
        with site.daemon():
            wait_for(lambda: site.status()["published"] == count, "the studies to be published")
    else:
        site.cli("backfill")
