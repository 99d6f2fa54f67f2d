"""A Patient of others that bears the number but seems to be another person."""

from typing import Any

import pytest

from indexer.mapping import Subject
from indexer.model.choices import PatientCheck
from indexer.plan import PatientPolicy
from tests.fakes.memory import study
from tests.unit.test_drain_resolve import adopt, subject, theirs
from tests.unit.world import World

OTHER_PERSON: dict[str, Any] = {"birthDate": "1931-12-24", "name": [{"family": "Other"}], "gender": "male"}
SAME_PERSON: dict[str, Any] = {"birthDate": "1970-05", "name": [{"family": "MUSTER"}], "gender": "male"}


def check(world: World, choice: PatientCheck, update: Any = "when_ours") -> None:
    world.policy = PatientPolicy(check=choice, update=update)


def erika(uid: str = "1.2.3", **options: Any) -> Any:
    options = {"PatientBirthDate": "19700501", "PatientSex": "F", **options}
    return study(uid, **options)


def mismatches(world: World) -> list[str]:
    """Published studies that are said to refer to another person."""
    uids = sorted(world.ledger.published_uids())
    count = world.ledger.summary("main", world.clock()).patient_mismatch
    flagged = [uid for uid, published in world.ledger.published(uids).items() if published.patient_mismatch]
    assert len(flagged) == count
    return flagged


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "event", "") for record in caplog.records if record.levelname == "WARNING"]


def test_by_default_it_is_published_counted_and_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    assert subject(world) == "Patient/ehr-1"
    assert mismatches(world) == ["1.2.3"]
    assert events(caplog).count("patient_mismatch") == 1
    assert not any(value in caplog.text for value in ("Other", "Muster", "1931", "1970", "P1"))
    assert world.verify().is_equal


@pytest.mark.parametrize("choice", list(PatientCheck))
def test_the_same_person_is_no_mismatch(world: World, choice: PatientCheck) -> None:
    check(world, choice)
    world.target.put(theirs(**SAME_PERSON))
    world.publish(erika())
    assert subject(world) == "Patient/ehr-1"
    assert mismatches(world) == []


def test_off_does_not_compare(world: World, caplog: pytest.LogCaptureFixture) -> None:
    check(world, PatientCheck.OFF)
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    assert (subject(world), mismatches(world), events(caplog)) == ("Patient/ehr-1", [], [])


def test_hold_puts_the_study_into_quarantine_without_its_data(world: World) -> None:
    check(world, PatientCheck.HOLD)
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    assert world.quarantined == {"1.2.3": "patient_mismatch"}
    assert world.studies == []
    (row,) = world.ledger.quarantine()
    assert not any(value in row.text + row.hint for value in ("Other", "Muster", "1931", "1970", "P1"))
    assert "quarantine resolve" in row.hint


def test_a_study_is_published_once_the_patient_was_corrected(world: World) -> None:
    check(world, PatientCheck.HOLD)
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    world.target.put(theirs(**SAME_PERSON))
    world.ledger.replay([], world.clock(), sources=["main"])
    world.drain()
    assert (subject(world), world.quarantined) == ("Patient/ehr-1", {})


def test_a_warning_ends_with_the_next_write_after_the_patient_was_corrected(world: World) -> None:
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    world.target.put(theirs(**SAME_PERSON))
    world.publish(erika(series=2))
    assert mismatches(world) == []


def test_each_study_is_compared_for_itself(world: World) -> None:
    """In one Bundle, and when the Patient is known."""
    check(world, PatientCheck.HOLD)
    world.target.put(theirs(**SAME_PERSON))
    wrong = {"name": "Other^Otto", "PatientBirthDate": "19311224", "PatientSex": "M"}
    world.publish(erika("1.2.3"), erika("1.2.4", **wrong))
    world.publish(erika("1.2.5"), erika("1.2.6", **wrong))
    assert world.quarantined == {"1.2.4": "patient_mismatch", "1.2.6": "patient_mismatch"}
    assert [subject(world, uid) for uid in ("1.2.3", "1.2.5")] == ["Patient/ehr-1"] * 2


def test_a_patient_of_ours_is_not_compared(world: World) -> None:
    """Its demographics are those of the latest study."""
    check(world, PatientCheck.HOLD)
    world.publish(erika("1.2.3"), erika("1.2.4", name="Other^Otto", PatientBirthDate="19311224"))
    assert world.quarantined == {}


@pytest.mark.parametrize("subject_kind", [Subject.LOGICAL, Subject.CONTAINED])
def test_without_a_patient_resource_there_is_nothing_to_compare(world: World, subject_kind: Subject) -> None:
    adopt(world, subject=subject_kind)
    check(world, PatientCheck.HOLD)
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    assert (world.quarantined, len(world.studies)) == ({}, 1)


def test_the_survivor_of_a_merge_is_who_is_compared(world: World) -> None:
    check(world, PatientCheck.HOLD)
    link = {"type": "replaced-by", "other": {"reference": "Patient/ehr-2"}}
    world.target.put(theirs(**OTHER_PERSON, link=[link]))
    world.target.put(theirs("ehr-2", value="P2", **SAME_PERSON))
    world.publish(erika())
    assert (subject(world), world.quarantined) == ("Patient/ehr-2", {})


def test_another_person_never_gets_the_demographics_of_the_archive(world: World) -> None:
    check(world, PatientCheck.WARN, update="always")
    world.target.put(theirs(**OTHER_PERSON))
    world.publish(erika())
    world.publish(erika(series=2))
    assert world.target.of_type("Patient") == [theirs(**OTHER_PERSON)]
    assert mismatches(world) == ["1.2.3"]


def test_the_demographics_come_with_the_search_that_is_made_anyway(world: World) -> None:
    world.make_ready()
    world.target.put(theirs(**OTHER_PERSON))
    world.target.script.calls.clear()
    world.publish(erika())
    assert world.target.script.calls["look_up"] == 1
    assert world.target.script.calls["fetch"] == 1, "of our Endpoint, at the start"


def test_a_study_that_does_not_change_is_not_compared_again(world: World) -> None:
    world.target.put(theirs(**SAME_PERSON))
    world.publish(erika())
    world.target.put(theirs(**OTHER_PERSON))
    check(world, PatientCheck.HOLD)
    world.publish(erika())
    assert (world.quarantined, mismatches(world)) == ({}, [])
    world.publish(erika(series=2))
    assert world.quarantined == {"1.2.3": "patient_mismatch"}
