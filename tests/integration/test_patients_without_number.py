"""Studies without a PatientID, on real HAPI servers of R4 and R5."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.others import all_published, correct, index, patient_of
from tests.proxy import Proxy, sent
from tests.samples import generate, store_rest
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc
from tests.site import Site

RELEASES = ("r4", "r5")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def proxy(release: Any, hapi_of: Callable[[Any], Hapi]) -> Iterator[Proxy]:
    """Between the indexer and HAPI of each release."""
    with Proxy(hapi_of(release).url) as between:
        yield between


@pytest.fixture
def site(release: str, tmp_path: Path, orthanc_1_12: Orthanc, proxy: Proxy) -> Site:
    return Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url, target={"release": release.upper()})


def unnumbered(seed: str) -> list[Any]:
    """Two studies of one name and birth date."""
    return generate(2, 1, 1, seed=seed, patient_ids=[""], PatientName="Same^Name", PatientBirthDate="19500101")


def test_by_default_they_go_to_quarantine(site: Site) -> None:
    store_rest(site.orthanc, unnumbered("numberless-quarantine"))
    site.cli("backfill", expect=1)
    assert site.cli("quarantine", "list").stdout.count("no_patient_id") == 2


def test_absent(site: Site, proxy: Proxy) -> None:
    site.top["patients"] = {"without_number": "absent"}
    datasets = unnumbered("numberless-absent")
    index(site, datasets)
    for study in all_published(site, datasets):
        (extension,) = study["subject"]["extension"]
        assert extension["valueCode"] == "unknown"
        assert "reference" not in study["subject"]
    assert proxy.written()["Patient"] == 0
    assert site.verify()["equal"]


@pytest.mark.parametrize("mode", ["match_or_create", "create"])
def test_a_patient_for_each_study(site: Site, proxy: Proxy, mode: str) -> None:
    site.top["patients"] = {"without_number": "study", "mode": mode}
    datasets = unnumbered(f"numberless-{mode}")
    index(site, datasets)
    first, second = (patient_of(site, study) for study in all_published(site, datasets))
    assert first["id"] != second["id"]
    assert "identifier" not in first
    assert first["name"][0]["family"] == "Same"
    assert sent.searches(proxy.requests, "Patient") == []
    assert site.verify()["equal"]
    proxy.clear()
    site.cli("backfill")
    assert not proxy.written(), "an unchanged study was sent again"


def test_a_patient_inside_each_study(site: Site, proxy: Proxy) -> None:
    site.top["patients"] = {"without_number": "study", "mode": "contained"}
    datasets = unnumbered("numberless-contained")
    study = index(site, datasets)
    assert study["contained"][0]["name"][0]["family"] == "Same"
    assert proxy.written()["Patient"] == 0
    assert site.verify()["equal"]


@pytest.mark.parametrize("choice", ["absent", "study"])
def test_a_study_that_gets_a_number_moves_to_its_patient(site: Site, choice: str) -> None:
    site.top["patients"] = {"without_number": choice}
    name = f"numberless-later-{choice}"
    site.put(
        {"resourceType": "Patient", "id": name, "identifier": [{"system": "urn:oid:2.25.99", "value": name.upper()}]}
    )
    (dataset, _) = unnumbered(name)
    index(site, [dataset])
    assert correct(site, [dataset], PatientID=name.upper())["subject"] == {"reference": f"Patient/{name}"}
    assert site.verify()["equal"]
