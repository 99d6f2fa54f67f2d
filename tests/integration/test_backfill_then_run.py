"""README's set-up on a real Orthanc: `backfill`, then `run`. An archive is read once, and nothing is missed."""

import signal
from collections import Counter

import requests

from tests.proxy import Proxy
from tests.samples import delete, demo_studies, generate, store_rest
from tests.site import Site, uids, wait_for


def fill(site: Site, deleted: int = 2) -> int:
    """Store studies, delete some so that the feed has holes, and wait until the feed is at rest; how many stay."""
    datasets = demo_studies()
    store_rest(site.orthanc, datasets)
    for uid in uids(datasets)[:deleted]:
        delete(site.orthanc, uid)
    count = len(uids(datasets)) - deleted

    def is_idle() -> bool:
        answer = requests.get(f"{site.orthanc.url}/changes", params={"limit": "100000"}, timeout=30).json()
        types = Counter(change["ChangeType"] for change in answer["Changes"])
        series = requests.get(f"{site.orthanc.url}/series", timeout=30).json()
        return (types["StableStudy"], types["StableSeries"]) == (count, len(series))

    wait_for(is_idle, "every study to be stable")
    return count


def polled(site: Site) -> str | None:
    return site.status()["last_poll_at"]


def noted(site: Site) -> int:
    """How many pages of the feed the daemon noted that held anything new."""
    return site.log().count('"page_noted"')


def test_an_idle_archive_is_not_read_again_by_the_daemon(each_site: Site, proxy: Proxy) -> None:
    count = fill(each_site)
    each_site.cli("backfill")
    assert each_site.status()["published"] == count
    proxy.clear()
    with each_site.daemon():
        wait_for(lambda: polled(each_site), "the first poll")
        assert each_site.status()["dirty"] == 0
        assert noted(each_site) == 0
        store_rest(each_site.orthanc, generate(seed="after-the-backfill"))
        wait_for(lambda: each_site.status()["published"] == count + 1, "the new study")
    assert proxy.written()["ImagingStudy"] == 1
    assert each_site.verify()["equal"]


def test_nor_after_a_backfill_that_was_killed_and_resumed(each_site: Site) -> None:
    count = fill(each_site)
    each_site.cli("backfill", kill_at="in-backfill", expect=-signal.SIGKILL)
    assert each_site.status()["dirty"] == count
    each_site.cli("backfill")
    with each_site.daemon():
        wait_for(lambda: polled(each_site), "the first poll")
        assert noted(each_site) == 0
    assert each_site.status()["published"] == count
