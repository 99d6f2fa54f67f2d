"""Reading and mapping one study: what is sent, what waits, what is kept aside."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from indexer import mapping, schedule
from indexer.errors import (
    AccessDenied,
    PeerError,
    ProtocolViolation,
    Refused,
    StudyChanging,
    StudyError,
    StudyNotReady,
    Unavailable,
)
from indexer.model import Deferred, Dropped, Quarantined, Task
from indexer.plan import MappedStudy, Verb
from indexer.sync.drain import read
from tests.fakes.memory import study
from tests.unit.world import BROKEN, DOWN, World, configured

CREATE, UPDATE, NOTHING = Verb.CREATE, Verb.UPDATE, Verb.NOTHING


def taken(world: World, one: Any = None, **options: Any) -> Task:
    """A stored study's task."""
    world.store(one or study(), **options)
    (task,) = world.take()
    return task


def read_study(world: World, task: Task) -> MappedStudy:
    mapped = world.reader.read(task)
    assert isinstance(mapped, MappedStudy)
    return mapped


def quarantined(world: World, task: Task) -> Quarantined:
    done = world.reader.read(task)
    assert isinstance(done, Quarantined)
    return done


def verbs(world: World, task: Task) -> tuple[Verb, ...]:
    """What would be done with the Patient and the ImagingStudy."""
    return tuple(action.verb for action in world.plan(task).actions.values())


def test_a_study_becomes_resources_ready_to_be_sent(world: World) -> None:
    task = taken(world, study(series=2, instances=3))
    mapped = read_study(world, task)
    resource = orjson.loads(mapped.body)
    assert (resource["numberOfSeries"], resource["numberOfInstances"]) == (2, 6)
    assert (mapped.number_of_series, mapped.number_of_instances) == (2, 6)
    assert resource["subject"]["reference"] == f"Patient/{mapped.patient_key}"
    assert resource["endpoint"] == [{"reference": "Endpoint/main"}]
    assert "id" not in resource
    assert [key.type for key in world.plan(task).actions] == ["Patient", "ImagingStudy"]
    assert verbs(world, task) == (CREATE, CREATE)


@pytest.mark.parametrize(
    ("keywords", "force", "generations", "expected"),
    [
        ({}, False, 0, (NOTHING, NOTHING)),
        ({}, True, 0, (NOTHING, UPDATE)),
        ({}, False, 1, (NOTHING, UPDATE)),
        ({"PatientSex": "F"}, False, 0, (UPDATE, NOTHING)),
    ],
    ids=["confirmed", "forced", "mapped otherwise", "another patient"],
)
def test_what_is_confirmed_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, keywords: Any, force: bool, generations: int, expected: Any
) -> None:
    world.publish(study())
    monkeypatch.setattr(mapping, "MAPPING_GENERATION", mapping.MAPPING_GENERATION + generations)
    task = replace(taken(world, study(**keywords)), force=force)
    assert task.published is not None
    assert verbs(world, task) == expected


def test_a_study_that_is_gone_is_dropped(world: World) -> None:
    task = taken(world)
    world.source.remove("orthanc-1.2.3")
    assert world.reader.read(task) == Dropped(task=task)


@pytest.mark.parametrize(
    ("step", "error", "waited_s", "due_in_s"),
    [
        ("read", StudyChanging("moved", cause="changing"), 0, read.AGAIN_S),
        *(
            ("sample", StudyNotReady("DICOMweb is away", cause="issuer_unread"), waited_s, due_in_s)
            for waited_s, due_in_s in [(0, 30), (100, 30), (4000, 1000), (10**6, 6 * 3600)]
        ),
    ],
)
def test_a_study_that_changes_is_read_soon_and_one_whose_issuer_is_not_read_ever_more_rarely(
    world: World, step: str, error: StudyError, waited_s: float, due_in_s: float
) -> None:
    task = taken(world)
    world.source.script.next(step, error)
    world.clock.pass_by(waited_s)
    assert world.reader.read(task) == Deferred(task=task, due_in_s=due_in_s, cause=error.cause)


def test_a_study_without_a_patient_number_goes_to_quarantine(world: World) -> None:
    done = quarantined(world, taken(world, study(patient_id=None)))
    assert (done.cause, bool(done.hint)) == ("no_patient_id", True)


def test_a_resource_that_breaks_our_own_rules_is_never_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "check", lambda resource, release: ("ImagingStudy.status: missing",))
    done = quarantined(world, taken(world))
    assert done.cause == "invalid_resource"
    assert done.text == "ImagingStudy.status: missing; ImagingStudy.status: missing"


def test_without_samples_the_issuer_is_not_asked_for(world: World) -> None:
    task = taken(world)
    world.sources["main"] = configured(world.source, issuer="ignore")
    assert read_study(world, task)
    assert world.source.script.calls["sample"] == 0


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
    assert quarantined(world, replace(task, attempts=schedule.ATTEMPTS - 1)).cause == "source_error"


@pytest.mark.parametrize("method", ["read", "sample"])
def test_malformed_answers_are_the_source_s_failure_if_another_study_gets_them_too(world: World, method: str) -> None:
    world.store(study("1.2.3"), study("1.2.4"))
    reader, (first, second) = world.reader, world.take()
    reader.read(first)
    world.source.script.always(method, ProtocolViolation("no list", peer="orthanc"))
    with pytest.raises(ProtocolViolation):
        reader.read(second)
    world.source.script.always(method, None)
    world.source.script.next(method, ProtocolViolation("no list", peer="orthanc"))
    done = reader.read(second)
    assert isinstance(done, Deferred)
    assert (done.cause, done.counts) == ("source_error", True)
    world.source.script.always(method, ProtocolViolation("no list", peer="orthanc"))
    assert isinstance(reader.read(first), Deferred), "none but itself was read well"


@pytest.mark.parametrize("error", [BROKEN, ProtocolViolation("a login page", peer="orthanc", status=200)])
def test_a_source_that_fails_on_everything_is_an_outage(world: World, error: PeerError) -> None:
    """Else a proxy's login page would send the whole archive to quarantine."""
    world.source.script.always("read", error)
    world.source.script.always("ping", error)
    task = replace(taken(world), attempts=schedule.ATTEMPTS - 1)
    with pytest.raises(type(error)):
        world.reader.read(task)


def test_one_study_under_two_patients_is_an_identity_conflict_until_one_copy_is_gone(world: World) -> None:
    world.source.put(study())
    task = taken(world, study(patient_id="P2"), location_id="second")
    assert len(task.locations) == 2
    assert quarantined(world, task).cause == "identity_conflict"
    world.source.remove("orthanc-1.2.3")
    assert b'"P2"' in read_study(world, task).patient_body


def test_a_study_is_read_from_the_first_source_that_holds_it(world: World) -> None:
    second = world.add_source()
    world.source.put(study())
    locations = (second.put(study(series=2)), world.source.find("1.2.3")[0])
    assert world.reader.studies.read(locations)[1] is world.sources["main"]
    world.source.remove("orthanc-1.2.3")
    found, by = world.reader.studies.read(locations)
    assert (by, len(found.series)) == (world.sources["second"], 2)


def test_a_study_of_a_source_that_is_not_configured_waits(world: World) -> None:
    """It was not heard to be gone; when the source is back, its feed does not tell of the study again."""
    task = taken(world)
    del world.sources["main"]
    done = world.reader.read(task)
    assert isinstance(done, Deferred)
    assert done.cause == "source_not_configured"
