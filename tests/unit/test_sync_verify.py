"""Verify bites: every planted difference makes it fail and is named."""

from collections.abc import Callable
from typing import Any

import pytest

from indexer import schedule
from indexer.errors import StudyNotReady, Unavailable
from indexer.sync import verify
from tests.fakes.memory import study
from tests.unit.world import BROKEN, World

Json = dict[str, Any]


@pytest.fixture
def true_world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Twelve published studies of two series; more than are compared in one go."""
    monkeypatch.setattr(verify, "CHUNK", 5)
    world.publish(*[study(f"1.2.{number}", patient_id=f"P{number % 7}", series=2) for number in range(1, 13)])
    return world


def findings(world: World) -> dict[str, tuple[str, ...]]:
    report = world.verify()
    assert report.is_equal == (not report.findings)
    return {one.study_instance_uid: one.differences for one in report.findings}


def lists(world: World) -> tuple[list[str], list[str], int]:
    """Which studies are listed apart, quarantined and dirty, and how many were compared; all the others are equal."""
    report = world.verify()
    assert report.is_equal
    return report.quarantined, report.unsettled, report.studies


def delete(world: World, uid: str = "1.2.7") -> None:
    del world.target.held[f"ImagingStudy/{world.study(uid)['id']}"]


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
        (lambda one: one.update(id="theirs", endpoint=[]), "doubled study: also ImagingStudy/theirs"),
    ],
)
def test_a_planted_difference_is_named(true_world: World, change: Callable[[Json], object], expected: str) -> None:
    held = true_world.study("1.2.7")
    change(held)
    true_world.target.put(held)
    assert findings(true_world) == {"1.2.7": (expected,)}


def test_a_wrong_subject_is_named(true_world: World) -> None:
    true_world.target.put(true_world.study("1.2.7") | {"subject": true_world.study("1.2.8")["subject"]})
    assert findings(true_world) == {"1.2.7": ("wrong subject",)}


def test_a_missing_study_is_named(true_world: World) -> None:
    delete(true_world)
    assert findings(true_world) == {"1.2.7": ("missing study",)}


def test_a_missing_patient_is_named(true_world: World) -> None:
    del true_world.target.held[true_world.study("1.2.7")["subject"]["reference"]]
    assert findings(true_world) == {"1.2.7": ("subject is missing or has another identifier",)}


@pytest.mark.parametrize("change", [{"address": "http://elsewhere.example"}, None])
def test_a_missing_or_wrong_endpoint_is_named(true_world: World, change: Json | None) -> None:
    reference = f"Endpoint/{true_world.endpoint_id('main')}"
    held = true_world.target.held.pop(reference)
    if change is not None:
        true_world.target.put(held | change)
    assert findings(true_world) == {reference: ("missing or wrong Endpoint",)}


def test_a_study_that_no_source_holds_any_more_is_extra_unless_it_is_gone_on_both_sides(true_world: World) -> None:
    true_world.source.remove("orthanc-1.2.7")
    assert findings(true_world) == {"1.2.7": ("extra study: no source holds it",)}
    delete(true_world)
    assert findings(true_world) == {}


@pytest.mark.parametrize(("is_ours", "extra"), [(True, ["ImagingStudy/strange"]), (False, [])])
def test_a_study_that_nobody_knows_is_extra_if_it_is_at_our_endpoint(
    true_world: World, is_ours: bool, extra: list[str]
) -> None:
    strange = true_world.study("1.2.7") | {"id": "strange", "identifier": []}
    true_world.target.put(strange if is_ours else strange | {"endpoint": []})
    assert findings(true_world) == dict.fromkeys(extra, ("extra study: no source holds it",))


def test_a_server_that_cannot_search_by_endpoint_is_noted(true_world: World) -> None:
    true_world.target.habits.has_endpoint_search = False
    report = true_world.verify()
    assert report.is_equal
    assert len(report.notes) == 1


def test_quarantined_studies_are_listed_apart(true_world: World) -> None:
    true_world.publish(study("1.3.1", patient_id=None))
    assert lists(true_world) == (["1.3.1"], [], 13)


def test_dirty_studies_are_listed_apart(true_world: World) -> None:
    true_world.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    true_world.mark("1.2.9")
    true_world.source.remove("orthanc-1.2.9")
    true_world.store(study("1.3.1"), study("1.2.7", patient_id="P0", instances=5))
    assert lists(true_world)[:2] == ([], ["1.2.7", "1.3.1", "1.2.9"])


def test_a_study_that_is_not_published_and_not_known_is_a_finding(true_world: World) -> None:
    true_world.source.put(study("1.3.1", patient_id=None))
    assert findings(true_world) == {"1.3.1": ("not published: no_patient_id",)}


def test_a_study_that_vanishes_while_it_is_compared_is_no_difference(true_world: World) -> None:
    true_world.source.put(study("1.3.1"))
    true_world.source.script.next("read 1.3.1", lambda: true_world.source.remove("orthanc-1.3.1"))
    assert lists(true_world) == ([], [], 12)


def test_a_study_that_is_published_between_the_two_reads_is_no_difference(true_world: World) -> None:
    """A daemon runs beside: the archive was read before the change, the FHIR server after it."""
    changed = study("1.2.7", patient_id="P0", series=2, instances=5)
    true_world.target.script.next("find_studies", lambda: true_world.publish(changed))
    assert true_world.verify().is_equal
    assert true_world.study("1.2.7")["numberOfInstances"] == 10


def test_a_quarantined_study_that_the_source_cannot_read_does_not_end_it(world: World) -> None:
    world.source.script.always("read 1.2.7", BROKEN)
    world.publish(study("1.2.7"), study("1.2.8"))
    for _ in range(schedule.ATTEMPTS):
        world.clock.pass_by(24 * 3600)
        world.drain()
    assert lists(world) == (["1.2.7"], [], 2)


def test_a_server_that_fails_ends_it(true_world: World) -> None:
    true_world.source.script.next("read", BROKEN)
    with pytest.raises(Unavailable):
        true_world.verify()
    true_world.target.script.always("find_studies", Unavailable("down", peer="fhir"))
    with pytest.raises(Unavailable):
        true_world.verify()
