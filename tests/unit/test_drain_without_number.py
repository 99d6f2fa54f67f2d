"""Studies without a PatientID on their way: no Patient, or one of the study alone."""

from pathlib import Path
from typing import Any

import pytest

from indexer.errors import StudyNotReady
from indexer.mapping import WithoutNumber
from indexer.model.choices import PatientMode
from tests.fakes.memory import study
from tests.unit.test_drain_resolve import adopt, subject, theirs
from tests.unit.world import World, opened

UIDS = ("1.2.3", "1.2.4")


@pytest.fixture
def alone(world: World) -> World:
    """A world in which a study without a number has a Patient of its own."""
    adopt(world, without_number=WithoutNumber.STUDY)
    return world


@pytest.fixture
def absent(world: World) -> World:
    """A world in which such a study has no patient."""
    adopt(world, without_number=WithoutNumber.ABSENT)
    return world


def unnumbered(uid: str = "1.2.3", **options: Any) -> Any:
    return study(uid, patient_id=None, **options)


def subjects(world: World) -> list[str]:
    return [subject(world, uid) for uid in UIDS]


@pytest.mark.parametrize("mode", [PatientMode.MATCH_OR_CREATE, PatientMode.CREATE])
def test_two_studies_have_two_patients_that_nobody_searched_for(world: World, mode: PatientMode) -> None:
    adopt(world, mode, without_number=WithoutNumber.STUDY)
    world.break_at("look_up", lambda lookup: lookup.type == "Patient", AssertionError("searched for"))
    world.publish(*map(unnumbered, UIDS))
    assert len(set(subjects(world))) == 2
    assert all("identifier" not in patient for patient in world.target.of_type("Patient"))
    assert world.verify().is_equal
    sent = len(world.target.sent)
    world.publish(*map(unnumbered, UIDS))
    assert len(world.target.sent) == sent


def test_a_lost_ledger_makes_no_second_patient_and_keeps_what_others_wrote(alone: World, tmp_path: Path) -> None:
    alone.publish(*map(unnumbered, UIDS))
    before = subjects(alone)
    patient = alone.target.read(before[0])
    alone.target.put({**patient, "telecom": [{"value": "1"}]})
    (tmp_path / "another").mkdir()
    with opened(tmp_path / "another") as ledger:
        alone.ledger = ledger
        alone.send_by()
        alone.publish(*map(unnumbered, UIDS))
        assert subjects(alone) == before
        assert alone.target.read(before[0])["telecom"] == [{"value": "1"}]
        assert len(alone.target.of_type("Patient")) == 2


@pytest.mark.parametrize("choice", [WithoutNumber.ABSENT, WithoutNumber.STUDY])
def test_a_study_that_gets_its_number_moves_to_that_patient(world: World, choice: WithoutNumber) -> None:
    adopt(world, without_number=choice)
    world.target.put(theirs())
    world.publish(unnumbered())
    world.publish(study())
    assert world.study()["subject"] == {"reference": "Patient/ehr-1"}
    assert world.verify().is_equal


@pytest.mark.parametrize("choice", [WithoutNumber.ABSENT, WithoutNumber.STUDY])
def test_a_study_that_loses_its_number_leaves_that_patient(world: World, choice: WithoutNumber) -> None:
    adopt(world, without_number=choice)
    world.target.put(theirs())
    world.publish(study())
    world.publish(unnumbered())
    assert world.study()["subject"].get("reference") != "Patient/ehr-1"
    assert world.verify().is_equal


def test_absent_writes_no_patient(absent: World) -> None:
    absent.publish(*map(unnumbered, UIDS))
    assert absent.target.of_type("Patient") == []
    assert all(one["subject"]["extension"] for one in absent.studies)
    assert absent.verify().is_equal


def test_a_number_that_was_not_read_yet_is_not_absent(absent: World) -> None:
    absent.source.script.next("sample", StudyNotReady("not now", cause="dicomweb_unreadable"))
    absent.publish(unnumbered())
    assert (absent.cause(), absent.studies) == ("dicomweb_unreadable", [])
