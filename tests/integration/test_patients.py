"""Whom a study is of, on a real HAPI R4: Patients that stood before, are made, waited for, or not wanted."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import (
    NOTE,
    all_published,
    amend,
    annotate,
    correct,
    families,
    index,
    patient_of,
    published,
    reference_of,
    version,
)
from tests.proxy import Proxy, sent
from tests.samples import clinical_study, generate, store_rest
from tests.site import Site, uids, wait_for

Json = dict[str, Any]
SYSTEM = "urn:oid:2.25.99"
RETRIED_S = 150.0
"""More than the first pauses of a study that waits."""


def known_patient(site: Site, fhir_id: str, number: str, **elements: Any) -> str:
    """Reference to a Patient that another system wrote."""
    identifier = [{"system": "urn:other:id", "value": fhir_id}, {"system": SYSTEM, "value": number}]
    site.put({"resourceType": "Patient", "id": fhir_id, "identifier": identifier, **elements})
    return f"Patient/{fhir_id}"


def with_number(site: Site, number: str) -> list[Json]:
    """Every Patient of a number."""
    return site.search("Patient", identifier=f"{SYSTEM}|{number}")


def test_the_one_that_stands_is_referred_to_and_left_alone(site: Site, proxy: Proxy) -> None:
    known = known_patient(site, "pat-known", "PAT-KNOWN-1", name=[{"family": "Known"}])
    proxy.clear()
    study = index(site, clinical_study("pat-known", PatientName="Other^Name"))
    assert proxy.written()["Patient"] == 0
    assert study["subject"]["reference"] == known
    assert version(site, known) == "1"
    assert site.verify()["equal"]


def test_one_that_is_not_there_is_made_once(site: Site, proxy: Proxy) -> None:
    datasets = generate(3, 1, 1, seed="pat-made", patients=1)
    index(site, datasets)
    assert proxy.written()["Patient"] == 1
    (made,) = with_number(site, "PAT-MADE-1")
    assert {study["subject"]["reference"] for study in all_published(site, datasets)} == {reference_of(made)}
    assert site.verify()["equal"]


def test_create_searches_for_nobody(site: Site, proxy: Proxy) -> None:
    site.top["patients"] = {"mode": "create"}
    known = known_patient(site, "pat-create", "PAT-CREATE-1")
    proxy.clear()
    study = index(site, clinical_study("pat-create"))
    assert sent.searches(proxy.requests, "Patient") == []
    assert study["subject"]["reference"] != known
    assert len(with_number(site, "PAT-CREATE-1")) == 2


def test_two_of_one_number_are_never_chosen_from(site: Site, proxy: Proxy) -> None:
    """Nothing of the study is written; once one of the two is gone, the other is taken."""
    datasets = clinical_study("pat-two")
    left = known_patient(site, "pat-two-a", "PAT-TWO-1")
    right = known_patient(site, "pat-two-b", "PAT-TWO-1")
    store_rest(site.orthanc, datasets)
    proxy.clear()
    site.cli("backfill", expect=1)
    written = proxy.written()
    assert (written["ImagingStudy"], written["Patient"]) == (0, 0)
    shown = site.cli("quarantine", "show", uids(datasets)[0]).stdout
    assert "patient_ambiguous" in shown
    assert "PAT-TWO-1" not in shown

    site.delete(right)
    site.cli("quarantine", "replay", uids(datasets)[0])
    site.cli("backfill")
    assert published(site, datasets[0])["subject"]["reference"] == left


def test_a_record_that_was_merged_into_another_leads_there(site: Site) -> None:
    """Both bear the number, and the older one says which of them stands (Patient.link)."""
    into = known_patient(site, "pat-linked-into", "PAT-LINKED-1")
    link = {"type": "replaced-by", "other": {"reference": into}}
    known_patient(site, "pat-linked-from", "PAT-LINKED-1", active=False, link=[link])
    assert index(site, clinical_study("pat-linked"))["subject"]["reference"] == into
    assert site.verify()["equal"]


@pytest.mark.parametrize("mode", ["match_or_create", "match"])
def test_an_ambiguous_patient_holds_up_nobody_else(site: Site, mode: str) -> None:
    site.top["patients"] = {"mode": mode}
    datasets = generate(3, 1, 1, seed=f"pat-among-{mode}")
    for name, place in (("x", 0), ("y", 1), ("z", 1), ("w", 2)):
        known_patient(site, f"pat-among-{mode}-{name}".replace("_", "-"), str(datasets[place].PatientID))
    store_rest(site.orthanc, datasets)
    site.cli("backfill", expect=1)
    assert [site.study(uid) is not None for uid in uids(datasets)] == [True, False, True]


def test_a_study_waits_for_its_patient(site: Site, proxy: Proxy) -> None:
    """With ``match`` nobody is made: the study waits, and goes in when the Patient has come."""
    site.top["patients"] = {"mode": "match"}
    datasets = clinical_study("pat-wait")
    with site.daemon():
        store_rest(site.orthanc, datasets)
        wait_for(lambda: site.status()["waiting"] == {"patient_not_found": 1}, "the study to wait")
    assert site.study(uids(datasets)[0]) is None
    assert site.status()["quarantined"] == 0
    assert proxy.written()["Patient"] == 0
    known = known_patient(site, "pat-wait", "PAT-WAIT-1")
    site.cli("backfill")
    assert published(site, datasets[0])["subject"]["reference"] == known
    assert version(site, known) == "1"
    assert site.verify()["equal"]


def test_a_patient_by_its_number_alone(site: Site, proxy: Proxy) -> None:
    site.top["patients"] = {"mode": "logical"}
    subject = index(site, clinical_study("pat-logical"))["subject"]
    assert proxy.written()["Patient"] == 0
    assert "reference" not in subject
    assert subject["type"] == "Patient"
    assert (subject["identifier"]["system"], subject["identifier"]["value"]) == (SYSTEM, "PAT-LOGICAL-1")
    assert sent.reads(proxy.requests, "Patient") == []
    assert site.verify()["equal"]


def test_a_patient_inside_the_study(site: Site, proxy: Proxy) -> None:
    """And a corrected name changes it there, without a second one beside it."""
    site.top["patients"] = {"mode": "contained"}
    datasets = clinical_study("pat-contained", PatientName="Old^Name")
    annotate(site, index(site, datasets))
    updated = correct(site, datasets, PatientName="New^Name")
    assert proxy.written()["Patient"] == 0
    (inner,) = updated["contained"]
    assert updated["subject"]["reference"] == f"#{inner['id']}"
    assert inner["identifier"][0]["value"] == "PAT-CONTAINED-1"
    assert families(inner) == ["New"]
    assert updated["note"] == [NOTE]
    assert site.verify()["equal"]


def test_many_are_looked_up_at_once_and_no_number_stands_in_an_address(site: Site, proxy: Proxy) -> None:
    count = 30
    datasets = generate(count, 1, 1, seed="pat-many")
    half = [known_patient(site, f"pat-many-{n}", f"PAT-MANY-{n + 1}") for n in range(0, count, 2)]
    store_rest(site.orthanc, datasets)
    site.target["bundle"] = {"max_entries": 100, "target_time": "30s"}
    proxy.clear()
    site.cli("backfill")
    requests, bundles = proxy.requests, proxy.bundles
    assert 1 <= len(sent.searches(requests, "Patient")) <= len(bundles)
    assert max(len(bundle.writes) for bundle in bundles) > 10, "the studies did not share a Bundle"
    assert proxy.written()["Patient"] == count - len(half)
    assert [url for url in sent.urls(requests) if "PAT-MANY" in url.upper()] == []
    subjects = [study["subject"]["reference"] for study in all_published(site, datasets)]
    assert [subject for subject in subjects if subject in half] == half
    assert site.verify()["equal"]


def test_a_known_patient_is_not_looked_up_again(site: Site, proxy: Proxy) -> None:
    first, second = generate(2, 1, 1, seed="pat-again", patients=1)
    index(site, [first])
    proxy.clear()
    store_rest(site.orthanc, [second])
    site.cli("backfill")
    assert proxy.written()["ImagingStudy"] == 1
    assert sent.searches(proxy.requests, "Patient") == []
    assert len(sent.reads(proxy.requests, "Patient")) == 1, "it is read, for somebody may have merged it"


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
def test_demographics_follow_the_policy(site: Site, policy: str, whose: str, family: str) -> None:
    """A later study brings another name; whatever else stands in a Patient of others is left alone."""
    site.top["patients"] = {"update_demographics": policy}
    name = f"pat-{policy}-{whose}".replace("_", "-")
    first, second = generate(2, 1, 1, seed=name, patients=1)
    first.PatientName, second.PatientName = "Old^Name", "New^Name"
    if whose == "theirs":
        known_patient(site, name, str(first.PatientID), name=[{"family": "Known"}], active=True)
    index(site, [first])
    index(site, [second])
    (patient,) = with_number(site, str(first.PatientID))
    assert family in families(patient)
    if whose == "theirs":
        assert patient["active"] is True
        assert {"system": "urn:other:id", "value": name} in patient["identifier"]
        assert (patient["meta"]["versionId"] == "1") == (policy != "always")


def test_a_corrected_number_moves_the_study(site: Site) -> None:
    """To the Patient that stands under the right number; what others wrote moves along."""
    datasets = clinical_study("pat-moved", PatientID="PAT-WRONG")
    right = known_patient(site, "pat-moved", "PAT-RIGHT")
    study = index(site, datasets)
    assert study["subject"]["reference"] != right
    annotate(site, study)
    amend(site, reference_of(study), lambda theirs: theirs["subject"].update(display="The wrong one"))
    updated = correct(site, datasets, PatientID="PAT-RIGHT")
    assert updated["subject"] == {"reference": right}, "words about the wrong patient may not stay"
    assert updated["note"] == [NOTE]
    assert "0 in quarantine" in site.cli("quarantine", "list").stdout
    assert site.verify()["equal"]


def test_a_phantom_is_a_device(site: Site, proxy: Proxy) -> None:
    site.top["patients"] = {"devices": ["PAT-QA-*"]}
    datasets = generate(2, 1, 1, seed="pat-qa", patient_ids=["PAT-QA-7", "PAT-PERSON"])
    index(site, datasets)
    phantom, person = (study["subject"] for study in all_published(site, datasets))
    assert phantom["type"] == "Device"
    assert phantom["identifier"]["value"] == "PAT-QA-7"
    assert "reference" not in phantom
    assert person["reference"].startswith("Patient/")
    assert proxy.written()["Patient"] == 1
    assert with_number(site, "PAT-QA-7") == []
    assert site.verify()["equal"]


@pytest.mark.parametrize("whose", ["ours", "theirs", "merged"])
def test_a_patient_that_somebody_deleted_is_looked_for_anew(site: Site, whose: str) -> None:
    """The next study of the patient finds or makes another, and does not stay in quarantine; if the record was merged
    into another one, it finds that.
    """
    first, second = generate(2, 1, 1, seed=f"pat-gone-{whose}", patients=1)
    number = str(first.PatientID)
    if whose != "ours":
        known_patient(site, f"pat-gone-{whose}", number)
    study = index(site, [first])
    site.delete(reference_of(study))
    site.delete(study["subject"]["reference"])
    if whose == "merged":
        known_patient(site, "pat-gone-into", number)
    with site.daemon():
        store_rest(site.orthanc, [second])
        publishes_in_time(site, second)
    (patient,) = with_number(site, number)
    assert patient_of(site, published(site, second))["id"] == patient["id"]
    assert (patient["id"] == "pat-gone-into") == (whose == "merged")


def publishes_in_time(site: Site, dataset: Dataset) -> None:
    """Wait until a running daemon has published a study, or put it into quarantine, which it may not."""
    uid = str(dataset.StudyInstanceUID)
    wait_for(lambda: site.study(uid) or site.status()["quarantined"], "the study to be published", RETRIED_S)
    assert site.status()["quarantined"] == 0
