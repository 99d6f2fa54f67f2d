"""Whose Patient a study refers to: what is looked up, and what follows from the answer."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.errors import Refused
from indexer.mapping import Subject
from indexer.model import Deferred, Quarantined, Settlement
from indexer.model.choices import PatientMode
from indexer.plan import MappedStudy, PatientPolicy
from indexer.strategies import patient_id
from tests.fakes.memory import study
from tests.unit.world import SITE_KEY, World, configured

SYSTEM = "urn:oid:1.2.3.4"
NOT_FOR_YOU = Refused("what is that?", peer="fhir", status=400)


def theirs(fhir_id: str = "ehr-1", value: str = "P1", **elements: Any) -> dict[str, Any]:
    identifier = [{"system": SYSTEM, "value": value}]
    return {"resourceType": "Patient", "id": fhir_id, "identifier": identifier, "active": True, **elements}


def merged_into(fhir_id: str) -> dict[str, Any]:
    return theirs(link=[{"other": {"reference": f"Patient/{fhir_id}"}, "type": "replaced-by"}])


def adopt(
    world: World, mode: PatientMode = PatientMode.MATCH_OR_CREATE, update: Any = "when_ours", **rules: Any
) -> None:
    """Give the world another policy and other rules."""
    world.policy = PatientPolicy(mode=mode, update=update)
    world.sources["main"] = configured(world.source, **rules)


def subject(world: World, uid: str = "1.2.3") -> str:
    (reference,) = world.study(uid)["subject"].values()
    return str(reference)


def mapped(world: World) -> MappedStudy:
    """A study that stays due."""
    world.store(study())
    (task,) = world.take()
    world.ledger.settle([Deferred(task=task, due_in_s=0.0, cause="given_back")], world.clock())
    one = world.reader.read(task)
    assert isinstance(one, MappedStudy)
    assert SITE_KEY.decode() not in repr(one)
    return one


def resolved(world: World, waited_s: float = 0.0) -> Settlement:
    """How a study ends that finds no Patient."""
    one = mapped(world)
    one = replace(one, task=replace(one.task, first_event_at=world.clock() - waited_s))
    (settlement,) = world.resolver.resolve([one], world.clock()).settlements
    return settlement


def test_the_patient_that_is_there_is_referred_to_and_left_alone(world: World) -> None:
    world.target.put(theirs())
    world.publish(study("1.2.3"), study("1.2.4"))
    assert [subject(world, uid) for uid in ("1.2.3", "1.2.4")] == ["Patient/ehr-1"] * 2
    assert world.target.of_type("Patient") == [theirs()]
    assert world.target.versions["Patient/ehr-1"] == 1


def test_a_patient_that_is_known_is_not_looked_up_again(world: World) -> None:
    world.target.put(theirs())
    world.publish(study())
    asked = world.target.script.calls["look_up"]
    world.target.held["Patient/ehr-1"]["identifier"] = []
    world.publish(study(series=2))
    assert subject(world) == "Patient/ehr-1"
    assert world.target.script.calls["look_up"] == asked


def test_many_patients_are_looked_up_at_once(world: World) -> None:
    world.publish(*[study(f"1.2.{number}", patient_id=f"P{number}") for number in range(30)])
    assert len(world.target.of_type("Patient")) == 30
    assert world.target.script.calls["look_up"] <= len(world.target.sent)


def test_one_that_two_bear_is_not_picked_and_is_told_without_its_number(world: World) -> None:
    for fhir_id in ("ehr-1", "ehr-2"):
        world.target.put(theirs(fhir_id))
    settlement = resolved(world)
    assert isinstance(settlement, Quarantined)
    assert "P1" not in settlement.text + settlement.hint
    world.drain()
    assert world.quarantined == {"1.2.3": "patient_ambiguous"}
    assert world.studies == []
    world.target.held.pop("Patient/ehr-2")
    world.ledger.replay([], world.clock(), sources=["main"])
    world.drain()
    assert subject(world) == "Patient/ehr-1"


def test_a_patient_that_was_merged_into_another_counts_as_that_one(world: World) -> None:
    world.target.put(merged_into("ehr-2"))
    world.target.put(theirs("ehr-2"))
    world.publish(study())
    assert subject(world) == "Patient/ehr-2"


def test_match_waits_until_there_is_one(world: World) -> None:
    adopt(world, PatientMode.MATCH)
    world.publish(study())
    assert (world.cause(), world.quarantined) == ("patient_not_found", {})
    assert (world.target.of_type("Patient"), world.studies) == ([], [])
    world.target.put(theirs())
    world.clock.pass_by(60)
    world.drain()
    assert subject(world) == "Patient/ehr-1"
    assert world.target.of_type("Patient") == [theirs()]


def test_the_wait_for_a_patient_grows(world: World) -> None:
    adopt(world, PatientMode.MATCH)
    settlement = resolved(world, waited_s=4000)
    assert isinstance(settlement, Deferred)
    assert settlement.due_in_s == 1000.0


def test_create_does_not_look(world: World) -> None:
    adopt(world, PatientMode.CREATE)
    world.ownership = "exclusive"
    world.target.put(theirs())
    world.publish(study())
    assert len(world.target.of_type("Patient")) == 2
    assert world.target.script.calls["look_up"] == 0


@pytest.mark.parametrize("kind", [Subject.LOGICAL, Subject.CONTAINED])
def test_no_patient_of_its_own(world: World, kind: Subject) -> None:
    adopt(world, subject=kind)
    world.publish(study())
    assert world.target.of_type("Patient") == []
    assert "subject" in world.study()
    assert world.verify().is_equal


def test_a_corrected_number_leads_to_the_other_patient(world: World) -> None:
    world.target.put(theirs("ehr-2", value="P2"))
    subjects = []
    for number in ("P1", "P2", "P3"):
        world.publish(study(patient_id=number))
        assert world.verify().is_equal
        subjects.append(subject(world))
    assert subjects[1] == "Patient/ehr-2"
    assert len(set(subjects)) == 3
    assert set(subjects) <= world.target.held.keys()


@pytest.mark.parametrize(
    ("update", "own", "of_others"),
    [("never", "Muster", None), ("when_ours", "Neu", None), ("always", "Neu", "Neu")],
)
def test_whose_demographics_follow_the_archive(world: World, update: Any, own: str, of_others: str | None) -> None:
    adopt(world, update=update)
    world.target.put(theirs(value="P2", telecom=[{"value": "1"}]))
    for options in ({}, {"name": "Neu^Erika", "series": 2}):
        world.publish(*[study(f"1.2.{number}", patient_id=f"P{number}", **options) for number in (1, 2)])
    held = {one["identifier"][0]["value"]: one for one in world.target.of_type("Patient")}
    assert held["P1"]["name"][0]["family"] == own
    assert held["P2"].get("name", [{}])[0].get("family") == of_others
    assert held["P2"]["telecom"] == [{"value": "1"}]


def test_two_numbers_of_one_patient_of_others_write_it_once(world: World) -> None:
    """Both studies share a Bundle, and the latest speaks."""
    adopt(world, update="always")
    identifier = [{"system": SYSTEM, "value": value} for value in ("P1", "P2")]
    world.target.put(theirs() | {"identifier": identifier})
    world.publish(
        study("1.2.3", patient_id="P1", name="Old^Erika", StudyDate="20200101"),
        study("1.2.4", patient_id="P2", name="New^Erika", StudyDate="20240101"),
    )
    (patient,) = world.target.of_type("Patient")
    assert (patient["id"], patient["name"][0]["family"]) == ("ehr-1", "New")
    assert len(world.studies) == 2


@pytest.mark.parametrize(("fhir_id", "update"), [("ehr-9", "when_ours"), (None, "always")])
def test_a_patient_of_others_that_vanished_is_looked_up_anew_and_not_made_under_their_id(
    world: World, fhir_id: str | None, update: str
) -> None:
    adopt(world, update=update)
    world.target.put(theirs())
    world.publish(study())
    world.target.held.pop("Patient/ehr-1")
    if fhir_id:
        world.target.put(theirs(fhir_id))
    world.publish(study(name="Neu^Erika", series=2))
    world.drain()
    (patient,) = world.target.of_type("Patient")
    assert (patient["id"] == fhir_id) == bool(fhir_id)
    assert patient["id"] != "ehr-1"
    assert subject(world) == f"Patient/{patient['id']}"
    assert world.quarantined == {}


def test_a_refused_patient_is_not_taken_for_a_deleted_one(world: World) -> None:
    world.publish(study("1.2.9", patient_id="P9"))
    key = mapped(world).patient_key
    world.target.habits.refused[f"Patient/{patient_id(key or '')}"] = 422
    world.drain()
    assert world.quarantined == {"1.2.3": "invalid"}


def test_a_patient_that_is_gone_again_and_again_is_asked_for_ever_more_rarely(world: World) -> None:
    """An old Patient that names a successor whom nobody has."""
    world.target.put(merged_into("ghost"))
    world.publish(study())
    assert (world.cause(), world.dirty().attempts) == ("patient_gone", 2)
    assert world.dirty().due_at >= world.clock() + 15


def test_a_server_that_cannot_search_is_told_with_a_way_out(world: World) -> None:
    world.target.script.always("look_up", NOT_FOR_YOU)
    with pytest.raises(Refused) as raised:
        world.publish(study())
    assert "patients.mode: create" in str(raised.value.hint)


@pytest.mark.parametrize(("error", "cause"), [(NOT_FOR_YOU, "invalid"), (RecursionError("deep"), "internal_error")])
def test_one_identifier_that_is_not_looked_for_stops_nobody_else(world: World, error: Exception, cause: str) -> None:
    world.break_at("look_up", lambda lookup: lookup.value == "P7", error)
    world.publish(*[study(f"1.2.{number}", patient_id=f"P{number}") for number in range(10)])
    assert len(world.studies) == 9
    assert world.quarantined == {"1.2.7": cause}


@pytest.mark.parametrize(
    ("orders", "system", "reference"),
    [
        (1, "urn:ris", "ServiceRequest/order-0"),
        (0, "urn:ris", None),
        (2, "urn:ris", None),
        (1, None, None),
        (None, "urn:ris", None),
    ],
    ids=["one", "none", "two", "a number without a system may be another patient's", "not looked for"],
)
def test_a_reference_that_one_resource_bears_is_written_once(
    world: World, orders: int | None, system: str | None, reference: str | None
) -> None:
    adopt(world, resolve=("basedOn",), accession_system=system)
    identifier = [{"system": "urn:ris", "value": "A1"}]
    for number in range(orders or 0):
        world.target.put({"resourceType": "ServiceRequest", "id": f"order-{number}", "identifier": identifier})
    if orders is None:
        world.break_at("look_up", lambda lookup: lookup.value == "A1", NOT_FOR_YOU)
    world.publish(study(AccessionNumber="A1"))
    (order,) = world.study()["basedOn"]
    assert (order.get("reference"), order["identifier"]["value"]) == (reference, "A1")
    sent = len(world.target.sent)
    world.publish(study(AccessionNumber="A1"))
    assert len(world.target.sent) == sent, "what was resolved counts as unchanged"
