import uuid
from dataclasses import replace
from typing import Any

import pytest

from indexer import mapping
from indexer.errors import StudyInvalid, StudyNotReady
from indexer.mapping.people import human_names, shown
from indexer.model import Attributes, PersonName
from indexer.strategies import patient_id
from tests.fakes.attributes import over
from tests.unit.mapping.studies import PATIENT, coded, dataset, issues, mapped, rules, sampled_study, series, study


def identifier(found: mapping.Mapped) -> dict[str, Any]:
    one: dict[str, Any] = found.patient["identifier"][0]
    return one


def test_whole_resource() -> None:
    found = mapped()
    key = mapping.patient_key(b"k" * 32, "urn:oid:1.2.3.4", "0042")
    assert found.patient_key == key
    assert found.patient == {
        "resourceType": "Patient",
        "id": patient_id(key),
        "identifier": [
            {
                "use": "usual",
                "type": {
                    "coding": [coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number")]
                },
                "system": "urn:oid:1.2.3.4",
                "value": "0042",
            }
        ],
        "name": [
            {
                "text": "Dr. Erika Maria Muster MA",
                "family": "Muster",
                "given": ["Erika", "Maria"],
                "prefix": ["Dr."],
                "suffix": ["MA"],
            }
        ],
        "gender": "female",
        "birthDate": "1964-08-12",
    }


def test_patient_id_is_a_keyed_uuid() -> None:
    one = uuid.UUID(patient_id(mapping.patient_key(b"a", "urn:x", "1")))
    assert (one.version, one.variant) == (8, uuid.RFC_4122)
    others = {("b", "urn:x", "1"), ("a", "urn:y", "1"), ("a", "urn:x", "2"), ("a", "urn:x", "1")}
    ids = {patient_id(mapping.patient_key(key.encode(), system, value)) for key, system, value in others}
    assert len(ids) == 4
    assert str(one) in ids


@pytest.mark.parametrize("value", [None, "", "   ", "\0"])
def test_no_patient_number(value: str | None) -> None:
    sample = dataset({key: text for key, text in PATIENT.items() if key != "PatientID"})
    sample = sample if value is None else over(dataset({"PatientID": value}), sample)
    with pytest.raises(StudyInvalid) as caught:
        mapped(study({}, series(sampled={"1.1": sample})))
    assert caught.value.cause == "no_patient_id"


@pytest.mark.parametrize(
    "samples",
    [
        [{"PatientID": "1"}, {"PatientID": "2"}],
        [{"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}],
    ],
)
def test_identity_conflict(samples: list[dict[str, str]]) -> None:
    with pytest.raises(StudyInvalid) as caught:
        mapped(sampled_study(*(dataset(one) for one in samples)))
    assert caught.value.cause == "identity_conflict"


def test_an_unsaid_issuer_contradicts_none() -> None:
    found = mapped(sampled_study(dataset({}), dataset({"IssuerOfPatientID": "A"})), issuer_systems={"A": "urn:a"})
    assert identifier(found)["system"] == "urn:a"


def test_waits_while_the_issuer_is_unread() -> None:
    for one in (study(is_sampled=False), study(None, series(sampled={}))):
        with pytest.raises(StudyNotReady) as caught:
            mapped(one)
        assert caught.value.cause == "issuer_unread"


def test_ignored_issuer_needs_no_datasets() -> None:
    unsampled = study(PATIENT, series(sampled={}), is_sampled=False)
    found = mapped(unsampled, issuer="ignore")
    assert identifier(found)["value"] == "0042"
    assert found.patient["name"][0]["family"] == "Muster"
    issued = mapped(sampled_study(dataset({"IssuerOfPatientID": "A"})), issuer="ignore")
    assert issued.patient_key == found.patient_key


def qualified(local: str | None, universal: str, kind: str | None) -> Attributes:
    qualifiers = {"UniversalEntityID": universal} | ({"UniversalEntityIDType": kind} if kind else {})
    sample = dataset({}, IssuerOfPatientIDQualifiersSequence=[dataset(qualifiers)])
    return over(dataset({"IssuerOfPatientID": local}), sample) if local else sample


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (dataset({}), "urn:oid:1.2.3.4"),
        (dataset({"IssuerOfPatientID": "known"}), "urn:known"),
        (qualified("local", "known", "DNS"), "urn:known"),
        (qualified("local", "1.2.840.5", "ISO"), "urn:oid:1.2.840.5"),
        (
            qualified(None, "6E8BC430-9C3A-11D9-9669-0800200C9A66", "UUID"),
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        ),
        (qualified(None, "https://hospital.example/mrn", "URI"), "https://hospital.example/mrn"),
        (dataset({"IssuerOfPatientID": "https://hospital.example/mrn"}), "https://hospital.example/mrn"),
    ],
)
def test_issuer(sample: Attributes, expected: str) -> None:
    assert identifier(mapped(sampled_study(sample), issuer_systems={"known": "urn:known"}))["system"] == expected


@pytest.mark.parametrize(
    "sample",
    [
        dataset({"IssuerOfPatientID": "GINORMOUS"}),
        qualified(None, "1.2.x", "ISO"),
        qualified(None, "no uuid", "UUID"),
        qualified(None, "no uri", "URI"),
        qualified(None, "hospital.example", "DNS"),
        qualified(None, "hospital.example", None),
    ],
)
def test_unknown_issuer_keeps_patients_apart(sample: Attributes) -> None:
    system = identifier(mapped(sampled_study(sample)))["system"]
    assert uuid.UUID(system).version == 5
    assert system.startswith("urn:uuid:")
    assert identifier(mapped(sampled_study(sample)))["system"] == system
    elsewhere = mapped(sampled_study(sample), patient_id_system="urn:oid:9.9")
    assert identifier(elsewhere)["system"] != system


def test_the_database_does_not_speak_for_the_patient_of_a_sampled_study() -> None:
    found = mapped(study({"PatientID": "0042", "PatientName": "Other^Person", "PatientSex": "M"}))
    assert found.patient["name"][0]["family"] == "Muster"
    named = study({"PatientID": "1", "PatientName": "Other"})
    bare = mapped(replace(named, series=(series(sampled={"1": dataset({"PatientID": "1"})}),)))
    assert bare.patient.keys() == {"resourceType", "id", "identifier"}
    assert bare.name_digest == ""


@pytest.mark.parametrize(
    ("sex", "gender", "issue"),
    [("M", "male", None), ("f", "female", None), ("O", "other", None), ("X", None, ("PatientSex", "unknown_code"))],
)
def test_gender(sex: str, gender: str | None, issue: tuple[str, str] | None) -> None:
    found = mapped(sampled_study(dataset({"PatientSex": sex})))
    assert found.patient.get("gender") == gender
    assert issue is None or issue in issues(found)


def test_birth_date_that_is_none() -> None:
    found = mapped(sampled_study(dataset({"PatientBirthDate": "17991231"})))
    assert "birthDate" not in found.patient
    assert ("PatientBirthDate", "malformed") in issues(found)


def test_name_digest_is_of_the_name_not_its_spelling() -> None:
    def digest(name: str, **changes: bytes) -> str:
        return mapped(sampled_study(dataset({"PatientName": name})), **changes).name_digest

    assert digest("DOE^JANE") == digest("Doe^Jane^^") != digest("Roe^Jane")
    assert digest("DOE^JANE", site_key=b"other") != digest("DOE^JANE")
    assert len(digest("DOE^JANE")) == 16


REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
IDEOGRAPHIC = {"url": REPRESENTATION, "valueCode": "IDE"}


def test_component_groups() -> None:
    names = human_names(PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう"))
    assert [one["extension"][0]["valueCode"] for one in names] == ["ABC", "IDE", "SYL"]
    assert {one["extension"][0]["url"] for one in names} == {REPRESENTATION}
    assert [one["family"] for one in names] == ["Yamada", "山田", "やまだ"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (PersonName("^^^^"), []),
        (PersonName("", "山田", ""), [{"extension": [IDEOGRAPHIC], "text": "山田", "family": "山田"}]),
        (PersonName("A\r\nB^ C  D "), [{"text": "C D A B", "family": "A B", "given": ["C D"]}]),
        (PersonName("BRAINIX"), [{"text": "BRAINIX", "family": "BRAINIX"}]),
        (
            PersonName("A^B^C^D^E^F"),
            [{"text": "D B C A E", "family": "A", "given": ["B", "C"], "prefix": ["D"], "suffix": ["E"]}],
        ),
    ],
)
def test_names(name: PersonName, expected: list[dict[str, Any]]) -> None:
    assert human_names(name) == expected


def test_shown() -> None:
    assert shown(PersonName("^", "山田", "")) == "山田"
    assert shown(PersonName()) is None


def test_errors_hold_no_patient_data() -> None:
    secret = "SECRET-4711"
    with pytest.raises(StudyInvalid) as caught:
        mapped(sampled_study(dataset({"PatientID": secret}), dataset({"PatientID": "1"})))
    assert secret not in f"{caught.value.message} {caught.value.hint}"
    assert rules().site_key not in repr(caught.value).encode()
