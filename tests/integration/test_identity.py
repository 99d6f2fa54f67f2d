"""Never the wrong patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import proxy as faults
from tests.samples import generate, store_rest
from tests.site import uids, wait_for

if TYPE_CHECKING:
    from tests.proxy import Proxy
    from tests.site import Site

pytestmark = pytest.mark.server


def test_one_number_of_two_issuers_is_two_patients(site: Site, proxy: Proxy) -> None:
    """Orthanc makes one patient of them; the name of each comes from its own study."""
    seed = f"issuer-{site.orthanc.version}"
    datasets = generate(2, 1, 1, seed=seed, patient_ids=[f"{seed}-7"], issuers=["NORTH", "SOUTH"])
    datasets[0].PatientName, datasets[1].PatientName = "North^Nora", "South^Sam"
    store_rest(site.orthanc, datasets)
    site.cli("backfill")
    subjects = [_subject(site, uid) for uid in uids(datasets)]
    assert subjects[0] != subjects[1]
    assert proxy.written()["Patient"] == 2
    families = [site.fetch(subject)["name"][0]["family"] for subject in subjects]
    assert families == ["North", "South"]
    assert site.verify()["equal"]


def test_studies_wait_while_dicomweb_is_out_of_reach(site_1_12: Site, orthanc_proxy: Proxy, proxy: Proxy) -> None:
    datasets = generate(2, 1, 1, seed="dicomweb-away", patient_ids=["AWAY-7"], issuers=["NORTH", "SOUTH"])
    orthanc_proxy.inject(faults.status(403), times=None, when=lambda request: b"0010,0021" in request.body)
    orthanc_proxy.inject(faults.status(503), times=None, when=lambda request: "/dicom-web/" in request.path)
    store_rest(site_1_12.orthanc, datasets)
    with site_1_12.daemon():
        wait_for(lambda: orthanc_proxy.faults_injected >= 3, "the DICOMweb read to be tried")
        assert site_1_12.status()["dirty"] == 2
        assert not proxy.written()["Patient"]
        orthanc_proxy.heal()
        wait_for(lambda: site_1_12.status()["published"] == 2, "the studies to be published", deadline_s=150)
    assert len({_subject(site_1_12, uid) for uid in uids(datasets)}) == 2
    assert site_1_12.verify()["equal"]


def test_two_names_under_one_number_the_latest_study_wins(site_1_12: Site, proxy: Proxy) -> None:
    datasets = generate(2, 1, 1, seed="two-names", patient_ids=["NAMES-1"])
    datasets[0].PatientName, datasets[1].PatientName = "Old^Name", "New^Name"
    store_rest(site_1_12.orthanc, datasets[1:])
    site_1_12.cli("backfill")
    store_rest(site_1_12.orthanc, datasets[:1])
    site_1_12.cli("backfill")
    subject = _subject(site_1_12, uids(datasets)[0])
    assert site_1_12.fetch(subject)["name"][0]["family"] == "New"
    assert proxy.written()["Patient"] == 1, "the older study rewrote the Patient"


def test_one_study_uid_under_two_patients_is_quarantined(site: Site) -> None:
    seed = f"conflict-{site.orthanc.version}"
    datasets = generate(1, 1, 2, seed=seed)
    datasets[1].PatientID = f"{seed}-other"
    store_rest(site.orthanc, datasets)
    site.cli("backfill", expect=1)
    assert "identity_conflict" in site.cli("quarantine", "list").stdout
    assert site.study(uids(datasets)[0]) is None


def _subject(site: Site, uid: str) -> str:
    study = site.study(uid)
    assert study is not None
    return str(study["subject"]["reference"])
