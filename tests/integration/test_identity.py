"""Never the wrong patient."""

from tests import proxy as faults
from tests.integration.others import all_published, families, index, patient_of
from tests.proxy import Proxy
from tests.samples import generate, store_rest
from tests.site import Site, uids, wait_for


def test_one_number_of_two_issuers_is_two_patients(each_site: Site, proxy: Proxy) -> None:
    """Orthanc makes one patient of them; the name of each comes from its own study."""
    seed = f"issuer-{each_site.orthanc.version}"
    datasets = generate(2, 1, 1, seed=seed, patient_ids=[f"{seed}-7"], issuers=["NORTH", "SOUTH"])
    datasets[0].PatientName, datasets[1].PatientName = "North^Nora", "South^Sam"
    index(each_site, datasets)
    north, south = (patient_of(each_site, study) for study in all_published(each_site, datasets))
    assert north["id"] != south["id"]
    assert proxy.written()["Patient"] == 2
    assert [*families(north), *families(south)] == ["North", "South"]
    assert each_site.verify()["equal"]


def test_studies_wait_while_dicomweb_is_out_of_reach(site: Site, orthanc_proxy: Proxy, proxy: Proxy) -> None:
    datasets = generate(2, 1, 1, seed="dicomweb-away", patient_ids=["AWAY-7"], issuers=["NORTH", "SOUTH"])
    orthanc_proxy.inject(faults.status(403), times=None, when=lambda request: b"0010,0021" in request.body)
    orthanc_proxy.inject(faults.status(503), times=None, when=lambda request: "/dicom-web/" in request.path)
    store_rest(site.orthanc, datasets)
    with site.daemon():
        wait_for(lambda: orthanc_proxy.faults_injected >= 3, "the DICOMweb read to be tried")
        assert site.status()["dirty"] == 2
        assert not proxy.written()["Patient"]
        orthanc_proxy.heal()
        wait_for(lambda: site.status()["published"] == 2, "the studies to be published", deadline_s=150)
    assert len({study["subject"]["reference"] for study in all_published(site, datasets)}) == 2
    assert site.verify()["equal"]


def test_two_names_under_one_number_the_latest_study_wins(site: Site, proxy: Proxy) -> None:
    older, newer = generate(2, 1, 1, seed="two-names", patient_ids=["NAMES-1"])
    older.PatientName, newer.PatientName = "Old^Name", "New^Name"
    index(site, [newer])
    assert families(patient_of(site, index(site, [older]))) == ["New"]
    assert proxy.written()["Patient"] == 1, "the older study rewrote the Patient"


def test_one_study_uid_under_two_patients_is_quarantined(each_site: Site) -> None:
    seed = f"conflict-{each_site.orthanc.version}"
    datasets = generate(1, 1, 2, seed=seed)
    datasets[1].PatientID = f"{seed}-other"
    store_rest(each_site.orthanc, datasets)
    decision = f"quarantine (identity_conflict)  {uids(datasets)[0]}\n1 quarantine (identity_conflict)\n"
    assert each_site.cli("backfill", "--dry-run", expect=1).stdout == decision
    each_site.cli("backfill", expect=1)
    assert "identity_conflict" in each_site.cli("quarantine", "list").stdout
    assert each_site.study(uids(datasets)[0]) is None
