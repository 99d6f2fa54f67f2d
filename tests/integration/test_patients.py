"""Whom a study is of, on a real HAPI R4: Patients that stood before, are made, waited for, or not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.others import amend, patient_of, published, reference_of, version
from tests.proxy import sent
from tests.samples import clinical_study, generate, store_anew, store_rest
from tests.site import uids, wait_for

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from tests.proxy import Proxy
    from tests.site import Site

pytestmark = pytest.mark.server

SYSTEM = "urn:oid:2.25.99"
RETRIED_S = 150.0
"""More than the first pauses of a study that waits."""


def known_patient(site: Site, fhir_id: str, number: str, **elements: Any) -> str:
    """Reference to a Patient that another system wrote."""
    identifier = [{"system": "urn:other:id", "value": fhir_id}, {"system": SYSTEM, "value": number}]
    site.put({"resourceType": "Patient", "id": fhir_id, "identifier": identifier, **elements})
    return f"Patient/{fhir_id}"


def with_number(site: Site, number: str) -> list[dict[str, Any]]:
    """Every Patient of a number."""
    return site.search("Patient", identifier=f"{SYSTEM}|{number}")


def waiting(site: Site) -> dict[str, int]:
    """Studies that wait, by cause."""
    found: dict[str, int] = site.status()["waiting"]
    return found


def published_in_time(site: Site, dataset: Dataset) -> None:
    """Wait until a running daemon has published a study, or put it into quarantine, which it may not."""
    uid = str(dataset.StudyInstanceUID)
    wait_for(lambda: site.study(uid) or site.status()["quarantined"], "the study to be published", RETRIED_S)
    assert site.status()["quarantined"] == 0


def test_the_one_that_stands_is_referred_to_and_left_alone(site_1_12: Site, proxy: Proxy) -> None:
    datasets = clinical_study("pat-known", PatientName="Other^Name")
    known = known_patient(site_1_12, "pat-known", "PAT-KNOWN-1", name=[{"family": "Known"}])
    store_rest(site_1_12.orthanc, datasets)
    proxy.clear()
    site_1_12.cli("backfill")
    assert proxy.written()["Patient"] == 0
    assert published(site_1_12, uids(datasets)[0])["subject"]["reference"] == known
    assert version(site_1_12, known) == "1"
    assert site_1_12.verify()["equal"]


def test_one_that_is_not_there_is_made_once(site_1_12: Site, proxy: Proxy) -> None:
    datasets = generate(3, 1, 1, seed="pat-made", patients=1)
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    assert proxy.written()["Patient"] == 1
    (made,) = with_number(site_1_12, "PAT-MADE-1")
    subjects = {published(site_1_12, uid)["subject"]["reference"] for uid in uids(datasets)}
    assert subjects == {f"Patient/{made['id']}"}
    assert site_1_12.verify()["equal"]


def test_create_searches_for_nobody(site_1_12: Site, proxy: Proxy) -> None:
    site_1_12.top["patients"] = {"mode": "create"}
    datasets = clinical_study("pat-create")
    known = known_patient(site_1_12, "pat-create", "PAT-CREATE-1")
    store_rest(site_1_12.orthanc, datasets)
    proxy.clear()
    site_1_12.cli("backfill")
    assert sent.searches(proxy.requests, "Patient") == []
    assert published(site_1_12, uids(datasets)[0])["subject"]["reference"] != known
    assert len(with_number(site_1_12, "PAT-CREATE-1")) == 2


def test_two_of_one_number_are_never_chosen_from(site_1_12: Site, proxy: Proxy) -> None:
    """Nothing of the study is written; once one of the two is gone, the other is taken."""
    datasets = clinical_study("pat-two")
    left = known_patient(site_1_12, "pat-two-a", "PAT-TWO-1")
    right = known_patient(site_1_12, "pat-two-b", "PAT-TWO-1")
    store_rest(site_1_12.orthanc, datasets)
    proxy.clear()
    site_1_12.cli("backfill", expect=1)
    written = proxy.written()
    assert (written["ImagingStudy"], written["Patient"]) == (0, 0)
    shown = site_1_12.cli("quarantine", "show", uids(datasets)[0]).stdout
    assert "patient_ambiguous" in shown
    assert "PAT-TWO-1" not in shown

    site_1_12.delete(right)
    site_1_12.cli("quarantine", "replay", uids(datasets)[0])
    site_1_12.cli("backfill")
    assert published(site_1_12, uids(datasets)[0])["subject"]["reference"] == left


def test_a_record_that_was_merged_into_another_leads_there(site_1_12: Site) -> None:
    """Both bear the number, and the older one says which of them stands (Patient.link)."""
    datasets = clinical_study("pat-linked")
    into = known_patient(site_1_12, "pat-linked-into", "PAT-LINKED-1")
    link = {"type": "replaced-by", "other": {"reference": into}}
    known_patient(site_1_12, "pat-linked-from", "PAT-LINKED-1", active=False, link=[link])
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    assert published(site_1_12, uids(datasets)[0])["subject"]["reference"] == into
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("mode", ["match_or_create", "match"])
def test_an_ambiguous_patient_holds_up_nobody_else(site_1_12: Site, mode: str) -> None:
    site_1_12.top["patients"] = {"mode": mode}
    datasets = generate(3, 1, 1, seed=f"pat-among-{mode}")
    ids = [str(one.PatientID) for one in datasets]
    for name, number in (("x", ids[0]), ("y", ids[1]), ("z", ids[1]), ("w", ids[2])):
        known_patient(site_1_12, f"pat-among-{mode}-{name}".replace("_", "-"), number)
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill", expect=1)
    assert [site_1_12.study(uid) is not None for uid in uids(datasets)] == [True, False, True]


def test_a_study_waits_for_its_patient(site_1_12: Site, proxy: Proxy) -> None:
    """With ``match`` nobody is made: the study waits, and goes in when the Patient comes."""
    site_1_12.top["patients"] = {"mode": "match"}
    datasets = clinical_study("pat-wait")
    with site_1_12.daemon():
        store_rest(site_1_12.orthanc, datasets)
        wait_for(lambda: waiting(site_1_12) == {"patient_not_found": 1}, "the study to wait")
        assert site_1_12.study(uids(datasets)[0]) is None
        assert site_1_12.status()["quarantined"] == 0
        assert proxy.written()["Patient"] == 0
        known = known_patient(site_1_12, "pat-wait", "PAT-WAIT-1")
        wait_for(lambda: site_1_12.status()["published"] == 1, "the study to be published", RETRIED_S)
    assert published(site_1_12, uids(datasets)[0])["subject"]["reference"] == known
    assert version(site_1_12, known) == "1"
    assert site_1_12.verify()["equal"]


def test_a_patient_by_its_number_alone(site_1_12: Site, proxy: Proxy) -> None:
    site_1_12.top["patients"] = {"mode": "logical"}
    datasets = clinical_study("pat-logical")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    assert proxy.written()["Patient"] == 0
    assert sent.reads(proxy.requests, "Patient") == []
    subject = published(site_1_12, uids(datasets)[0])["subject"]
    assert "reference" not in subject
    assert subject["type"] == "Patient"
    assert (subject["identifier"]["system"], subject["identifier"]["value"]) == (SYSTEM, "PAT-LOGICAL-1")
    assert site_1_12.verify()["equal"]


def test_a_patient_inside_the_study(site_1_12: Site, proxy: Proxy) -> None:
    """And a corrected name changes it there, without a second one beside it."""
    site_1_12.top["patients"] = {"mode": "contained"}
    datasets = clinical_study("pat-contained", PatientName="Old^Name")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    study = published(site_1_12, uids(datasets)[0])
    amend(site_1_12, reference_of(study), lambda held: held.update(note=[{"text": "Theirs"}]))
    for one in datasets:
        one.PatientName = "New^Name"
    store_anew(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    assert proxy.written()["Patient"] == 0
    updated = published(site_1_12, uids(datasets)[0])
    (inner,) = updated["contained"]
    assert updated["subject"]["reference"] == f"#{inner['id']}"
    assert inner["identifier"][0]["value"] == "PAT-CONTAINED-1"
    assert [one["family"] for one in inner["name"]] == ["New"]
    assert updated["note"] == [{"text": "Theirs"}]
    assert site_1_12.verify()["equal"]


def test_many_are_looked_up_at_once_and_no_number_stands_in_an_address(site_1_12: Site, proxy: Proxy) -> None:
    count = 30
    datasets = generate(count, 1, 1, seed="pat-many")
    half = [known_patient(site_1_12, f"pat-many-{n}", f"PAT-MANY-{n + 1}") for n in range(0, count, 2)]
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.target["bundle"] = {"max_entries": 100, "target_time": "30s"}
    proxy.clear()
    site_1_12.cli("backfill")
    requests, bundles = proxy.requests, proxy.bundles
    looks = sent.searches(requests, "Patient")
    assert 1 <= len(looks) <= len(bundles)
    assert max(len(one.writes) for one in bundles) > 10, "the studies did not share a Bundle"
    assert proxy.written()["Patient"] == count - len(half)
    assert [url for url in sent.urls(requests) if "PAT-MANY" in url.upper()] == []
    found = [published(site_1_12, uid)["subject"]["reference"] for uid in uids(datasets)]
    assert [one for one in found if one in half] == half
    assert site_1_12.verify()["equal"]


def test_a_known_patient_is_not_looked_up_again(site_1_12: Site, proxy: Proxy) -> None:
    first, second = generate(2, 1, 1, seed="pat-again", patients=1)
    store_rest(site_1_12.orthanc, [first])
    site_1_12.cli("backfill")
    proxy.clear()
    store_rest(site_1_12.orthanc, [second])
    site_1_12.cli("backfill")
    assert proxy.written()["ImagingStudy"] == 1
    assert sent.reads(proxy.requests, "Patient") == []


@pytest.mark.parametrize(
    ("policy", "whose", "family"),
    [
        ("never", "ours", "Old"),
        ("never", "theirs", "Known"),
        ("when_ours", "ours", "New"),
        ("when_ours", "theirs", "Known"),
        ("always", "ours", "New"),
        ("always", "theirs", "New"),
    ],
)
def test_demographics_follow_the_policy(site_1_12: Site, policy: str, whose: str, family: str) -> None:
    """A later study brings another name; whatever else stands in a Patient of others is left alone."""
    site_1_12.top["patients"] = {"update_demographics": policy}
    name = f"pat-{policy}-{whose}".replace("_", "-")
    first, second = generate(2, 1, 1, seed=name, patients=1)
    first.PatientName, second.PatientName = "Old^Name", "New^Name"
    if whose == "theirs":
        known_patient(site_1_12, name, str(first.PatientID), name=[{"family": "Known"}], active=True)
    for dataset in (first, second):
        store_rest(site_1_12.orthanc, [dataset])
        site_1_12.cli("backfill")
    (patient,) = with_number(site_1_12, str(first.PatientID))
    assert family in [one["family"] for one in patient["name"]]
    if whose == "theirs":
        assert patient["active"] is True
        assert {"system": "urn:other:id", "value": name} in patient["identifier"]
        assert (patient["meta"]["versionId"] == "1") == (policy != "always")


def test_a_corrected_number_moves_the_study(site_1_12: Site) -> None:
    """To the Patient that stands under the right number; what others wrote moves along."""
    datasets = clinical_study("pat-moved", PatientID="PAT-WRONG")
    right = known_patient(site_1_12, "pat-moved", "PAT-RIGHT")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    study = published(site_1_12, uids(datasets)[0])
    assert study["subject"]["reference"] != right
    amend(site_1_12, reference_of(study), _say_whose)
    _move(site_1_12, datasets, "PAT-RIGHT")
    updated = published(site_1_12, uids(datasets)[0])
    assert updated["subject"] == {"reference": right}, "words about the wrong patient may not stay"
    assert updated["note"] == [{"text": "Theirs"}]
    assert "0 in quarantine" in site_1_12.cli("quarantine", "list").stdout
    assert site_1_12.verify()["equal"]


def _say_whose(held: dict[str, Any]) -> None:
    held["subject"]["display"] = "The wrong one"
    held["note"] = [{"text": "Theirs"}]


def _move(site: Site, datasets: list[Dataset], number: str) -> None:
    """Correct the patient number in the archive, as its user would: the study gets another Orthanc id."""
    for one in datasets:
        one.PatientID = number
    store_anew(site.orthanc, datasets)
    site.cli("backfill")


def test_a_phantom_is_a_device(site_1_12: Site, proxy: Proxy) -> None:
    site_1_12.top["patients"] = {"devices": ["PAT-QA-*"]}
    datasets = generate(2, 1, 1, seed="pat-qa", patient_ids=["PAT-QA-7", "PAT-PERSON"])
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    phantom, person = (published(site_1_12, uid)["subject"] for uid in uids(datasets))
    assert phantom["type"] == "Device"
    assert phantom["identifier"]["value"] == "PAT-QA-7"
    assert "reference" not in phantom
    assert person["reference"].startswith("Patient/")
    assert proxy.written()["Patient"] == 1
    assert with_number(site_1_12, "PAT-QA-7") == []
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_patient_that_somebody_deleted_is_looked_for_anew(site_1_12: Site, whose: str) -> None:
    """The next study of the patient finds or makes another; it does not stay in quarantine."""
    first, second = generate(2, 1, 1, seed=f"pat-gone-{whose}", patients=1)
    if whose == "theirs":
        known_patient(site_1_12, f"pat-gone-{whose}", str(first.PatientID))
    store_rest(site_1_12.orthanc, [first])
    site_1_12.cli("backfill")
    patient = patient_of(site_1_12, str(first.StudyInstanceUID))
    site_1_12.delete(reference_of(published(site_1_12, str(first.StudyInstanceUID))))
    site_1_12.delete(f"Patient/{patient['id']}")
    with site_1_12.daemon():
        store_rest(site_1_12.orthanc, [second])
        published_in_time(site_1_12, second)
    (made,) = with_number(site_1_12, str(first.PatientID))
    assert published(site_1_12, str(second.StudyInstanceUID))["subject"]["reference"] == f"Patient/{made['id']}"


def test_a_patient_that_somebody_deleted_is_replaced_by_the_one_that_stands(site_1_12: Site) -> None:
    """Two records of one person were merged into the other one."""
    first, second = generate(2, 1, 1, seed="pat-merged", patients=1)
    known_patient(site_1_12, "pat-merged-from", str(first.PatientID))
    store_rest(site_1_12.orthanc, [first])
    site_1_12.cli("backfill")
    site_1_12.delete(reference_of(published(site_1_12, str(first.StudyInstanceUID))))
    site_1_12.delete("Patient/pat-merged-from")
    into = known_patient(site_1_12, "pat-merged-into", str(first.PatientID))
    with site_1_12.daemon():
        store_rest(site_1_12.orthanc, [second])
        published_in_time(site_1_12, second)
    assert published(site_1_12, str(second.StudyInstanceUID))["subject"]["reference"] == into
    assert len(with_number(site_1_12, str(first.PatientID))) == 1
