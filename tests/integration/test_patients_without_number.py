"""Studies without a PatientID, on real HAPI servers of R4 and R5."""

from typing import Any

import pytest

from tests.integration.others import all_published, correct, index, patient_of
from tests.proxy import Proxy, sent
from tests.samples import generate, store_rest
from tests.site import Site


def unnumbered(seed: str) -> list[Any]:
    """Two studies of one name and birth date."""
    return generate(2, 1, 1, seed=seed, patient_ids=[""], PatientName="Same^Name", PatientBirthDate="19500101")


def test_by_default_they_go_to_quarantine(site_of_release: Site) -> None:
    store_rest(site_of_release.orthanc, unnumbered("numberless-quarantine"))
    site_of_release.cli("backfill", expect=1)
    assert site_of_release.cli("quarantine", "list").stdout.count("no_patient_id") == 2


def test_absent(site_of_release: Site, proxy_of_release: Proxy) -> None:
    site_of_release.top["patients"] = {"without_number": "absent"}
    datasets = unnumbered("numberless-absent")
    index(site_of_release, datasets)
    for study in all_published(site_of_release, datasets):
        (extension,) = study["subject"]["extension"]
        assert extension["valueCode"] == "unknown"
        assert "reference" not in study["subject"]
    assert proxy_of_release.written()["Patient"] == 0
    assert site_of_release.verify()["equal"]


@pytest.mark.parametrize("mode", ["match_or_create", "create"])
def test_a_patient_for_each_study(site_of_release: Site, proxy_of_release: Proxy, mode: str) -> None:
    site_of_release.top["patients"] = {"without_number": "study", "mode": mode}
    datasets = unnumbered(f"numberless-{mode}")
    index(site_of_release, datasets)
    first, second = (patient_of(site_of_release, study) for study in all_published(site_of_release, datasets))
    assert first["id"] != second["id"]
    assert "identifier" not in first
    assert first["name"][0]["family"] == "Same"
    assert sent.searches(proxy_of_release.requests, "Patient") == []
    assert site_of_release.verify()["equal"]
    proxy_of_release.clear()
    site_of_release.cli("backfill")
    assert not proxy_of_release.written(), "an unchanged study was sent again"


def test_a_patient_inside_each_study(site_of_release: Site, proxy_of_release: Proxy) -> None:
    site_of_release.top["patients"] = {"without_number": "study", "mode": "contained"}
    datasets = unnumbered("numberless-contained")
    study = index(site_of_release, datasets)
    assert study["contained"][0]["name"][0]["family"] == "Same"
    assert proxy_of_release.written()["Patient"] == 0
    assert site_of_release.verify()["equal"]


@pytest.mark.parametrize("choice", ["absent", "study"])
def test_a_study_that_gets_a_number_moves_to_its_patient(site_of_release: Site, choice: str) -> None:
    site_of_release.top["patients"] = {"without_number": choice}
    name = f"numberless-later-{choice}"
    site_of_release.put(
        {"resourceType": "Patient", "id": name, "identifier": [{"system": "urn:oid:2.25.99", "value": name.upper()}]}
    )
    (dataset, _) = unnumbered(name)
    index(site_of_release, [dataset])
    assert correct(site_of_release, [dataset], PatientID=name.upper())["subject"] == {"reference": f"Patient/{name}"}
    assert site_of_release.verify()["equal"]


@pytest.mark.parametrize("choice", ["absent", "study"])
def test_each_orthanc(each_site: Site, choice: str) -> None:
    """One Orthanc patient has all studies without a number."""
    each_site.top["patients"] = {"without_number": choice}
    datasets = unnumbered(f"numberless-orthanc-{each_site.orthanc.version}-{choice}")
    index(each_site, datasets)
    subjects = {study["subject"].get("reference") for study in all_published(each_site, datasets)}
    assert subjects == {None} if choice == "absent" else len(subjects) == 2
    assert each_site.verify()["equal"]
