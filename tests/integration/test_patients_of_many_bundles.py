"""One patient whose studies do not fit into one Bundle: made once, never set back, never waited for in vain."""

import pytest

from tests import proxy as faults
from tests.integration.others import all_published, families, index, patient_of
from tests.proxy import Proxy, sent
from tests.samples import generate, store_rest
from tests.site import Site

STUDIES = 24


@pytest.fixture
def small_bundles(site: Site, proxy: Proxy) -> Site:
    """A site of small Bundles, and a server so slow that the next one is ready before the last one is answered."""
    site.target["bundle"] = {"max_entries": 4, "target_time": "30s"}
    proxy.inject(faults.slow_reply(0.5), times=None, when=faults.is_bundle)
    return site


def test_a_new_patient_is_made_once(small_bundles: Site, proxy: Proxy) -> None:
    index(small_bundles, generate(STUDIES, 1, 1, seed="bundles-new", patients=1))
    assert len(proxy.bundles) >= STUDIES / 4
    assert proxy.written()["Patient"] == 1
    assert proxy.written()["ImagingStudy"] == STUDIES
    assert small_bundles.verify()["equal"]


def test_the_name_of_the_latest_study_stands(small_bundles: Site) -> None:
    """Whatever the order of the Bundles: an earlier study never brings the former name back."""
    datasets = generate(STUDIES, 1, 1, seed="bundles-names", patients=1)
    for number, dataset in enumerate(datasets):
        dataset.PatientName = f"Name{number:02d}^Any"
    study = index(small_bundles, datasets[::-1])
    assert families(patient_of(small_bundles, study))[0] == f"Name{STUDIES - 1:02d}"
    assert small_bundles.verify()["equal"]


def test_one_that_stands_is_looked_up_once_and_left_alone(small_bundles: Site, proxy: Proxy) -> None:
    datasets = generate(STUDIES, 1, 1, seed="bundles-known", patients=1)
    identifier = {"system": "urn:oid:2.25.99", "value": str(datasets[0].PatientID)}
    small_bundles.put({"resourceType": "Patient", "id": "bundles-known", "identifier": [identifier]})
    store_rest(small_bundles.orthanc, datasets)
    before = len(proxy.requests)
    small_bundles.cli("backfill")
    requests, bundles = proxy.requests[before:], proxy.bundles
    assert not sent.resources(requests, "Patient")
    assert len(bundles) >= STUDIES / 4
    assert 1 <= len(sent.searches(requests, "Patient")) < len(bundles)
    subjects = {study["subject"]["reference"] for study in all_published(small_bundles, datasets)}
    assert subjects == {"Patient/bundles-known"}
