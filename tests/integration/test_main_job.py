"""The main job: real Orthanc → ledger → real HAPI, through the command line."""

from collections import Counter

from tests.proxy import Proxy
from tests.samples import (
    by_turns,
    demo_studies,
    generate,
    late_study,
    public_files,
    store_dimse,
    store_files,
    store_rest,
)
from tests.servers.hapi import Hapi
from tests.site import Site, uids, wait_for


def test_backfill_writes_each_study_once_and_then_nothing(each_site: Site, proxy: Proxy, hapi_r4: Hapi) -> None:
    hapi_r4.wipe()  # others index the same studies there, and their Patients would be found
    each_site.target["release"] = "auto"
    datasets = [*demo_studies(), *late_study()]
    store_rest(each_site.orthanc, datasets)
    studies, patients = set(uids(datasets)), {str(one.PatientID) for one in datasets}

    each_site.cli("backfill")
    assert proxy.written() == Counter({"ImagingStudy": len(studies), "Patient": len(patients), "Endpoint": 1})
    report = each_site.verify()
    assert report["equal"]
    assert report["studies"] == len(studies) == 33
    assert report["instances"] == len(datasets)

    proxy.clear()
    each_site.cli("backfill")
    assert not proxy.written(), "an unchanged study was sent again"


def test_a_study_that_settles_twice_is_written_twice(each_site: Site, proxy: Proxy) -> None:
    """Two associations with a pause longer than StableAge, series interleaved, one more instance later."""
    datasets = generate(series=3, instances=4, seed=f"twice-{each_site.orthanc.version}")
    uid, late, early = uids(datasets)[0], datasets[0], by_turns(datasets[1:])
    with each_site.daemon():
        store_dimse(each_site.orthanc, early[:6])
        wait_for(lambda: _instances(each_site, uid) == 6, "the first half")
        store_dimse(each_site.orthanc, early[6:])
        wait_for(lambda: _instances(each_site, uid) == 11, "the second half")
        store_dimse(each_site.orthanc, [late])
        wait_for(lambda: _instances(each_site, uid) == 12, "the late instance")
    assert proxy.written()["ImagingStudy"] == 3
    assert proxy.written()["Patient"] == 1
    assert each_site.verify()["equal"]


def test_public_files_without_patient_id_go_to_quarantine(each_site: Site, proxy: Proxy) -> None:
    store_files(each_site.orthanc, public_files())
    each_site.cli("backfill", expect=1)
    report = each_site.verify()
    assert report["equal"]
    assert report["quarantined"]
    listed = each_site.cli("quarantine", "list").stdout
    assert all(uid in listed for uid in report["quarantined"])
    assert listed.count("no_patient_id") >= 11
    assert proxy.written()["ImagingStudy"] == report["studies"] - len(report["quarantined"])


def _instances(site: Site, uid: str) -> int:
    study = site.study(uid)
    return study["numberOfInstances"] if study else 0
