"""The main job in every release that a real server speaks, and with a preset."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.mapping import coding
from tests.proxy import Proxy
from tests.samples import demo_studies, store_rest
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc
from tests.site import Site, uids

# PET/CT with a dose report, CT with a CAD report, CT with a key object selection, planning CT with contours.
CHOSEN = (6, 10, 16, 29)
REPORTS = 2

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core"


def chosen_studies() -> list[Any]:
    """A handful of the demo's studies."""
    datasets = demo_studies()
    of_study = uids(datasets)
    wanted = {of_study[number] for number in CHOSEN}
    return [one for one in datasets if one.StudyInstanceUID in wanted]


def main_job(site: Site, proxy: Proxy) -> list[dict[str, Any]]:
    """Backfill, verify, show, and a second backfill that sends nothing; the studies as the server holds them."""
    datasets = chosen_studies()
    store_rest(site.orthanc, datasets)
    site.cli("backfill")
    report = site.verify()
    assert report["equal"]
    assert (report["studies"], report["instances"]) == (len(CHOSEN), len(datasets))
    site.cli("show", uids(datasets)[0])
    assert proxy.written()["ImagingStudy"] == len(CHOSEN)
    proxy.clear()
    site.cli("backfill")
    assert not proxy.written(), "an unchanged study was sent again"
    held = [site.study(uid) for uid in uids(datasets)]
    return [one for one in held if one is not None]


@pytest.mark.parametrize(("release", "version"), [("r4b", "4.3"), ("r5", "5.0")])
def test_the_main_job_in_the_release_that_the_server_says(
    release: Any, version: str, tmp_path: Path, orthanc_1_12: Orthanc, hapi_of: Callable[[Any], Hapi]
) -> None:
    with Proxy(hapi_of(release).url) as proxy:
        site = Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url, target={"release": "auto"})
        assert site.fetch("metadata")["fhirVersion"].startswith(version)
        studies = main_job(site, proxy)
        endpoint = site.fetch(studies[0]["endpoint"][0]["reference"])
    modalities = [series["modality"] for one in studies for series in one["series"]]
    reports = [one for one in modalities if one == _modality(release, "SR")]
    assert len(studies) == len(CHOSEN)
    assert len(reports) == REPORTS
    assert ("payload" in endpoint) == (release == "r5")


def _modality(release: str, code: str) -> dict[str, Any]:
    """A series' modality: a Coding up to R4B, a CodeableConcept from R5 on."""
    term = coding.modality(code)
    return {"coding": [term]} if release == "r5" else term


def test_the_main_job_with_a_preset_and_switches(tmp_path: Path, orthanc_1_12: Orthanc, hapi_r4: Hapi) -> None:
    hapi_r4.wipe()  # others index the same studies there, and what they wrote would survive
    with Proxy(hapi_r4.url) as proxy:
        site = Site(
            home=tmp_path,
            orthanc=orthanc_1_12,
            fhir=proxy.url,
            source={"accession_system": "urn:oid:2.25.98"},
            target={"release": "auto"},
            top={
                "mapping": {
                    "preset": "us-core",
                    "elements": {"referrer": True, "bodySite": False},
                    "meta_source": "https://pacs.example/index",
                }
            },
        )
        studies = main_job(site, proxy)
        patients = {one["subject"]["reference"]: site.fetch(one["subject"]["reference"]) for one in studies}
        endpoint = site.fetch(studies[0]["endpoint"][0]["reference"])
    for one in studies:
        assert one["meta"]["profile"] == [f"{US_CORE}-imagingstudy"]
        assert one["meta"]["source"].startswith("https://pacs.example/index")
        assert one["referrer"]["display"]
        assert one["basedOn"][0]["identifier"]["system"] == "urn:oid:2.25.98"
        assert not any("bodySite" in series for series in one["series"])
    assert all(one["meta"]["profile"] == [f"{US_CORE}-patient"] for one in patients.values())
    assert endpoint["payloadType"][0]["coding"][0]["code"] == "any"
