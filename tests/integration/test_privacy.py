"""No patient data in a log, at any level, whatever goes wrong."""

import json

from tests import proxy as faults
from tests.proxy import Proxy
from tests.samples import generate, store_rest
from tests.site import Site, uids

CANARIES = {
    "PatientName": "Zebulon^Canaria",
    "PatientID": "CANARY-4711",
    "PatientBirthDate": "19310203",
    "AccessionNumber": "ACCANARY99",
    "StudyDescription": "Canary description",
    "ReferringPhysicianName": "Refcanary^Doctor",
    "SeriesDescription": "Canary series",
    "IssuerOfPatientID": "CANARY ISSUER",
}
SENT = ("PatientName", "PatientID", "AccessionNumber", "StudyDescription", "SeriesDescription")
"""What the FHIR server gets to know, and so may quote."""
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def test_no_canary_sings(each_site: Site, proxy: Proxy) -> None:
    """The FHIR server refuses every study and quotes all of it; Orthanc's own ids count as patient data, too."""
    datasets = generate(2, 2, 2, seed=f"canary-{each_site.orthanc.version}", **CANARIES)
    store_rest(each_site.orthanc, datasets)
    said = " ".join(f"{value!r} {value}" for value in [*(CANARIES[key] for key in SENT), *uids(datasets)])
    issue = {"severity": "error", "code": "invalid", "diagnostics": f"HAPI-0450: cannot have {said}"}
    outcome = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    refusal = faults.status(422, {"Content-Type": "application/fhir+json"}, outcome)
    proxy.inject(refusal, times=None, when=faults.writes_studies)
    done = each_site.cli("backfill", expect=1)
    shown = each_site.cli("quarantine", "list").stdout
    status = each_site.cli("status", "--json").stdout
    assert proxy.faults_injected >= 2
    assert "HAPI-0450" in shown, "the operator has to see the server's words"

    words = {word for value in CANARIES.values() for word in (value, *value.replace("^", " ").split())}
    logged = done.stderr + status
    assert not [word for word in words if word in logged + shown]
    numbers = {str(dataset[keyword].value) for dataset in datasets for keyword in _UIDS}
    location_ids = {location["ID"] for location in each_site.orthanc_studies()}
    assert not [one for one in numbers | location_ids if one in logged]
