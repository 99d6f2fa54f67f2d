"""What others wrote, where many studies share a Bundle, on servers of two kinds, and in what is no study."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.others import (
    NOTE,
    all_published,
    amend,
    annotate,
    correct,
    index,
    patient_of,
    published,
    reference_of,
    version,
)
from tests.proxy import Proxy, sent
from tests.samples import clinical_study, generate, store_rest
from tests.servers.medplum import Medplum
from tests.servers.orthanc import Orthanc
from tests.site import Site, uids, wait_for


@pytest.mark.parametrize("bundle_type", ["transaction", "batch"])
def test_others_wrote_into_some_of_many(site: Site, proxy: Proxy, bundle_type: str) -> None:
    """They survive there, every other study is updated without a read, and none is sent alone."""
    count = 24
    site.target["bundle"] = {"type": bundle_type, "target_time": "30s"}
    datasets = generate(count, 1, 1, seed=f"many-{bundle_type}")
    index(site, datasets)
    for dataset in datasets[::6]:
        annotate(site, published(site, dataset))
    proxy.clear()
    correct(site, datasets, StudyDescription="Corrected")
    requests = proxy.requests
    studies = all_published(site, datasets)
    assert {study["description"] for study in studies} == {"Corrected"}
    touched = [study for study in studies if study.get("note") == [NOTE]]
    assert touched == studies[::6]
    read = {entry.url for request in requests for entry in request.entries if not entry.is_write}
    assert set(map(reference_of, touched)) <= read
    assert len([request for request in requests if request.writes]) < count / 2, "studies were sent alone"
    assert site.verify()["equal"]


def test_a_server_of_another_make(tmp_path: Path, orthanc_1_12: Orthanc) -> None:
    """Medplum's router answers a stale version with 412, and makes a version of every write."""
    with Medplum() as medplum, Proxy(medplum.url) as proxy:
        site = Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url)
        first, second = clinical_study("other-make"), clinical_study("other-make-two")
        annotate(site, index(site, [*first, *second]))
        proxy.clear()
        site.cli("backfill")
        assert not proxy.written(), "an unchanged study was sent again"
        updated = correct(site, [*first, *second], StudyDescription="Corrected")
        assert (updated["description"], updated["note"]) == ("Corrected", [NOTE])
        assert "note" not in published(site, second[0])
        assert site.verify()["equal"]


def test_a_study_that_others_deleted_comes_back_when_it_changes(site: Site) -> None:
    datasets = clinical_study("many-deleted")
    study = index(site, datasets)
    site.delete(reference_of(study))
    back = correct(site, datasets, StudyDescription="Corrected")
    assert (back["id"], back["description"]) == (study["id"], "Corrected")
    assert site.verify()["equal"]


def test_what_others_wrote_into_our_endpoint_survives_another_address(site: Site) -> None:
    study = index(site, clinical_study("many-endpoint"))
    (reference,) = (endpoint["reference"] for endpoint in study["endpoint"])
    contact = {"system": "phone", "value": "+49 30 0000000"}
    amend(site, reference, lambda theirs: theirs.update(contact=[contact]))
    before = version(site, reference_of(study))
    site.public_dicomweb = f"{site.public_dicomweb}-moved"
    site.cli("backfill")
    endpoint = site.fetch(reference)
    assert endpoint["address"] == site.public_dicomweb
    assert endpoint["contact"] == [contact]
    assert version(site, reference_of(study)) == before


def test_what_others_put_inside_the_study_survives(site: Site) -> None:
    """A resource that is contained, and the reference to it, beside the patient that we contain."""
    site.top["patients"] = {"mode": "contained"}
    datasets = clinical_study("many-contained")
    reader = {"resourceType": "Practitioner", "id": "reader", "name": [{"family": "Reader"}]}

    def contain(theirs: dict[str, Any]) -> None:
        theirs["contained"].append(reader)
        theirs["interpreter"] = [{"reference": "#reader"}]

    amend(site, reference_of(index(site, datasets)), contain)
    updated = correct(site, datasets, StudyDescription="Corrected")
    assert updated["description"] == "Corrected"
    assert updated["interpreter"] == [{"reference": "#reader"}]
    assert [resource["resourceType"] for resource in updated["contained"]] == ["Patient", "Practitioner"]
    assert updated["contained"][1]["name"] == reader["name"]


def test_a_conflict_over_a_patient_holds_its_studies(site: Site) -> None:
    """Others set another sex than the archive's correction; nothing is written before somebody decides."""
    site.top["conflict"] = "quarantine"
    datasets = clinical_study("many-sex", PatientSex="O")
    patient = reference_of(patient_of(site, index(site, datasets)))
    amend(site, patient, lambda theirs: theirs.update(gender="male"))
    before = version(site, patient)
    correct(site, datasets, expect=1, PatientSex="F")
    assert version(site, patient) == before
    shown = site.cli("quarantine", "show", uids(datasets)[0]).stdout
    assert "edited_by_others" in shown
    assert "Patient.gender" in shown
    assert "male" not in shown


def test_a_site_may_change_whom_its_studies_refer_to(site: Site, proxy: Proxy) -> None:
    """From Patients to their numbers and back; what the mode before wrote does not stay."""
    datasets = clinical_study("many-modes")
    before = index(site, datasets)
    annotate(site, before)
    site.top["patients"] = {"mode": "logical"}
    site.cli("backfill")
    study = published(site, datasets[0])
    assert "reference" not in study["subject"]
    assert study["note"] == [NOTE]
    assert site.verify()["equal"]

    site.top["patients"] = {"mode": "match"}
    proxy.clear()
    site.cli("backfill")
    assert sent.resources(proxy.requests, "Patient") == []
    assert published(site, datasets[0])["subject"] == before["subject"]
    assert site.verify()["equal"]


def test_a_patient_that_is_gone_is_waited_for(site: Site) -> None:
    """With ``match`` nobody is made in the place of the one that somebody deleted."""
    site.top["patients"] = {"mode": "match"}
    first, second = generate(2, 1, 1, seed="many-gone", patients=1)
    number = {"system": "urn:oid:2.25.99", "value": str(first.PatientID)}
    site.put({"resourceType": "Patient", "id": "many-gone", "identifier": [number]})
    site.delete(reference_of(index(site, [first])))
    site.delete("Patient/many-gone")
    with site.daemon():
        store_rest(site.orthanc, [second])
        wait_for(lambda: site.status()["waiting"] == {"patient_not_found": 1}, "the study to wait")
    assert site.status()["quarantined"] == 0
    assert site.study(str(second.StudyInstanceUID)) is None
