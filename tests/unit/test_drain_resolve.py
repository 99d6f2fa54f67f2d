"""Whose Patient a study refers to: what is looked up, and what follows from the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from indexer.errors import Refused
from indexer.mapping import Subject
from indexer.model import Deferred, Quarantined
from indexer.plan import MappedStudy, Mode, PatientPolicy
from indexer.strategies import patient_id
from tests.fakes.memory import study
from tests.unit.world import SITE_KEY, configured

if TYPE_CHECKING:
    from tests.unit.world import World

SYSTEM = "urn:oid:1.2.3.4"
ORDER = {"system": "urn:ris", "value": "A1"}


def theirs(fhir_id: str = "ehr-1", value: str = "P1", **elements: Any) -> dict[str, Any]:
    identifier = [{"system": SYSTEM, "value": value}]
    return {"resourceType": "Patient", "id": fhir_id, "identifier": identifier, "active": True, **elements}


def adopt(world: World, mode: Mode, update: Any = "when_ours", **rules: Any) -> None:
    """Give the world another policy and other rules."""
    world.policy = PatientPolicy(mode=mode, update=update)
    world.sources = {"main": configured(world.source, **rules)}
    world.reader = world.new_reader()


def waiting(world: World, uid: str = "1.2.3") -> str | None:
    row = world.ledger.study(uid)
    assert row is not None
    return row.dirty.last_cause if row.dirty else None


def quarantined(world: World, uid: str = "1.2.3") -> str | None:
    row = world.ledger.study(uid)
    assert row is not None
    return row.quarantine.cause if row.quarantine else None


def test_the_patient_that_is_there_is_referred_to_and_left_alone(world: World) -> None:
    world.target.put(theirs())
    world.publish(study("1.2.3"), study("1.2.4"))
    for uid in ("1.2.3", "1.2.4"):
        assert world.target.imaging_study(uid)["subject"] == {"reference": "Patient/ehr-1"}
    assert world.target.of_type("Patient") == [theirs()]
    assert world.target.versions["Patient/ehr-1"] == 1


def test_a_patient_that_is_known_is_not_looked_up_again(world: World) -> None:
    world.target.put(theirs())
    world.publish(study("1.2.3"))
    asked = world.target.script.calls["look_up"]
    world.target.held["Patient/ehr-1"]["identifier"] = []
    world.publish(study("1.2.3", series=2))
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": "Patient/ehr-1"}
    assert world.target.script.calls["look_up"] == asked


def test_many_patients_are_looked_up_at_once(world: World) -> None:
    world.publish(*[study(f"1.2.{number}", patient_id=f"P{number}") for number in range(30)])
    assert len(world.target.of_type("Patient")) == 30
    assert world.target.script.calls["look_up"] <= len(world.target.sent)


def test_one_that_two_bear_is_not_picked(world: World) -> None:
    world.target.put(theirs("ehr-1"))
    world.target.put(theirs("ehr-2"))
    world.publish(study())
    assert quarantined(world) == "patient_ambiguous"
    assert world.target.of_type("ImagingStudy") == []
    world.target.held.pop("Patient/ehr-2")
    world.ledger.replay([], world.clock(), sources=["main"])
    world.drain()
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": "Patient/ehr-1"}


def test_a_patient_that_was_merged_into_another_counts_as_that_one(world: World) -> None:
    link = [{"other": {"reference": "Patient/ehr-2"}, "type": "replaced-by"}]
    world.target.put(theirs("ehr-1", link=link))
    world.target.put(theirs("ehr-2"))
    world.publish(study())
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": "Patient/ehr-2"}


def test_match_waits_until_there_is_one(world: World) -> None:
    adopt(world, Mode.MATCH)
    world.publish(study())
    assert (waiting(world), quarantined(world)) == ("patient_not_found", None)
    assert (world.target.of_type("Patient"), world.target.of_type("ImagingStudy")) == ([], [])
    world.target.put(theirs())
    world.clock.pass_by(60)
    world.drain()
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": "Patient/ehr-1"}
    assert world.target.of_type("Patient") == [theirs()]


def test_create_does_not_look(world: World) -> None:
    adopt(world, Mode.CREATE)
    world.ownership = "exclusive"
    world.target.put(theirs())
    world.publish(study())
    assert len(world.target.of_type("Patient")) == 2
    assert world.target.script.calls["look_up"] == 0


@pytest.mark.parametrize("subject", [Subject.LOGICAL, Subject.CONTAINED])
def test_no_patient_of_its_own(world: World, subject: Subject) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, subject=subject)
    world.publish(study())
    assert world.target.of_type("Patient") == []
    assert "subject" in world.target.imaging_study("1.2.3")
    assert world.verify().is_equal


def test_a_corrected_number_leads_to_the_other_patient(world: World) -> None:
    world.target.put(theirs("ehr-2", value="P2"))
    world.publish(study(patient_id="P1"))
    former = world.target.imaging_study("1.2.3")["subject"]["reference"]
    world.publish(study(patient_id="P2"))
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": "Patient/ehr-2"}
    assert former in world.target.held


@pytest.mark.parametrize(
    ("update", "own", "of_others"),
    [("never", "Muster", None), ("when_ours", "Neu", None), ("always", "Neu", "Neu")],
)
def test_whose_demographics_follow_the_archive(world: World, update: Any, own: str, of_others: str | None) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, update)
    world.target.put(theirs(value="P2", telecom=[{"value": "1"}]))
    world.publish(study("1.2.3", patient_id="P1"), study("1.2.4", patient_id="P2"))
    world.publish(
        study("1.2.3", patient_id="P1", name="Neu^Erika", series=2),
        study("1.2.4", patient_id="P2", name="Neu^Erika", series=2),
    )
    held = {one["identifier"][0]["value"]: one for one in world.target.of_type("Patient")}
    assert held["P1"]["name"][0]["family"] == own
    assert held["P2"].get("name", [{}])[0].get("family") == of_others
    assert held["P2"]["telecom"] == [{"value": "1"}]


def test_a_patient_of_others_that_vanished_is_not_made_under_their_id(world: World) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, "always")
    world.target.put(theirs())
    world.publish(study())
    world.target.held.pop("Patient/ehr-1")
    world.publish(study(name="Neu^Erika", series=2))
    world.drain()
    (patient,) = world.target.of_type("Patient")
    assert patient["id"] != "ehr-1"
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": f"Patient/{patient['id']}"}


def test_a_patient_that_was_deleted_is_looked_up_anew(world: World) -> None:
    world.target.put(theirs())
    world.publish(study())
    world.target.held.pop("Patient/ehr-1")
    world.target.put(theirs("ehr-9"))
    world.publish(study(series=2))
    assert world.target.imaging_study("1.2.3")["subject"] == {"reference": "Patient/ehr-9"}
    assert quarantined(world) is None


def test_a_refused_patient_is_not_taken_for_a_deleted_one(world: World) -> None:
    world.publish(study("1.2.9", patient_id="P9"))
    key = _mapped(world, study()).patient_key
    world.target.habits.refused[f"Patient/{patient_id(key or '')}"] = 422
    world.drain()
    assert quarantined(world) == "invalid"


def test_a_server_that_cannot_search_is_told_with_a_way_out(world: World) -> None:
    world.source.put(study())
    world.poller.poll()
    world.target.script.always("look_up", Refused("no such search", peer="fhir", status=400))
    with pytest.raises(Refused) as raised:
        world.drain()
    assert "patients.mode: create" in str(raised.value.hint)


def test_one_identifier_that_is_not_looked_for_stops_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = type(world.target).look_up

    def without_odd(target: Any, lookups: Any) -> Any:
        if any(one.value == "odd" for one in lookups):
            raise Refused("what is that?", peer="fhir", status=400)
        return look_up(target, lookups)

    monkeypatch.setattr(type(world.target), "look_up", without_odd)
    world.publish(
        *[study(f"1.2.{number}", patient_id=f"P{number}") for number in range(9)], study("1.3", patient_id="odd")
    )
    assert len(world.target.of_type("ImagingStudy")) == 9
    assert quarantined(world, "1.3") == "invalid"


def test_an_order_that_is_not_looked_for_stays_logical(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, resolve=("basedOn",), accession_system="urn:ris")
    look_up = type(world.target).look_up

    def without_a1(target: Any, lookups: Any) -> Any:
        if any(one.value == "A1" for one in lookups):
            raise Refused("what is that?", peer="fhir", status=400)
        return look_up(target, lookups)

    monkeypatch.setattr(type(world.target), "look_up", without_a1)
    world.publish(study(AccessionNumber="A1"))
    (order,) = world.target.imaging_study("1.2.3")["basedOn"]
    assert "reference" not in order


def test_a_reference_that_one_resource_bears_is_written(world: World) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, resolve=("basedOn",), accession_system="urn:ris")
    world.target.put(
        {"resourceType": "ServiceRequest", "id": "order-1", "identifier": [{"system": "urn:ris", "value": "A1"}]}
    )
    world.publish(study("1.2.3", AccessionNumber="A1"), study("1.2.4", AccessionNumber="A2"))
    (order,) = world.target.imaging_study("1.2.3")["basedOn"]
    assert (order["reference"], order["identifier"]["value"]) == ("ServiceRequest/order-1", "A1")
    (order,) = world.target.imaging_study("1.2.4")["basedOn"]
    assert "reference" not in order


def test_a_number_without_a_system_is_not_looked_up(world: World) -> None:
    """It may be another patient's."""
    adopt(world, Mode.MATCH_OR_CREATE, resolve=("basedOn",))
    world.target.put({"resourceType": "ServiceRequest", "id": "order-1", "identifier": [ORDER]})
    world.publish(study(AccessionNumber="A1"))
    (order,) = world.target.imaging_study("1.2.3")["basedOn"]
    assert "reference" not in order


def test_two_numbers_of_one_patient_of_others_write_it_once(world: World) -> None:
    """Both studies share a Bundle, and the latest speaks."""
    adopt(world, Mode.MATCH_OR_CREATE, "always")
    identifier = [{"system": SYSTEM, "value": value} for value in ("P1", "P2")]
    world.target.put(theirs() | {"identifier": identifier})
    world.publish(
        study("1.2.3", patient_id="P1", name="Old^Erika", StudyDate="20200101"),
        study("1.2.4", patient_id="P2", name="New^Erika", StudyDate="20240101"),
    )
    (patient,) = world.target.of_type("Patient")
    assert (patient["id"], patient["name"][0]["family"]) == ("ehr-1", "New")
    assert len(world.target.of_type("ImagingStudy")) == 2


def test_of_two_resources_none_is_referred_to(world: World) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, resolve=("basedOn",), accession_system="urn:ris")
    for number in (1, 2):
        identifier = [{"system": "urn:ris", "value": "A1"}]
        world.target.put({"resourceType": "ServiceRequest", "id": f"order-{number}", "identifier": identifier})
    world.publish(study(AccessionNumber="A1"))
    (order,) = world.target.imaging_study("1.2.3")["basedOn"]
    assert "reference" not in order


def test_what_was_resolved_counts_as_unchanged(world: World) -> None:
    adopt(world, Mode.MATCH_OR_CREATE, resolve=("basedOn",), accession_system="urn:ris")
    world.target.put({"resourceType": "ServiceRequest", "id": "order-1", "identifier": [ORDER]})
    world.publish(study(AccessionNumber="A1"))
    sent = len(world.target.sent)
    world.publish(study(AccessionNumber="A1"))
    assert len(world.target.sent) == sent


def test_the_wait_for_a_patient_grows(world: World) -> None:
    adopt(world, Mode.MATCH)
    one = _mapped(world, study())
    one = replace(one, task=replace(one.task, first_event_at=world.clock() - 4000))
    (settlement,) = world.resolver.resolve([one], world.clock()).settlements
    assert isinstance(settlement, Deferred)
    assert settlement.due_in_s == 1000.0


def test_an_ambiguous_patient_is_told_without_its_number(world: World) -> None:
    world.target.put(theirs("ehr-1"))
    world.target.put(theirs("ehr-2"))
    (settlement,) = world.resolver.resolve([_mapped(world, study())], world.clock()).settlements
    assert isinstance(settlement, Quarantined)
    assert "P1" not in settlement.text + settlement.hint


def _mapped(world: World, one: Any) -> MappedStudy:
    world.source.put(one)
    world.poller.poll()
    (task,) = world.take()
    world.ledger.settle([Deferred(task=task, due_in_s=0.0, cause="given_back")], world.clock())
    mapped = world.reader.read(task)
    assert isinstance(mapped, MappedStudy)
    assert SITE_KEY.decode() not in repr(mapped)
    return mapped


def test_a_patient_that_is_gone_again_and_again_is_asked_for_ever_more_rarely(world: World) -> None:
    """An old Patient that names a successor whom nobody has."""
    link = [{"other": {"reference": "Patient/ghost"}, "type": "replaced-by"}]
    world.target.put(theirs(link=link))
    world.publish(study())
    row = world.ledger.study("1.2.3")
    assert row is not None
    assert row.dirty is not None
    assert (row.dirty.last_cause, row.dirty.attempts) == ("patient_gone", 2)
    assert row.dirty.due_at >= world.clock() + 15
