"""Lost and broken answers while Patients are looked up and writes are merged: nobody is doubled, nothing is blamed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import proxy as faults
from tests.integration.others import (
    NOTE,
    accessions,
    all_published,
    amend,
    annotate,
    correct,
    correct_archive,
    families,
    index,
    patient_of,
    reference_of,
)
from tests.proxy import Proxy
from tests.proxy.faults import Fault
from tests.samples import clinical_study, generate, store_rest
from tests.site import Site

NOTHING_SAID = b'{"resourceType":"OperationOutcome","issue":[]}'
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
    "409": lambda: faults.status(409, body=NOTHING_SAID),
    "412": lambda: faults.status(412, body=NOTHING_SAID),
    "fewer-entries": faults.fewer_entries,
}


@pytest.mark.parametrize("name", READ_FAULTS)
def test_a_look_that_fails_makes_nobody(site: Site, proxy: Proxy, name: str) -> None:
    """The Patients that stand are found in the end, and no second one of their number is written."""
    datasets = generate(4, 1, 1, seed=f"look-{name}")
    for place, dataset in enumerate(datasets):
        number = {"system": "urn:oid:2.25.99", "value": str(dataset.PatientID)}
        site.put({"resourceType": "Patient", "id": f"look-{name}-{place}", "identifier": [number]})
    store_rest(site.orthanc, datasets)
    publish_despite(site, proxy, READ_FAULTS[name](), faults.is_search)
    assert proxy.written()["Patient"] == 0
    subjects = [study["subject"]["reference"] for study in all_published(site, datasets)]
    assert subjects == [f"Patient/look-{name}-{place}" for place in range(4)]
    assert site.verify()["equal"]


@pytest.mark.parametrize("name", WRITE_FAULTS)
def test_an_update_that_fails_is_no_conflict(site: Site, proxy: Proxy, name: str) -> None:
    """What we wrote ourselves, without hearing of it, is not taken for somebody else's."""
    site.top["conflict"] = "quarantine"
    datasets = clinical_study(f"update-{name}", AccessionNumber="FIRST") + clinical_study(f"update-{name}-two")
    annotate(site, index(site, datasets))
    correct_archive(site, datasets, StudyDescription="Corrected", AccessionNumber="SECOND")
    publish_despite(site, proxy, WRITE_FAULTS[name](), faults.writes_studies)
    studies = all_published(site, datasets)
    assert [study["description"] for study in studies] == ["Corrected"] * 2
    assert [accessions(study) for study in studies] == [["SECOND"]] * 2
    assert [study.get("note") for study in studies] == [[NOTE], None]
    assert site.verify()["equal"]


@pytest.mark.parametrize("name", READ_FAULTS)
def test_a_read_for_a_merge_that_fails_loses_nothing(site: Site, proxy: Proxy, name: str) -> None:
    datasets = clinical_study(f"merge-{name}")
    annotate(site, index(site, datasets))
    correct_archive(site, datasets, StudyDescription="Corrected")
    publish_despite(site, proxy, READ_FAULTS[name](), faults.reads_studies)
    (study,) = all_published(site, datasets)
    assert (study["description"], study["note"]) == ("Corrected", [NOTE])


@pytest.mark.parametrize("bundle_type", ["transaction", "batch"])
def test_a_patient_of_many_studies_that_others_touched(site: Site, bundle_type: str) -> None:
    """Its version is stale in a Bundle that its studies share; all of them go in, and it is corrected."""
    site.target["bundle"] = {"type": bundle_type, "target_time": "30s"}
    datasets = generate(6, 1, 1, seed=f"touched-{bundle_type}", patients=1, PatientName="Old^Name")
    patient = patient_of(site, index(site, datasets))
    phone = {"system": "phone", "value": "+49 30 0000000"}
    amend(site, reference_of(patient), lambda theirs: theirs.update(telecom=[phone]))
    updated = patient_of(site, correct(site, datasets, PatientName="New^Name", StudyDescription="Corrected"))
    assert (updated["id"], updated["telecom"]) == (patient["id"], [phone])
    assert families(updated) == ["New"]
    assert {study["description"] for study in all_published(site, datasets)} == {"Corrected"}
    assert site.verify()["equal"]


def publish_despite(site: Site, proxy: Proxy, fault: Fault, when: Callable[[Any], bool]) -> None:
    """Publish while two requests meet a fault."""
    proxy.clear()
    proxy.inject(fault, times=2, when=when)
    site.cli("backfill")
    assert proxy.faults_injected >= 1
