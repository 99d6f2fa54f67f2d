from typing import Any

import pytest

from indexer import mapping
from indexer.mapping import DEFAULT_ELEMENTS, Element, Release, Subject, resolved
from indexer.mapping.resolve import lookups
from indexer.model import Lookup
from tests.unit.mapping.studies import code, dataset, mapped, sampled_study
from tests.unit.mapping.test_fhirclient import read_strictly

DEVICES = DEFAULT_ELEMENTS | {Element.DEVICE_SUBJECT}


def test_reference_to_the_patient_that_we_write() -> None:
    found = mapped()
    assert found.imaging_study["subject"] == {"reference": f"Patient/{found.patient['id']}"}
    assert found.has_patient


def test_by_what_a_patient_is_looked_up() -> None:
    assert mapped().patient_lookup == Lookup("Patient", "urn:oid:1.2.3.4", "0042")


def test_what_a_study_wants_to_be_looked_up() -> None:
    one = sampled_study(dataset({"AccessionNumber": "A1"}))
    found = mapped(one, resolve=("basedOn",), accession_system="urn:acc")
    assert found.lookups == (Lookup("ServiceRequest", "urn:acc", "A1"),)
    assert mapped(one, accession_system="urn:acc").lookups == ()


def test_a_number_without_a_system_is_not_looked_up() -> None:
    """It may be another patient's."""
    one = sampled_study(dataset({"AccessionNumber": "A1"}))
    assert mapped(one, resolve=("basedOn",)).lookups == ()


@pytest.mark.parametrize("release", list(Release))
def test_patient_by_its_identifier_alone(release: Release) -> None:
    found = mapped(subject=Subject.LOGICAL, release=release)
    assert found.imaging_study["subject"] == {"type": "Patient", "identifier": found.patient["identifier"][0]}
    assert not found.has_patient


@pytest.mark.parametrize("release", list(Release))
def test_patient_inside_the_study(release: Release) -> None:
    found = mapped(subject=Subject.CONTAINED, release=release, meta_source="urn:x")
    (inner,) = found.imaging_study["contained"]
    assert found.imaging_study["subject"] == {"reference": f"#{inner['id']}"}
    assert inner["name"] == found.patient["name"]
    assert "meta" not in inner
    assert not found.has_patient
    if release is Release.R4:
        read_strictly(found.imaging_study)


@pytest.mark.parametrize(
    ("sample", "patterns"),
    [({"QualityControlSubject": "YES"}, ()), ({"PatientID": "PHANTOM-7"}, ("TEST*", "PHANTOM-?"))],
)
def test_phantoms_are_devices(sample: dict[str, str], patterns: tuple[str, ...]) -> None:
    one = sampled_study(dataset(sample))
    found = mapped(one, elements=DEVICES, device_patient_ids=patterns)
    value = sample.get("PatientID", "0042")
    assert found.imaging_study["subject"] == {
        "type": "Device",
        "identifier": {"system": "urn:oid:1.2.3.4", "value": value},
    }
    assert not found.has_patient
    assert mapped(one, device_patient_ids=patterns).has_patient


def test_other_patients_are_no_devices() -> None:
    assert mapped(elements=DEVICES, device_patient_ids=("PHANTOM*",)).has_patient


def referring_study() -> dict[str, Any]:
    house = dataset({}, PersonIdentificationCodeSequence=[code("0815", "LN", "House")])
    sample = dataset(
        {"AccessionNumber": "A1", "AdmissionID": "V1", "ReferringPhysicianName": "House"},
        ReferringPhysicianIdentificationSequence=[house],
        RequestAttributesSequence=[dataset({"AccessionNumber": "A2"})],
    )
    wanted = DEFAULT_ELEMENTS | {Element.ENCOUNTER, Element.REFERRER}
    found: dict[str, Any] = mapped(sampled_study(sample), elements=wanted, accession_system="urn:acc").imaging_study
    return found


ORDER = Lookup("ServiceRequest", "urn:acc", "A1")
STAY = Lookup("Encounter", None, "V1")


def test_lookups() -> None:
    found = referring_study()
    assert lookups(found, ["basedOn", "encounter"]) == (ORDER, Lookup("ServiceRequest", "urn:acc", "A2")), "no system"
    assert lookups(found, ["referrer"]) == (Lookup("Practitioner", "http://loinc.org", "0815"),)
    assert lookups(found, []) == lookups(mapped().imaging_study, ["basedOn", "encounter", "referrer"]) == ()


def test_found_references_stand_beside_the_identifiers() -> None:
    before = referring_study()
    after = resolved(before, {ORDER: "ServiceRequest/7", STAY: "Encounter/8"})
    assert after["basedOn"][0] == {"reference": "ServiceRequest/7", **before["basedOn"][0]}
    assert after["encounter"] == {"reference": "Encounter/8", **before["encounter"]}
    assert (after["basedOn"][1], after["referrer"]) == (before["basedOn"][1], before["referrer"])
    assert "reference" not in before["encounter"]
    assert mapping.check(after, Release.R4) == ()


def test_a_display_alone_is_not_looked_up() -> None:
    by_name = {"referrer": {"type": "Practitioner", "display": "House"}}
    assert lookups(by_name, ["referrer"]) == ()
    assert resolved(by_name, {}) == by_name
