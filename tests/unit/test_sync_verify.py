"""Verify bites: every planted difference makes it fail and is named."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from indexer.errors import StudyNotReady, Unavailable
from indexer.model import Mark
from indexer.sync import verify
from tests.fakes.memory import study

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.world import World

BROKEN = Unavailable("a file is missing", peer="orthanc", status=500)

Json = dict[str, Any]


@pytest.fixture
def true_world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Twelve published studies of two series; more than are compared in one go."""
    monkeypatch.setattr(verify, "CHUNK", 5)
    studies = [study(f"1.2.{number}", patient_id=f"P{number % 7}", series=2) for number in range(1, 13)]
    world.publish(*studies)
    return world


def findings(world: World) -> dict[str, tuple[str, ...]]:
    report = world.verify()
    assert report.is_equal == (not report.findings)
    return {one.study_instance_uid: one.differences for one in report.findings}


def test_a_true_index_is_equal(true_world: World) -> None:
    report = true_world.verify()
    assert report.is_equal
    assert (report.studies, report.series, report.instances) == (12, 24, 48)
    assert (report.quarantined, report.unsettled, report.notes) == ([], [], [])


def test_an_empty_archive_is_equal_once_the_endpoint_stands(world: World) -> None:
    assert findings(world) == {f"Endpoint/{world.endpoint_id('main')}": ("missing or wrong Endpoint",)}
    world.make_ready()
    assert world.verify().is_equal


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda one: one["series"][0]["instance"].pop(), "missing instance 1.2.7.1.2"),
        (lambda one: one["series"].pop(), "missing series 1.2.7.2"),
        (lambda one: one.update(numberOfInstances=99), "wrong numberOfInstances: 99 instead of 4"),
        (lambda one: one.update(endpoint=[]), "missing endpoint"),
    ],
)
def test_a_planted_difference_is_named(true_world: World, change: Callable[[Json], object], expected: str) -> None:
    held = true_world.target.imaging_study("1.2.7")
    change(held)
    true_world.target.put(held)
    assert findings(true_world) == {"1.2.7": (expected,)}


def test_a_wrong_subject_is_named(true_world: World) -> None:
    held = true_world.target.imaging_study("1.2.7")
    held["subject"] = true_world.target.imaging_study("1.2.8")["subject"]
    true_world.target.put(held)
    assert findings(true_world) == {"1.2.7": ("wrong subject",)}


def test_a_missing_study_is_named(true_world: World) -> None:
    del true_world.target.held[f"ImagingStudy/{true_world.target.imaging_study('1.2.7')['id']}"]
    assert findings(true_world) == {"1.2.7": ("missing study",)}


def test_a_doubled_study_is_named(true_world: World) -> None:
    theirs = copy.deepcopy(true_world.target.imaging_study("1.2.7")) | {"id": "theirs", "endpoint": []}
    true_world.target.put(theirs)
    assert findings(true_world) == {"1.2.7": ("doubled study: also ImagingStudy/theirs",)}


def test_a_missing_patient_is_named(true_world: World) -> None:
    subject = true_world.target.imaging_study("1.2.7")["subject"]["reference"]
    del true_world.target.held[subject]
    found = findings(true_world)
    assert found["1.2.7"] == ("subject is missing or has another identifier",)
    assert found.keys() == {"1.2.7"}


@pytest.mark.parametrize("identifier", [[], "broken", [{"system": "urn:oid:1.2.3.4", "value": "another"}]])
def test_a_patient_of_another_number_is_named(true_world: World, identifier: object) -> None:
    subject = true_world.target.imaging_study("1.2.7")["subject"]["reference"]
    true_world.target.put(true_world.target.held[subject] | {"identifier": identifier})
    assert findings(true_world)["1.2.7"] == ("subject is missing or has another identifier",)


@pytest.mark.parametrize("change", [{"address": "http://elsewhere.example"}, None])
def test_a_missing_or_wrong_endpoint_is_named(true_world: World, change: Json | None) -> None:
    reference = f"Endpoint/{true_world.endpoint_id('main')}"
    if change is None:
        del true_world.target.held[reference]
    else:
        true_world.target.put(true_world.target.held[reference] | change)
    assert findings(true_world) == {reference: ("missing or wrong Endpoint",)}


# --- extra studies --------------------------------------------------------------------------------------------------


def test_a_study_that_no_source_holds_any_more_is_extra(true_world: World) -> None:
    true_world.source.remove("orthanc-1.2.7")
    assert findings(true_world) == {"1.2.7": ("extra study: no source holds it",)}


def test_a_study_that_is_gone_on_both_sides_is_not_extra(true_world: World) -> None:
    true_world.source.remove("orthanc-1.2.7")
    del true_world.target.held[f"ImagingStudy/{true_world.target.imaging_study('1.2.7')['id']}"]
    assert findings(true_world) == {}


def test_a_study_at_our_endpoint_that_nobody_knows_is_extra(true_world: World) -> None:
    strange = true_world.target.imaging_study("1.2.7") | {"id": "strange", "identifier": []}
    true_world.target.put(strange)
    assert findings(true_world) == {"ImagingStudy/strange": ("extra study: no source holds it",)}


def test_studies_of_others_are_not_extra(true_world: World) -> None:
    true_world.target.put({"resourceType": "ImagingStudy", "id": "of-others", "status": "available"})
    assert findings(true_world) == {}


def test_a_server_that_cannot_search_by_endpoint_is_noted(true_world: World) -> None:
    true_world.target.habits.searches_by_endpoint = False
    report = true_world.verify()
    assert report.is_equal
    assert len(report.notes) == 1


# --- listed apart ---------------------------------------------------------------------------------------------------


def test_quarantined_studies_are_listed_apart(true_world: World) -> None:
    true_world.publish(study("1.3.1", patient_id=None))
    report = true_world.verify()
    assert report.is_equal
    assert report.quarantined == ["1.3.1"]
    assert report.studies == 13


def test_dirty_studies_are_listed_apart(true_world: World) -> None:
    true_world.source.put(study("1.3.1"))
    true_world.source.put(study("1.2.7", patient_id="P0", instances=5))
    true_world.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    true_world.poller.poll()
    report = true_world.verify()
    assert report.is_equal
    assert report.unsettled == ["1.2.7", "1.3.1"]


def test_a_removed_study_that_is_dirty_is_listed_apart(true_world: World) -> None:
    true_world.mark(Mark(location=true_world.source.find("1.2.7")[0], reason="backfill"))
    true_world.source.remove("orthanc-1.2.7")
    report = true_world.verify()
    assert report.is_equal
    assert report.unsettled == ["1.2.7"]


def test_a_study_that_is_not_published_and_not_known_is_a_finding(true_world: World) -> None:
    true_world.source.put(study("1.3.1", patient_id=None))
    assert findings(true_world) == {"1.3.1": ("not published: no_patient_id",)}


def test_a_study_that_vanishes_while_it_is_compared_is_no_difference(true_world: World) -> None:
    true_world.source.put(study("1.3.1"))
    true_world.source.script.next("read 1.3.1", lambda: true_world.source.remove("orthanc-1.3.1"))
    report = true_world.verify()
    assert report.is_equal
    assert report.studies == 12


# --- a busy world ---------------------------------------------------------------------------------------------------


def test_a_study_that_is_published_between_the_two_reads_is_no_difference(true_world: World) -> None:
    """A daemon runs beside: the archive was read before the change, the FHIR server after it."""

    def change_and_publish() -> None:
        true_world.publish(study("1.2.7", patient_id="P0", series=2, instances=5))

    true_world.target.script.next("find_studies", change_and_publish)
    report = true_world.verify()
    assert report.is_equal
    assert true_world.target.imaging_study("1.2.7")["numberOfInstances"] == 10


def test_a_quarantined_study_that_the_source_cannot_read_does_not_end_it(world: World) -> None:
    world.source.script.always("read 1.2.7", BROKEN)
    world.publish(study("1.2.7"), study("1.2.8"))
    (task,) = [one for one in _later(world) if one.study_instance_uid == "1.2.7"]
    done = world.reader.read(replace(task, attempts=9))
    world.ledger.settle([done], world.clock())
    report = world.verify()
    assert report.is_equal
    assert report.quarantined == ["1.2.7"]


def _later(world: World) -> tuple[Any, ...]:
    world.clock.pass_by(24 * 3600)
    return world.take()


def test_a_server_that_fails_ends_it(true_world: World) -> None:
    true_world.source.script.next("read", BROKEN)
    with pytest.raises(Unavailable):
        true_world.verify()
    true_world.target.script.next("find_studies", Unavailable("down", peer="fhir"))
    with pytest.raises(Unavailable):
        true_world.verify()
