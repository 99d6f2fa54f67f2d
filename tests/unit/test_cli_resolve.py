"""``quarantine resolve``, and what `status` and `show` say of a Patient that seems to be another person."""

from typing import Any

import pytest

from tests.fakes.memory import study
from tests.unit.cli_site import CommandLine, assert_says
from tests.unit.test_drain_patient_check import OTHER_PERSON, erika
from tests.unit.test_drain_resolve import theirs


@pytest.fixture
def held(line: CommandLine) -> CommandLine:
    """One study that is held because the Patient of its number seems to be another person."""
    line.changes["patients"] = {"check": "hold"}
    line.target.put(theirs(**OTHER_PERSON))
    line.target.put(theirs("ehr-2", value="P2"))
    line.source.put(erika())
    line.out("backfill", code=1)
    assert "patient_mismatch" in line.out("quarantine", "list")
    return line


def subjects(line: CommandLine) -> dict[str, str]:
    studies = line.target.of_type("ImagingStudy")
    return {one["identifier"][0]["value"].removeprefix("urn:oid:"): one["subject"]["reference"] for one in studies}


@pytest.mark.parametrize("patient", ["ehr-1", "ehr-2"])
def test_somebody_decides_which_patient_it_is(held: CommandLine, patient: str) -> None:
    out = held.out("quarantine", "resolve", "1.2.3", "--patient", patient)
    assert_says(out, f"Patient/{patient}", "tried again")
    held.out("backfill")
    held.source.put(erika("1.2.4"))
    held.out("backfill")
    assert subjects(held) == dict.fromkeys(("1.2.3", "1.2.4"), f"Patient/{patient}")
    held.out("verify")
    assert "patient mismatch 0" in " ".join(held.out("status").split())


def test_a_decision_holds_for_studies_that_state_the_same_person(held: CommandLine) -> None:
    held.target.put(theirs("ehr-2", value="P2", birthDate="1950-01-01", gender="male"))
    held.out("quarantine", "resolve", "1.2.3", "--patient", "ehr-2")
    held.source.put(erika("1.2.4", name="Third^Person", PatientBirthDate="20010101", PatientSex="F"))
    held.out("backfill", code=1)
    assert subjects(held) == {"1.2.3": "Patient/ehr-2"}
    assert "1.2.4" in held.out("quarantine", "list")


def test_an_ambiguous_patient_is_decided_too(line: CommandLine) -> None:
    for fhir_id in ("ehr-1", "ehr-2"):
        line.target.put(theirs(fhir_id))
    line.source.put(study())
    line.out("backfill", code=1)
    line.out("quarantine", "resolve", "1.2.3", "--patient", "ehr-2")
    line.out("backfill")
    assert subjects(line) == {"1.2.3": "Patient/ehr-2"}


@pytest.mark.parametrize(
    ("uid", "patient", "said"),
    [
        ("1.2.3", "ghost", "has no Patient with this id"),
        ("1.2.3", "../Patient/ehr-1", "is no id of a resource"),
        ("1.2.9", "ehr-1", "is not in quarantine with the cause patient_mismatch or patient_ambiguous"),
    ],
)
def test_what_cannot_be_decided(held: CommandLine, uid: str, patient: str, said: str) -> None:
    assert said in held.err("quarantine", "resolve", uid, "--patient", patient, code=64)
    assert "patient_mismatch" in held.out("quarantine", "list")


def test_other_causes_are_not_decided(line: CommandLine) -> None:
    line.source.put(study(patient_id=None))
    line.out("backfill", code=1)
    assert "is not in quarantine with the cause" in line.err(
        "quarantine", "resolve", "1.2.3", "--patient", "ehr-1", code=64
    )


def test_a_study_without_a_patient_resource_has_nothing_to_decide(held: CommandLine) -> None:
    held.changes["patients"] = {"mode": "logical"}
    assert "replay it" in held.err("quarantine", "resolve", "1.2.3", "--patient", "ehr-1", code=64)


def test_a_warning_is_told_by_status_and_show(line: CommandLine) -> None:
    line.target.put(theirs(**OTHER_PERSON))
    line.source.put(erika())
    line.out("backfill")
    assert "patient mismatch 1" in " ".join(line.out("status").split())
    assert line.json("status", "--json")["sources"][0]["patient_mismatch"] == 1
    said: Any = line.out("show", "1.2.3")
    assert_says(said, "another birth date, and another family name or sex (patient_mismatch)")
    assert "Other" not in said


@pytest.mark.parametrize("word", ["off", '"off"'])
def test_a_bare_off_is_a_word(line: CommandLine, word: str) -> None:
    text = line.config.read_text() + f"patients:\n  check: {word}\n"
    (line.home / "off.yaml").write_text(text)
    (line.home / "off.yaml").chmod(0o600)
    line.out("config", "check", "--config", str(line.home / "off.yaml"))
