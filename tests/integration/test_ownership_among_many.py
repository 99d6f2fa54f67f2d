"""What others wrote, where many studies share a Bundle, on servers of two kinds, and in what is no study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.others import amend, patient_of, published, reference_of, version
from tests.proxy import Proxy, sent
from tests.samples import clinical_study, generate, store_anew, store_rest
from tests.servers.medplum import Medplum
from tests.site import Site, uids, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.orthanc import Orthanc

pytestmark = pytest.mark.server

NOTE = {"text": "Theirs"}


def _note(theirs: dict[str, Any]) -> None:
    theirs["note"] = [NOTE]


def _correct(site: Site, datasets: list[Any], expect: int = 0, **attributes: Any) -> None:
    for one in datasets:
        for keyword, value in attributes.items():
            setattr(one, keyword, value)
    store_anew(site.orthanc, datasets)
    site.cli("backfill", expect=expect)


@pytest.mark.parametrize("bundle_type", ["transaction", "batch"])
def test_others_wrote_into_some_of_many(site_1_12: Site, proxy: Proxy, bundle_type: str) -> None:
    """They survive there, every other study is updated without a read, and none is sent alone."""
    count = 24
    site_1_12.target["bundle"] = {"type": bundle_type, "target_time": "30s"}
    datasets = generate(count, 1, 1, seed=f"many-{bundle_type}")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    touched = uids(datasets)[::6]
    for uid in touched:
        amend(site_1_12, reference_of(published(site_1_12, uid)), _note)
    proxy.clear()
    _correct(site_1_12, datasets, StudyDescription="Corrected")
    requests = proxy.requests
    studies = [published(site_1_12, uid) for uid in uids(datasets)]
    assert {one["description"] for one in studies} == {"Corrected"}
    assert [uid for uid, one in zip(uids(datasets), studies, strict=True) if one.get("note") == [NOTE]] == touched
    read = {entry.url for request in requests for entry in request.entries if not entry.is_write}
    wanted = {reference_of(one) for one in studies if "note" in one}
    assert wanted <= read
    assert len([one for one in requests if one.writes]) < count / 2, "studies were sent alone"
    assert site_1_12.verify()["equal"]


def test_a_server_of_another_make(tmp_path: Path, orthanc_1_12: Orthanc) -> None:
    """Medplum's router answers a stale version with 412, and makes a version of every write."""
    with Medplum() as medplum, Proxy(medplum.url) as proxy:
        site = Site(home=tmp_path, orthanc=orthanc_1_12, fhir=proxy.url)
        first, second = clinical_study("other-make"), clinical_study("other-make-two")
        store_rest(orthanc_1_12, [*first, *second])
        site.cli("backfill")
        amend(site, reference_of(published(site, uids(first)[0])), _note)
        proxy.clear()
        site.cli("backfill")
        assert not proxy.written(), "an unchanged study was sent again"
        _correct(site, [*first, *second], StudyDescription="Corrected")
        updated = published(site, uids(first)[0])
        assert (updated["description"], updated["note"]) == ("Corrected", [NOTE])
        assert "note" not in published(site, uids(second)[0])
        assert site.verify()["equal"]


def test_a_study_that_others_deleted_comes_back_when_it_changes(site_1_12: Site) -> None:
    datasets = clinical_study("many-deleted")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    study = published(site_1_12, uids(datasets)[0])
    site_1_12.delete(reference_of(study))
    _correct(site_1_12, datasets, StudyDescription="Corrected")
    back = published(site_1_12, uids(datasets)[0])
    assert (back["id"], back["description"]) == (study["id"], "Corrected")
    assert site_1_12.verify()["equal"]


def test_what_others_wrote_into_our_endpoint_survives_another_address(site_1_12: Site) -> None:
    datasets = clinical_study("many-endpoint")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    study = published(site_1_12, uids(datasets)[0])
    (reference,) = (one["reference"] for one in study["endpoint"])
    contact = {"system": "phone", "value": "+49 30 0000000"}
    amend(site_1_12, reference, lambda theirs: theirs.update(contact=[contact]))
    before = version(site_1_12, reference_of(study))
    site_1_12.public_dicomweb = f"{site_1_12.public_dicomweb}-moved"
    site_1_12.cli("backfill")
    endpoint = site_1_12.fetch(reference)
    assert endpoint["address"] == site_1_12.public_dicomweb
    assert endpoint["contact"] == [contact]
    assert version(site_1_12, reference_of(study)) == before


def test_what_others_put_inside_the_study_survives(site_1_12: Site) -> None:
    """A resource that is contained, and the reference to it, beside the patient that we contain."""
    site_1_12.top["patients"] = {"mode": "contained"}
    datasets = clinical_study("many-contained")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    reader = {"resourceType": "Practitioner", "id": "reader", "name": [{"family": "Reader"}]}

    def contain(theirs: dict[str, Any]) -> None:
        theirs["contained"].append(reader)
        theirs["interpreter"] = [{"reference": "#reader"}]

    amend(site_1_12, reference_of(published(site_1_12, uids(datasets)[0])), contain)
    _correct(site_1_12, datasets, StudyDescription="Corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert updated["description"] == "Corrected"
    assert updated["interpreter"] == [{"reference": "#reader"}]
    assert [one["resourceType"] for one in updated["contained"]] == ["Patient", "Practitioner"]
    assert updated["contained"][1]["name"] == reader["name"]


def test_a_conflict_over_a_patient_holds_its_studies(site_1_12: Site) -> None:
    """Others set another sex than the archive's correction; nothing is written before somebody decides."""
    site_1_12.top["conflict"] = "quarantine"
    datasets = clinical_study("many-sex", PatientSex="O")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    patient = f"Patient/{patient_of(site_1_12, uids(datasets)[0])['id']}"
    amend(site_1_12, patient, lambda theirs: theirs.update(gender="male"))
    before = version(site_1_12, patient)
    _correct(site_1_12, datasets, expect=1, PatientSex="F")
    assert version(site_1_12, patient) == before
    shown = site_1_12.cli("quarantine", "show", uids(datasets)[0]).stdout
    assert "edited_by_others" in shown
    assert "Patient.gender" in shown
    assert "male" not in shown


def test_a_site_may_change_whom_its_studies_refer_to(site_1_12: Site, proxy: Proxy) -> None:
    """From Patients to their numbers and back; what the mode before wrote does not stay."""
    datasets = clinical_study("many-modes")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    subject = published(site_1_12, uids(datasets)[0])["subject"]
    amend(site_1_12, reference_of(published(site_1_12, uids(datasets)[0])), _note)
    site_1_12.top["patients"] = {"mode": "logical"}
    site_1_12.cli("backfill")
    study = published(site_1_12, uids(datasets)[0])
    assert "reference" not in study["subject"]
    assert study["note"] == [NOTE]
    assert site_1_12.verify()["equal"]

    site_1_12.top["patients"] = {"mode": "match"}
    proxy.clear()
    site_1_12.cli("backfill")
    assert sent.resources(proxy.requests, "Patient") == []
    assert published(site_1_12, uids(datasets)[0])["subject"] == subject
    assert site_1_12.verify()["equal"]


def test_a_patient_that_is_gone_is_waited_for(site_1_12: Site) -> None:
    """With ``match`` nobody is made in the place of the one that somebody deleted."""
    site_1_12.top["patients"] = {"mode": "match"}
    first, second = generate(2, 1, 1, seed="many-gone", patients=1)
    number = {"system": "urn:oid:2.25.99", "value": str(first.PatientID)}
    site_1_12.put({"resourceType": "Patient", "id": "many-gone", "identifier": [number]})
    store_rest(site_1_12.orthanc, [first])
    site_1_12.cli("backfill")
    site_1_12.delete(reference_of(published(site_1_12, str(first.StudyInstanceUID))))
    site_1_12.delete("Patient/many-gone")
    with site_1_12.daemon():
        store_rest(site_1_12.orthanc, [second])
        wait_for(lambda: site_1_12.status()["waiting"] == {"patient_not_found": 1}, "the study to wait")
    assert site_1_12.status()["quarantined"] == 0
    assert site_1_12.study(str(second.StudyInstanceUID)) is None
