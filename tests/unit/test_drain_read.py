"""Reading and mapping one study: what is sent, what waits, what is kept aside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from indexer import mapping, schedule
from indexer.errors import (
    AccessDenied,
    PeerError,
    ProtocolViolation,
    Refused,
    StudyChanging,
    StudyNotReady,
    Unavailable,
)
from indexer.model import Deferred, Dropped, Quarantined
from indexer.plan import MappedStudy, Verb
from indexer.sync.drain import read
from tests.fakes.memory import MemorySource, study
from tests.unit.world import SITE_KEY, configured

if TYPE_CHECKING:
    from indexer.model import Task
    from tests.unit.world import World

BROKEN = Unavailable("a file is missing", peer="orthanc", status=500)
DOWN = Unavailable("down", peer="orthanc")


def taken(world: World, one: Any = None, **options: Any) -> Task:
    """A stored study's task."""
    world.source.put(one or study(), **options)
    world.poller.poll()
    (task,) = world.take()
    return task


def read_study(world: World, task: Task) -> MappedStudy:
    mapped = world.reader.read(task)
    assert isinstance(mapped, MappedStudy)
    return mapped


def verbs(world: World, task: Task) -> dict[str, Verb]:
    """What would be done, by resource type."""
    return {key.type: action.verb for key, action in world.plan(task).actions.items()}


def test_a_study_becomes_resources_ready_to_be_sent(world: World) -> None:
    task = taken(world, study(series=2, instances=3))
    mapped = read_study(world, task)
    resource = orjson.loads(mapped.body)
    assert (resource["numberOfSeries"], resource["numberOfInstances"]) == (2, 6)
    assert (mapped.number_of_series, mapped.number_of_instances) == (2, 6)
    assert resource["subject"]["reference"] == f"Patient/{mapped.patient_key}"
    assert resource["endpoint"] == [{"reference": "Endpoint/main"}]
    assert "id" not in resource
    assert verbs(world, task) == {"Patient": Verb.CREATE, "ImagingStudy": Verb.CREATE}


def test_what_is_confirmed_is_not_sent(world: World) -> None:
    world.publish(study())
    task = taken(world)
    assert task.published is not None
    assert verbs(world, task) == {"Patient": Verb.NOTHING, "ImagingStudy": Verb.NOTHING}


def test_force_sends_what_is_confirmed(world: World) -> None:
    world.publish(study())
    task = replace(taken(world), force=True)
    assert verbs(world, task) == {"Patient": Verb.NOTHING, "ImagingStudy": Verb.UPDATE}


def test_a_new_generation_of_the_mapping_sends_all_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(study())
    monkeypatch.setattr(mapping, "MAPPING_GENERATION", mapping.MAPPING_GENERATION + 1)
    assert verbs(world, taken(world))["ImagingStudy"] is Verb.UPDATE


def test_only_the_patient_changed(world: World) -> None:
    world.publish(study())
    task = taken(world, study(PatientSex="F"))
    assert verbs(world, task) == {"Patient": Verb.UPDATE, "ImagingStudy": Verb.NOTHING}


def test_a_study_that_is_gone_is_dropped(world: World) -> None:
    task = taken(world)
    world.source.remove("orthanc-1.2.3")
    assert world.reader.read(task) == Dropped(task=task)


def test_a_study_that_changes_is_read_again_soon(world: World) -> None:
    task = taken(world)
    world.source.script.next("read", StudyChanging("moved", cause="changing"))
    assert world.reader.read(task) == Deferred(task=task, due_in_s=read.AGAIN_S, cause="changing")


@pytest.mark.parametrize(("waited_s", "due_in_s"), [(0, 30), (100, 30), (4000, 1000), (10**6, 6 * 3600)])
def test_a_study_whose_issuer_cannot_be_read_waits_and_is_asked_for_ever_more_rarely(
    world: World, waited_s: float, due_in_s: float
) -> None:
    task = taken(world)
    world.source.script.next("sample", StudyNotReady("DICOMweb is away", cause="issuer_unread"))
    world.clock.pass_by(waited_s)
    assert world.reader.read(task) == Deferred(task=task, due_in_s=due_in_s, cause="issuer_unread")


def test_a_study_without_a_patient_number_goes_to_quarantine(world: World) -> None:
    done = world.reader.read(taken(world, study(patient_id=None)))
    assert isinstance(done, Quarantined)
    assert (done.cause, bool(done.hint)) == ("no_patient_id", True)


def test_a_resource_that_breaks_our_own_rules_is_never_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = taken(world)
    monkeypatch.setattr(mapping, "check", lambda resource, release: ("ImagingStudy.status: missing",))
    done = world.reader.read(task)
    assert isinstance(done, Quarantined)
    assert (done.cause, done.text) == (
        "invalid_resource",
        "ImagingStudy.status: missing; ImagingStudy.status: missing",
    )


def test_without_samples_the_issuer_is_not_asked_for(world: World) -> None:
    task = taken(world)
    world.sources["main"] = configured(world.source, issuer="ignore")
    assert read_study(world, task)
    assert world.source.script.calls["sample"] == 0


# --- whose fault is it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        Unavailable("busy", peer="orthanc", status=503),
        AccessDenied("who?", peer="orthanc", status=401),
    ],
)
def test_an_outage_is_no_failure_of_the_study(world: World, error: PeerError) -> None:
    task = taken(world)
    world.source.script.next("read", error)
    with pytest.raises(type(error)):
        world.reader.read(task)


@pytest.mark.parametrize(
    "error",
    [BROKEN, ProtocolViolation("cut", peer="orthanc"), Refused("no", peer="orthanc", status=404)],
)
def test_a_study_that_the_source_fails_on_is_tried_again_then_quarantined(world: World, error: PeerError) -> None:
    world.source.script.always("read", error)
    task = taken(world)
    done = world.reader.read(task)
    assert isinstance(done, Deferred)
    assert (done.cause, done.counts) == ("source_error", True)
    assert 15 <= done.due_in_s <= 30
    done = world.reader.read(replace(task, attempts=schedule.ATTEMPTS - 1))
    assert isinstance(done, Quarantined)
    assert done.cause == "source_error"


@pytest.mark.parametrize("error", [BROKEN, ProtocolViolation("a login page", peer="orthanc", status=200)])
def test_a_source_that_fails_on_everything_is_an_outage(world: World, error: PeerError) -> None:
    """Else a proxy's login page would send the whole archive to quarantine."""
    world.source.script.always("read", error)
    world.source.script.always("ping", error)
    task = replace(taken(world), attempts=schedule.ATTEMPTS - 1)
    with pytest.raises(type(error)):
        world.reader.read(task)


# --- locations ----------------------------------------


def test_one_study_under_two_patients_is_an_identity_conflict(world: World) -> None:
    world.source.put(study())
    task = taken(world, study(patient_id="P2"), location_id="second")
    assert len(task.locations) == 2
    done = world.reader.read(task)
    assert isinstance(done, Quarantined)
    assert done.cause == "identity_conflict"


def test_a_copy_that_is_gone_is_no_conflict(world: World) -> None:
    world.source.put(study())
    task = taken(world, study(patient_id="P2"), location_id="second")
    world.source.remove("orthanc-1.2.3")
    assert b'"P2"' in read_study(world, task).patient_body


def test_a_study_is_read_from_the_first_source_that_holds_it(world: World) -> None:
    second = MemorySource(world.clock, "second")
    other = configured(second)
    world.sources["second"] = other
    world.source.put(study())
    locations = (second.put(study(series=2)), world.source.find("1.2.3")[0])
    assert world.reader.studies.read(locations)[1] is world.sources["main"]
    world.source.remove("orthanc-1.2.3")
    found, by = world.reader.studies.read(locations)
    assert (by, len(found.series)) == (other, 2)


def test_a_study_of_a_source_that_is_not_configured_waits(world: World) -> None:
    """It was not heard to be gone; when the source is back, its feed does not tell of the study again."""
    task = taken(world)
    del world.sources["main"]
    done = world.reader.read(task)
    assert isinstance(done, Deferred)
    assert done.cause == "source_not_configured"


def test_the_key_is_not_shown(world: World) -> None:
    assert repr(SITE_KEY) not in repr(world.reader)
