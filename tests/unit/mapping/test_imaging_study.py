import orjson
import pytest

from indexer import mapping
from indexer.errors import StudyInvalid
from indexer.strategies import endpoint_id, imaging_study_id
from tests.resources import with_id
from tests.unit.mapping.studies import (
    CT,
    STUDY_UID,
    code,
    coded,
    dataset,
    instance,
    issues,
    mapped,
    sampled_study,
    series,
    study,
)


def test_whole_resource() -> None:
    found = mapped(
        study(
            {"PatientID": "0042", "StudyDate": "20240102", "StudyDescription": "CT Chest", "AccessionNumber": "A1"},
            series({"Modality": "CT", "SeriesNumber": "3", "SeriesDescription": "Axial"}),
        )
    )
    assert found.imaging_study == {
        "resourceType": "ImagingStudy",
        "id": imaging_study_id(STUDY_UID),
        "identifier": [
            {
                "use": "official",
                "type": {"coding": [coded(DCM, "110180", "Study Instance UID")]},
                "system": "urn:dicom:uid",
                "value": f"urn:oid:{STUDY_UID}",
            },
            {"use": "usual", "type": ACCESSION_TYPE, "value": "A1"},
        ],
        "status": "available",
        "modality": [CT_CODING],
        "subject": {"reference": f"Patient/{found.patient['id']}"},
        "started": "2024-01-02",
        "basedOn": [{"type": "ServiceRequest", "identifier": {"type": ACCESSION_TYPE, "value": "A1"}}],
        "endpoint": [{"reference": "Endpoint/5c7b2d1e-0000-5000-8000-000000000001"}],
        "numberOfSeries": 1,
        "numberOfInstances": 1,
        "description": "CT Chest",
        "series": [
            {
                "uid": "1.2.826.0.1.3680043.8.498.2",
                "number": 3,
                "modality": CT_CODING,
                "description": "Axial",
                "numberOfInstances": 1,
                "instance": [
                    {
                        "uid": "1.2.826.0.1.3680043.8.498.3",
                        "sopClass": coded("urn:ietf:rfc:3986", f"urn:oid:{CT}", "CT Image Storage"),
                        "number": 1,
                    }
                ],
            }
        ],
    }
    assert found.issues == ()


DCM = "http://dicom.nema.org/resources/ontology/DCM"
CT_CODING = coded(DCM, "CT", "Computed Tomography")
ACCESSION_TYPE = {"coding": [coded("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN", "Accession ID")]}


@pytest.mark.parametrize("uid", ["", "1.2.X", "1." + "2" * 63, "../1.2", "1..2", ".", "1.2.", "1.2/3"])
def test_study_without_a_uid_is_unfit(uid: str) -> None:
    with pytest.raises(StudyInvalid) as caught:
        mapped(study(uid=uid))
    assert caught.value.cause == "bad_study_uid"
    assert uid not in caught.value.message or len(uid) < 2


def test_padded_uid_is_cleaned_and_leading_zeros_stay() -> None:
    found = mapped(study(uid="1.02.3\0 "))
    assert found.imaging_study["identifier"][0]["value"] == "urn:oid:1.02.3"


def test_acquisition_modalities_only() -> None:
    for others, expected in (("mr", ["MR"]), ("KO", ["KO", "SR"])):
        one = study(None, series({"Modality": "SR"}, uid="1.1"), series({"Modality": others}, uid="1.2", sampled={}))
        assert [coding["code"] for coding in mapped(one).imaging_study["modality"]] == expected


def test_description_by_procedure_code() -> None:
    sample = dataset({}, ProcedureCodeSequence=[dataset({}), code("X", "99L", "CT of chest")])
    assert mapped(sampled_study(sample)).imaging_study["description"] == "CT of chest"


@pytest.mark.parametrize(
    ("issuer", "systems", "expected"),
    [
        ({"LocalNamespaceEntityID": "RIS"}, {"RIS": "urn:oid:1.9"}, "urn:oid:1.9"),
        ({"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"}, {}, "urn:oid:1.2.3"),
        ({"LocalNamespaceEntityID": "RIS"}, {}, None),
        ({}, {}, "urn:default"),
    ],
)
def test_accession_issuer(issuer: dict[str, str], systems: dict[str, str], expected: str | None) -> None:
    sample = dataset({"AccessionNumber": "A1"}, IssuerOfAccessionNumberSequence=[dataset(issuer)])
    found = mapped(sampled_study(sample), accession_systems=systems, accession_system="urn:default").imaging_study
    assert found["identifier"][1].get("system") == expected
    assert found["basedOn"][0]["identifier"].get("system") == expected


def test_every_order_is_referred_to_once() -> None:
    requests = [dataset({"AccessionNumber": number}) for number in ("A1", "A2", "A2")] + [dataset({})]
    sample = dataset({"AccessionNumber": "A1"}, RequestAttributesSequence=requests)
    based_on = mapped(sampled_study(sample)).imaging_study["basedOn"]
    assert [one["identifier"]["value"] for one in based_on] == ["A1", "A2"]


def test_orders_can_be_left_out() -> None:
    without = mapping.DEFAULT_ELEMENTS - {mapping.Element.BASED_ON}
    found = mapped(study({"AccessionNumber": "A1"}), elements=without).imaging_study
    assert "basedOn" not in found
    assert found["identifier"][1]["value"] == "A1"


def test_series_are_ordered_by_number_then_uid() -> None:
    numbers = {"1.4": {"SeriesNumber": "10"}, "1.9": {"SeriesNumber": "2"}, "1.3": {"SeriesNumber": "2"}, "1.1": {}}
    found = mapped(study(None, *(series(number, uid=uid) for uid, number in numbers.items()))).imaging_study
    assert [one["uid"] for one in found["series"]] == ["1.3", "1.9", "1.4", "1.1"]


def test_series_of_one_uid_are_one() -> None:
    first, second = ((instance(one, uid=f"1.{one}"), instance(one + 1, uid=f"1.{one + 1}")) for one in (1, 2))
    found = mapped(study(None, series(instances=first), series(instances=second, sampled={})))
    assert found.imaging_study["numberOfSeries"] == 1
    assert [one["uid"] for one in found.imaging_study["series"][0]["instance"]] == ["1.1", "1.2", "1.3"]
    assert ("SOPInstanceUID", "duplicate") in issues(found)


def test_series_without_a_uid_is_counted_but_not_listed() -> None:
    found = mapped(study(None, series(), series({"Modality": "MR"}, uid="1.X", sampled={})))
    assert found.imaging_study["numberOfSeries"] == 2
    assert found.imaging_study["numberOfInstances"] == 2
    assert len(found.imaging_study["series"]) == 1
    assert ("SeriesInstanceUID", "not_listed") in issues(found)


def test_basis_sorts_by_time() -> None:
    dated = mapped(study({"StudyDate": "20240102", "StudyTime": "1011"})).basis
    assert dated == f"20240102 101100 {STUDY_UID}"
    assert mapped(study({})).basis == f"00000000 000000 {STUDY_UID}"


@pytest.mark.parametrize(
    ("level", "cap", "are_listed"),
    [("full", None, True), ("none", None, False), ("capped", 2, True), ("capped", 1, False)],
)
def test_instance_level(level: str, cap: int | None, are_listed: bool) -> None:
    two = study(None, series(instances=(instance(1, uid="1.1"), instance(2, uid="1.2"))))
    found = mapped(two, instances=mapping.Instances(level, cap)).imaging_study  # type: ignore[arg-type]
    assert ("instance" in found["series"][0]) is are_listed
    assert found["numberOfInstances"] == found["series"][0]["numberOfInstances"] == 2


def test_endpoint() -> None:
    fhir_id = endpoint_id("https://pacs.example.org/dicom-web")
    found = with_id(
        mapping.endpoint("https://pacs.example.org/dicom-web/", identifier=fhir_id, source="main", rules=RULES), fhir_id
    )
    assert found == {
        "resourceType": "Endpoint",
        "id": fhir_id,
        "identifier": [{"use": "official", "system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{fhir_id}"}],
        "status": "active",
        "name": "main",
        "connectionType": coded(
            "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "dicom-wado-rs", "DICOM WADO-RS"
        ),
        "payloadType": [{"text": "DICOM WADO-RS"}],
        "payloadMimeType": ["application/dicom"],
        "address": "https://pacs.example.org/dicom-web",
    }
    assert mapping.check(found, mapping.Release.R4) == ()


RULES = mapping.Rules(site_key=b"k", patient_id_system="urn:oid:1.2.3.4")


def test_like_studies_become_like_bytes() -> None:
    bodies = [orjson.dumps(mapped(study()).imaging_study) for _ in range(2)]
    assert mapping.fingerprint(bodies[0]) == mapping.fingerprint(bodies[1])
    assert mapping.fingerprint(bodies[0]) != mapping.fingerprint(bodies[0].replace(b"available", b"cancelled"))
