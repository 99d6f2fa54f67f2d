"""Patients that were merged into others on the FHIR server."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.errors import Refused
from indexer.model import Lane, successor
from indexer.model.choices import PatientMode
from tests.fakes.memory import study
from tests.unit.test_drain_resolve import adopt, mapped, subject, theirs
from tests.unit.world import World, many

REPLACED_BY = "replaced-by"


def link(fhir_id: str, kind: str = REPLACED_BY) -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{fhir_id}"}, "type": kind}


def merge(world: World, reference: str, *into: str, kind: str = REPLACED_BY) -> None:
    """Merge a Patient into others, as an EHR does that leaves the references to it alone."""
    patient = world.target.held[reference]
    world.target.put({**patient, "active": False, "link": [link(fhir_id, kind) for fhir_id in into]})


def without_number(fhir_id: str, **elements: Any) -> dict[str, Any]:
    """A Patient of another number."""
    return theirs(fhir_id, value=f"number of {fhir_id}", **elements)


def differences(world: World) -> dict[str, tuple[str, ...]]:
    return {finding.study_instance_uid: finding.differences for finding in world.verify().findings}


@pytest.fixture
def published(world: World) -> World:
    """A study of a Patient of another system, and a second Patient that has another number."""
    world.target.put(theirs())
    world.target.put(without_number("ehr-2"))
    world.publish(study())
    assert subject(world) == "Patient/ehr-1"
    return world


def test_a_merge_before_we_came_is_right_for_verify(world: World) -> None:
    world.target.put(theirs(active=False, link=[link("ehr-2")]))
    world.target.put(without_number("ehr-2"))
    world.publish(study())
    assert subject(world) == "Patient/ehr-2"
    assert differences(world) == {}


def test_a_merge_whose_references_the_server_moved_is_right_for_verify(published: World) -> None:
    merge(published, "Patient/ehr-1", "ehr-2")
    published.target.put(published.study() | {"subject": {"reference": "Patient/ehr-2"}})
    assert differences(published) == {}
    published.publish(study(series=2))
    assert subject(published) == "Patient/ehr-2"


def test_a_merge_after_we_published_is_followed_at_the_next_write(published: World) -> None:
    merge(published, "Patient/ehr-1", "ehr-2")
    assert differences(published) == {"1.2.3": ("wrong subject",)}
    published.publish(study(series=2))
    assert subject(published) == "Patient/ehr-2"
    assert differences(published) == {}
    assert published.target.versions["Patient/ehr-2"] == 1, "others' Patients are left alone"


def test_a_forced_backfill_follows_a_merge(published: World) -> None:
    merge(published, "Patient/ehr-1", "ehr-2")
    published.mark("1.2.3", lane=Lane.BACKFILL, force=True)
    published.drain()
    assert subject(published) == "Patient/ehr-2"
    assert differences(published) == {}


def test_the_other_studies_of_the_patient_follow_when_they_are_taken_again(published: World) -> None:
    published.publish(study("1.2.4"))
    merge(published, "Patient/ehr-1", "ehr-2")
    published.publish(study("1.2.5"))
    assert [subject(published, uid) for uid in ("1.2.3", "1.2.4", "1.2.5")] == [
        "Patient/ehr-1",
        "Patient/ehr-1",
        "Patient/ehr-2",
    ]
    published.mark("1.2.3", "1.2.4")
    published.drain()
    assert {subject(published, uid) for uid in ("1.2.3", "1.2.4", "1.2.5")} == {"Patient/ehr-2"}


@pytest.mark.parametrize("mode", [PatientMode.MATCH_OR_CREATE, PatientMode.CREATE])
def test_a_patient_of_ours_that_was_merged_is_followed_and_never_written_again(world: World, mode: PatientMode) -> None:
    adopt(world, mode)
    world.publish(study())
    ours = subject(world)
    world.target.put(without_number("ehr-2"))
    merge(world, ours, "ehr-2")
    world.publish(study(series=2, name="Neu^Erika"))
    assert subject(world) == "Patient/ehr-2"
    assert differences(world) == {}
    assert world.target.held[ours]["active"] is False
    assert world.target.held[ours]["name"][0]["family"] == "Muster"


@pytest.mark.parametrize("is_known", [True, False])
def test_a_chain_of_merges_is_followed_to_its_end(world: World, is_known: bool) -> None:
    world.target.put(theirs())
    for number in (2, 3, 4):
        world.target.put(without_number(f"ehr-{number}"))
    if is_known:
        world.publish(study())
    for number in (1, 2, 3):
        merge(world, f"Patient/ehr-{number}", f"ehr-{number + 1}")
    world.publish(study(series=2))
    assert subject(world) == "Patient/ehr-4"
    assert differences(world) == {}


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("into", [("ehr-1",), ("ehr-2",)])
def test_a_circle_of_merges_is_not_followed(world: World, is_known: bool, into: tuple[str, ...]) -> None:
    world.target.put(theirs())
    world.target.put(without_number("ehr-2"))
    if is_known:
        world.publish(study())
    merge(world, "Patient/ehr-1", *into)
    merge(world, "Patient/ehr-2", "ehr-1")
    world.publish(study(series=2))
    assert subject(world) == "Patient/ehr-1"
    assert differences(world) == {}


def test_a_chain_without_an_end_is_not_followed(published: World) -> None:
    for number in range(1, 40):
        published.target.put(without_number(f"ehr-{number + 1}"))
        merge(published, f"Patient/ehr-{number}", f"ehr-{number + 1}")
    published.publish(study(series=2))
    assert subject(published) == "Patient/ehr-1"


@pytest.mark.parametrize("kind", ["seealso", "refer", "replaces"])
def test_other_links_are_not_followed(published: World, kind: str) -> None:
    merge(published, "Patient/ehr-1", "ehr-2", kind=kind)
    published.publish(study(series=2))
    assert subject(published) == "Patient/ehr-1"
    assert differences(published) == {}


@pytest.mark.parametrize(
    "odd",
    [
        "x",
        {"type": REPLACED_BY},
        {"type": REPLACED_BY, "other": "Patient/ehr-2"},
        {"type": REPLACED_BY, "other": {"reference": "http://elsewhere.example/fhir/Patient/ehr-2"}},
        {"type": REPLACED_BY, "other": {"reference": "RelatedPerson/ehr-2"}},
        {"type": REPLACED_BY, "other": {"identifier": {"value": "1"}}},
    ],
)
def test_a_link_that_names_no_patient_of_this_server_is_none(odd: Any) -> None:
    assert successor({"link": [odd]}) is None


def test_a_patient_that_two_are_said_to_replace_stays(published: World) -> None:
    published.target.put(without_number("ehr-3"))
    merge(published, "Patient/ehr-1", "ehr-2", "ehr-3")
    published.publish(study(series=2))
    assert subject(published) == "Patient/ehr-1"


def test_known_patients_are_read_together_and_only_for_studies_that_are_written(world: World) -> None:
    world.publish(*many(30))
    world.target.script.calls.clear()
    world.publish(*many(30, series=2))
    bundles = len([kind for kind, _ in world.target.sent])
    assert 1 <= world.target.script.calls["fetch"] <= bundles + 1  # one more for the Endpoint at the start
    world.target.script.calls.clear()
    world.mark(*(one.study_instance_uid for one in many(30)))
    world.drain()
    assert world.target.script.calls["fetch"] == 1


def test_a_patient_that_the_server_does_not_show_stops_nobody(published: World) -> None:
    published.break_at("fetch", lambda reference: reference == "Patient/ehr-1", Refused("no", peer="fhir", status=403))
    published.publish(study(series=2), study("1.2.4", patient_id="P4"))
    assert subject(published) == "Patient/ehr-1"
    assert published.quarantined == {}


def test_the_bundle_before_does_not_undo_what_was_followed(published: World) -> None:
    """It was resolved before the merge, and recorded the former Patient after it."""
    merge(published, "Patient/ehr-1", "ehr-2")
    later = mapped(published)
    later = replace(later, task=replace(later.task, force=True))
    state = published.resolver.resolve([later], published.clock()).state
    renewed = published.resolver.renewed([later], state, {})
    assert renewed.patients[later.patient_key or ""].fhir_id == "ehr-2"
