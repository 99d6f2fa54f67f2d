"""Patients that are merged into others on real HAPI servers of R4 and R5, with the references left where they are."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import amend, index, published
from tests.integration.test_patients import known_patient
from tests.proxy import Proxy, sent
from tests.samples import generate, store_anew, store_rest
from tests.site import Site, uids


def merge(site: Site, reference: str, into: str, kind: str = "replaced-by") -> None:
    """Merge a Patient into another one, as an EHR does."""
    link = {"type": kind, "other": {"reference": into}}
    amend(site, reference, lambda patient: patient.update(active=False, link=[link]))


def two_patients(site: Site, name: str) -> tuple[list[Dataset], str, str]:
    """Two studies of a patient, the Patient that has the number, and another one."""
    name = f"{name}-{site.home.name[-8:]}".lower().replace("_", "-")
    datasets = generate(2, 1, 1, seed=name, patients=1)
    first = known_patient(site, f"{name}-first", str(datasets[0].PatientID))
    return datasets, first, known_patient(site, f"{name}-second", f"{name}-other-number")


def subject(site: Site, dataset: Dataset) -> Any:
    return published(site, dataset)["subject"]["reference"]


def change(site: Site, dataset: Dataset) -> None:
    """Change a study in the archive and publish it."""
    dataset.StudyDescription = "Changed"
    store_anew(site.orthanc, [dataset])
    site.cli("backfill")


def test_before_we_came(site_of_release: Site) -> None:
    site = site_of_release
    (dataset, _), first, second = two_patients(site, "merged-before")
    merge(site, first, second)
    index(site, [dataset])
    assert subject(site, dataset) == second
    assert site.verify()["equal"]


def test_by_a_server_that_moves_the_references(site_of_release: Site) -> None:
    site = site_of_release
    (dataset, _), first, second = two_patients(site, "merged-moved")
    study = index(site, [dataset])
    merge(site, first, second)
    amend(site, f"ImagingStudy/{study['id']}", lambda theirs: theirs.update(subject={"reference": second}))
    assert site.verify()["equal"]
    change(site, dataset)
    assert subject(site, dataset) == second


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_after_we_published_the_next_write_follows(site_of_release: Site, proxy_of_release: Proxy, whose: str) -> None:
    site = site_of_release
    (dataset, other), first, second = two_patients(site, f"merged-{whose}")
    if whose == "ours":
        site.delete(first)
    index(site, [dataset, other])
    first = subject(site, dataset)
    merge(site, first, second)
    different = {finding["study_instance_uid"]: finding["differences"] for finding in site.verify(1)["findings"]}
    assert different == {uid: ["wrong subject"] for uid in uids([dataset, other])}
    proxy_of_release.clear()
    change(site, dataset)
    assert (subject(site, dataset), subject(site, other)) == (second, second)
    assert sent.searches(proxy_of_release.requests, "Patient") == []
    assert proxy_of_release.written()["Patient"] == 0
    assert site.verify()["equal"]


def test_a_forced_backfill_follows_a_chain(site_of_release: Site) -> None:
    site = site_of_release
    (dataset, _), first, second = two_patients(site, "merged-chain")
    third = known_patient(site, f"{second.partition('/')[2]}-third", f"{second}-third-number")
    index(site, [dataset])
    merge(site, first, second)
    merge(site, second, third)
    assert not site.verify(1)["equal"]
    site.cli("backfill", "--force")
    assert subject(site, dataset) == third
    assert site.verify()["equal"]


def test_other_links_and_circles_are_not_followed(site_of_release: Site) -> None:
    site = site_of_release
    (dataset, other), first, second = two_patients(site, "merged-circle")
    index(site, [dataset])
    merge(site, first, second, "seealso")
    change(site, dataset)
    assert subject(site, dataset) == first
    merge(site, first, second)
    merge(site, second, first)
    store_rest(site.orthanc, [other])
    site.cli("backfill")
    assert subject(site, other) == first
    assert site.verify()["equal"]
