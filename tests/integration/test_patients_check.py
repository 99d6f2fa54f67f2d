"""A Patient that bears the number but seems to be another person, on real HAPI servers of R4 and R5."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import amend, published
from tests.integration.test_patients import known_patient
from tests.proxy import Proxy, sent
from tests.samples import generate, store_rest
from tests.site import Site, uids

OTHER_PERSON: dict[str, Any] = {"birthDate": "1931-12-24", "name": [{"family": "Adler"}], "gender": "male"}
SAME_PERSON: dict[str, Any] = {"birthDate": "1970-05", "name": [{"family": "MUELLER"}], "gender": "female"}


def studies(site: Site, name: str, count: int = 2) -> tuple[list[Dataset], str]:
    """Studies of one patient, and a name for what belongs to this test alone."""
    name = f"{name}-{site.home.name[-8:]}".lower().replace("_", "-")
    stated = {"PatientName": "Müller^Erika", "PatientBirthDate": "19700501", "PatientSex": "F"}
    return generate(count, 1, 1, seed=name, patients=1, SpecificCharacterSet="ISO_IR 100", **stated), name


def subject(site: Site, dataset: Dataset) -> Any:
    return published(site, dataset)["subject"]["reference"]


def test_warn_counts_and_tells_it(site_of_release: Site, proxy_of_release: Proxy) -> None:
    site = site_of_release
    (dataset, other), name = studies(site, "check-warn")
    known = known_patient(site, name, str(dataset.PatientID), **OTHER_PERSON)
    store_rest(site.orthanc, [dataset, other])
    proxy_of_release.clear()
    log = site.cli("backfill").stderr
    assert len(sent.reads(proxy_of_release.requests, "Patient")) == 1, "no request beside the search"
    assert (subject(site, dataset), subject(site, other)) == (known, known)
    assert site.status()["patient_mismatch"] == 2
    shown = site.cli("show", uids([dataset])[0]).stdout
    assert "patient_mismatch" in shown
    assert log.count('"patient_mismatch"') == 2
    assert not any(value in log + shown for value in ("Adler", "1931", "Erika", str(dataset.PatientID)))
    assert site.verify()["equal"]


@pytest.mark.parametrize("choice", ["warn", "hold"])
def test_the_same_person_in_another_spelling(site_of_release: Site, choice: str) -> None:
    site = site_of_release
    site.top["patients"] = {"check": choice}
    (dataset,), name = studies(site, f"check-same-{choice}", 1)
    known = known_patient(site, name, str(dataset.PatientID), **SAME_PERSON | {"birthDate": "1971"})
    store_rest(site.orthanc, [dataset])
    site.cli("backfill")
    assert subject(site, dataset) == known
    assert site.status()["patient_mismatch"] == 0


def test_hold_until_somebody_decides(site_of_release: Site) -> None:
    site = site_of_release
    site.top["patients"] = {"check": "hold"}
    (dataset, other), name = studies(site, "check-hold")
    known_patient(site, name, str(dataset.PatientID), **OTHER_PERSON)
    right = known_patient(site, f"{name}-right", f"{name}-other-number", **SAME_PERSON)
    store_rest(site.orthanc, [dataset])
    site.cli("backfill", expect=1)
    assert site.study(uids([dataset])[0]) is None
    assert "patient_mismatch" in site.cli("quarantine", "list").stdout
    site.cli("quarantine", "resolve", uids([dataset])[0], "--patient", right.partition("/")[2])
    store_rest(site.orthanc, [other])
    site.cli("backfill")
    assert (subject(site, dataset), subject(site, other)) == (right, right)
    assert "0 in quarantine" in site.cli("quarantine", "list").stdout
    assert site.verify()["equal"]


def test_hold_ends_with_a_corrected_patient(site_of_release: Site) -> None:
    site = site_of_release
    site.top["patients"] = {"check": "hold"}
    (dataset,), name = studies(site, "check-corrected", 1)
    known = known_patient(site, name, str(dataset.PatientID), **OTHER_PERSON)
    store_rest(site.orthanc, [dataset])
    site.cli("backfill", expect=1)
    amend(site, known, lambda patient: patient.update(SAME_PERSON))
    site.cli("quarantine", "replay")
    site.cli("backfill")
    assert subject(site, dataset) == known


def test_off(site_of_release: Site) -> None:
    site = site_of_release
    site.top["patients"] = {"check": "off"}
    (dataset,), name = studies(site, "check-off", 1)
    known = known_patient(site, name, str(dataset.PatientID), **OTHER_PERSON)
    store_rest(site.orthanc, [dataset])
    site.cli("backfill")
    assert subject(site, dataset) == known
    assert site.status()["patient_mismatch"] == 0
