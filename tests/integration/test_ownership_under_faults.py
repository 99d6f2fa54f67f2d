"""Lost and broken answers while Patients are looked up and writes are merged: nobody is doubled, nothing is blamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import proxy as faults
from tests.integration.others import amend, patient_of, published, reference_of
from tests.samples import clinical_study, generate, store_anew, store_rest
from tests.site import uids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proxy import Proxy, Recorded
    from tests.proxy.faults import Fault
    from tests.site import Site

pytestmark = pytest.mark.server

SYSTEM = "urn:oid:2.25.99"

READ_FAULTS: dict[str, Callable[[], Fault]] = {
    "429": lambda: faults.status(429, {"Retry-After": "1"}),
    "503": lambda: faults.status(503),
    "500": lambda: faults.status(500, body=b"<html>oops</html>"),
    "cut-body": lambda: faults.cut(40),
    "not-json": faults.not_json,
    "reset": faults.reset,
    "lost-answer": faults.drop_reply,
}
WRITE_FAULTS: dict[str, Callable[[], Fault]] = READ_FAULTS | {
    "409": lambda: faults.status(409, body=b'{"resourceType":"OperationOutcome","issue":[]}'),
    "412": lambda: faults.status(412, body=b'{"resourceType":"OperationOutcome","issue":[]}'),
    "fewer-entries": faults.fewer_entries,
}


@pytest.mark.parametrize("name", READ_FAULTS)
def test_a_look_that_fails_makes_nobody(site_1_12: Site, proxy: Proxy, name: str) -> None:
    """The Patients that stand are found in the end, and no second one of their number is written."""
    datasets = generate(4, 1, 1, seed=f"look-{name}")
    numbers = [str(one.PatientID) for one in datasets]
    for place, number in enumerate(numbers):
        identifier = {"system": SYSTEM, "value": number}
        site_1_12.put({"resourceType": "Patient", "id": f"look-{name}-{place}", "identifier": [identifier]})
    store_rest(site_1_12.orthanc, datasets)
    proxy.clear()
    proxy.inject(READ_FAULTS[name](), times=2, when=faults.is_search)
    site_1_12.cli("backfill")
    assert proxy.faults_injected >= 1
    assert proxy.written()["Patient"] == 0
    subjects = [published(site_1_12, uid)["subject"]["reference"] for uid in uids(datasets)]
    assert subjects == [f"Patient/look-{name}-{place}" for place in range(4)]
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("name", WRITE_FAULTS)
def test_an_update_that_fails_is_no_conflict(site_1_12: Site, proxy: Proxy, name: str) -> None:
    """What we wrote ourselves, without hearing of it, is not taken for somebody else's."""
    site_1_12.top["conflict"] = "quarantine"
    datasets = clinical_study(f"update-{name}", AccessionNumber="FIRST") + clinical_study(f"update-{name}-two")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    touched, untouched = uids(datasets)
    amend(site_1_12, reference_of(published(site_1_12, touched)), _note)
    for one in datasets:
        one.StudyDescription, one.AccessionNumber = "Corrected", "SECOND"
    store_anew(site_1_12.orthanc, datasets)
    proxy.clear()
    proxy.inject(WRITE_FAULTS[name](), times=2, when=_carries_studies)
    site_1_12.cli("backfill")
    assert proxy.faults_injected >= 1
    for uid in (touched, untouched):
        study = published(site_1_12, uid)
        assert study["description"] == "Corrected"
        assert [one["value"] for one in study["identifier"][1:]] == ["SECOND"]
    assert published(site_1_12, touched)["note"] == [{"text": "Theirs"}]
    assert "note" not in published(site_1_12, untouched)
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("name", READ_FAULTS)
def test_a_read_for_a_merge_that_fails_loses_nothing(site_1_12: Site, proxy: Proxy, name: str) -> None:
    datasets = clinical_study(f"merge-{name}")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    amend(site_1_12, reference_of(published(site_1_12, uids(datasets)[0])), _note)
    for one in datasets:
        one.StudyDescription = "Corrected"
    store_anew(site_1_12.orthanc, datasets)
    proxy.clear()
    proxy.inject(READ_FAULTS[name](), times=2, when=_reads_studies)
    site_1_12.cli("backfill")
    assert proxy.faults_injected >= 1
    study = published(site_1_12, uids(datasets)[0])
    assert (study["description"], study["note"]) == ("Corrected", [{"text": "Theirs"}])


@pytest.mark.parametrize("bundle_type", ["transaction", "batch"])
def test_a_patient_of_many_studies_that_others_touched(site_1_12: Site, bundle_type: str) -> None:
    """Its version is stale in a Bundle that its studies share; all of them go in, and it is corrected."""
    site_1_12.target["bundle"] = {"type": bundle_type, "target_time": "30s"}
    datasets = generate(6, 1, 1, seed=f"touched-{bundle_type}", patients=1, PatientName="Old^Name")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    patient = patient_of(site_1_12, uids(datasets)[0])
    phone = {"system": "phone", "value": "+49 30 0000000"}
    amend(site_1_12, f"Patient/{patient['id']}", lambda theirs: theirs.update(telecom=[phone]))
    for one in datasets:
        one.PatientName, one.StudyDescription = "New^Name", "Corrected"
    store_anew(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    updated = patient_of(site_1_12, uids(datasets)[0])
    assert (updated["id"], updated["telecom"]) == (patient["id"], [phone])
    assert [one["family"] for one in updated["name"]] == ["New"]
    assert {published(site_1_12, uid)["description"] for uid in uids(datasets)} == {"Corrected"}
    assert site_1_12.verify()["equal"]


def _note(theirs: dict[str, Any]) -> None:
    theirs["note"] = [{"text": "Theirs"}]


def _carries_studies(request: Recorded) -> bool:
    return any(entry.resource_type == "ImagingStudy" for entry in request.writes)


def _reads_studies(request: Recorded) -> bool:
    return any(entry.resource_type == "ImagingStudy" and not entry.is_write for entry in request.entries)
