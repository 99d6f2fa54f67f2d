"""What others wrote stays, and nothing is read as long as nobody else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from indexer.errors import AnswerLost, Interrupted, Refused
from indexer.merge import Conflict
from indexer.model import Lane, Mark
from indexer.sync.drain import write
from tests.fakes.memory import study
from tests.unit.test_drain_resolve import quarantined

if TYPE_CHECKING:
    from tests.unit.world import World

FOREIGN = {"system": "urn:sparc_study:uid", "value": "sparc-7"}


def annotate(world: World, uid: str = "1.2.3", **elements: Any) -> None:
    """Write into a study as somebody else would."""
    held = world.target.imaging_study(uid)
    identifier = [*held["identifier"], FOREIGN]
    world.target.put({**held, "identifier": identifier, "encounter": {"reference": "Encounter/12"}, **elements})


def reads(world: World) -> int:
    return world.target.script.calls["fetch"]


@pytest.mark.parametrize("stale_status", [409, 412, 400])
@pytest.mark.parametrize("bundle_type", ["auto", "batch", "transaction"])
def test_what_others_wrote_survives_an_update(world: World, stale_status: int, bundle_type: str) -> None:
    world.bundle_type = bundle_type
    world.sender = world.new_sender()
    world.target.habits.stale_status = stale_status
    world.publish(study("1.2.3", StudyDescription="Chest"), study("1.2.4"))
    annotate(world)
    world.publish(study("1.2.3", StudyDescription="Thorax", series=2), study("1.2.4", series=2))
    held = world.target.imaging_study("1.2.3")
    assert FOREIGN in held["identifier"]
    assert held["encounter"] == {"reference": "Encounter/12"}
    assert (held["description"], held["numberOfSeries"]) == ("Thorax", 2)
    assert world.target.imaging_study("1.2.4")["numberOfSeries"] == 2
    assert world.verify().is_equal


def test_our_own_stale_values_go(world: World) -> None:
    world.publish(study(StudyDescription="Chest", AccessionNumber="A1", series=2))
    annotate(world)
    world.publish(study())
    held = world.target.imaging_study("1.2.3")
    assert "description" not in held
    assert [one["value"] for one in held["identifier"]] == ["urn:oid:1.2.3", "sparc-7"]
    assert len(held["series"]) == 1


def test_nothing_is_read_as_long_as_nobody_else_wrote(world: World) -> None:
    world.publish(study())
    before = reads(world)
    for series in (2, 3):
        world.publish(study(series=series))
    assert world.target.imaging_study("1.2.3")["numberOfSeries"] == 3
    # Two for the check of our Endpoint at each start of a drain.
    assert reads(world) - before == 2


def test_once_others_wrote_each_update_is_a_merge_and_nothing_is_lost(world: World) -> None:
    world.publish(study())
    annotate(world)
    for series in (2, 3, 4):
        world.publish(study(series=series))
        held = world.target.imaging_study("1.2.3")
        assert (FOREIGN in held["identifier"], held["numberOfSeries"]) == (True, series)
    assert world.target.written[f"ImagingStudy/{held['id']}"] == 5, "one refused update, then none"


def test_exclusive_replaces_whole(world: World) -> None:
    world.ownership = "exclusive"
    world.publish(study())
    annotate(world)
    world.publish(study(series=2))
    held = world.target.imaging_study("1.2.3")
    assert (FOREIGN in held["identifier"], "encounter" in held) == (False, False)


@pytest.mark.parametrize(("conflict", "held"), [("ours", "Thorax"), ("theirs", "By hand")])
def test_what_holds_where_both_changed_it(world: World, conflict: str, held: str) -> None:
    world.conflict = Conflict(conflict)
    world.publish(study(StudyDescription="Chest"))
    annotate(world, description="By hand")
    world.publish(study(StudyDescription="Thorax"))
    assert world.target.imaging_study("1.2.3")["description"] == held


def test_a_conflict_goes_to_quarantine_where_that_is_wanted(world: World) -> None:
    world.conflict = Conflict.QUARANTINE
    world.publish(study(StudyDescription="Chest"))
    annotate(world, description="By hand")
    world.publish(study(StudyDescription="Thorax"))
    row = world.ledger.study("1.2.3")
    assert row is not None
    assert row.quarantine is not None
    assert row.quarantine.cause == "edited_by_others"
    assert "ImagingStudy.description" in row.quarantine.text
    assert "By hand" not in row.quarantine.text + row.quarantine.hint
    assert world.target.imaging_study("1.2.3")["description"] == "By hand"


def test_a_lost_ledger_loses_nothing_of_others(world: World) -> None:
    world.publish(study())
    annotate(world)
    world.ledger.reset_target()
    sent = len(world.target.sent)
    world.publish(study(series=2))
    held = world.target.imaging_study("1.2.3")
    assert (FOREIGN in held["identifier"], held["numberOfSeries"]) == (True, 2)
    assert len(world.target.sent) == sent + 1, "the Patient and the Endpoint are there as they would be sent"


def test_a_study_that_was_deleted_behind_our_back_is_made_again(world: World) -> None:
    world.publish(study())
    world.target.held.pop(f"ImagingStudy/{world.target.imaging_study('1.2.3')['id']}")
    world.publish(study(series=2))
    assert world.target.imaging_study("1.2.3")["numberOfSeries"] == 2


def test_our_patient_keeps_what_others_wrote_into_it(world: World) -> None:
    world.publish(study())
    (held,) = world.target.of_type("Patient")
    world.target.put({**held, "telecom": [{"system": "phone", "value": "1"}]})
    world.publish(study(name="Neu^Erika"))
    (held,) = world.target.of_type("Patient")
    assert held["telecom"] == [{"system": "phone", "value": "1"}]
    assert held["name"][0]["family"] == "Neu"


def test_an_endpoint_keeps_what_others_wrote_into_it(world: World) -> None:
    world.make_ready()
    reference = f"Endpoint/{world.endpoint_id('main')}"
    held = world.target.held[reference]
    contact = [{"system": "phone", "value": "1"}]
    world.target.put({**held, "contact": contact})
    world.move_endpoint("http://new.example/dicom-web")
    world.make_ready()
    assert world.target.held[reference] == {**held, "address": "http://new.example/dicom-web", "contact": contact}


def test_force_sends_what_would_not_change(world: World) -> None:
    world.publish(study())
    annotate(world)
    (held,) = world.target.of_type("ImagingStudy")
    reference = f"ImagingStudy/{held['id']}"
    sent = world.target.written[reference]
    world.mark(Mark(location=world.source.find("1.2.3")[0], reason="backfill", lane=Lane.BACKFILL, force=True))
    world.drain()
    assert world.target.written[reference] > sent
    assert world.target.held[reference] == held


def test_force_brings_our_values_back_and_leaves_what_others_added(world: World) -> None:
    world.conflict = Conflict.THEIRS
    world.publish(study(StudyDescription="Chest"))
    annotate(world, description="By hand", status="cancelled")
    world.mark(Mark(location=world.source.find("1.2.3")[0], reason="backfill", lane=Lane.BACKFILL, force=True))
    world.drain()
    held = world.target.imaging_study("1.2.3")
    assert (held["description"], held["status"]) == ("Chest", "available")
    assert FOREIGN in held["identifier"]
    assert world.verify().is_equal


def test_a_lost_answer_is_no_conflict(world: World) -> None:
    world.publish(study())
    world.target.script.next("sent", AnswerLost("cut", peer="fhir"))
    world.publish(study(series=2))
    assert world.target.imaging_study("1.2.3")["numberOfSeries"] == 2
    world.publish(study(series=3))
    assert world.target.imaging_study("1.2.3")["numberOfSeries"] == 3


def test_who_is_overtaken_again_and_again_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes between each of our reads and writes."""
    world.publish(study())
    fetch = type(world.target).fetch

    def overtaken(target: Any, references: Any) -> Any:
        found = fetch(target, references)
        for one in found:
            if one is not None and one.resource["resourceType"] == "ImagingStudy":
                target.put(one.resource)
        return found

    annotate(world)
    monkeypatch.setattr(type(world.target), "fetch", overtaken)
    world.publish(study(series=2))
    row = world.ledger.study("1.2.3")
    assert row is not None
    assert row.dirty is not None
    assert row.dirty.last_cause == "conflict"


@pytest.mark.parametrize("conflict", Conflict)
def test_what_was_sent_and_not_settled_is_ours_at_the_next_start(world: World, conflict: Conflict) -> None:
    """The answer is lost with the process, and the study changes again before the next start."""
    world.conflict = conflict
    world.publish(study(AccessionNumber="A1", StudyDescription="First"))
    world.source.put(study(AccessionNumber="A2", StudyDescription="Second"))
    world.poller.poll()
    world.target.script.next("sent", Interrupted("killed"))
    world.drain()
    assert world.target.imaging_study("1.2.3")["description"] == "Second"
    world.publish(study(AccessionNumber="A3", StudyDescription="Third"))
    held = world.target.imaging_study("1.2.3")
    assert held["description"] == "Third"
    assert [one["value"] for one in held["identifier"]] == ["urn:oid:1.2.3", "A3"]
    assert quarantined(world) is None


def test_what_others_wrote_after_a_lost_answer_survives_the_next_update(world: World) -> None:
    world.publish(study())

    def committed() -> None:
        annotate(world)
        raise AnswerLost("cut", peer="fhir")

    world.target.script.next("sent", committed)
    world.publish(study(series=2))
    world.publish(study(series=3))
    held = world.target.imaging_study("1.2.3")
    assert (FOREIGN in held["identifier"], held["numberOfSeries"]) == (True, 3)


def test_one_resource_that_cannot_be_read_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(*[study(f"1.2.{number}") for number in range(6)])
    for number in range(6):
        annotate(world, f"1.2.{number}")
    hidden = f"ImagingStudy/{world.target.imaging_study('1.2.3')['id']}"
    fetch = type(world.target).fetch

    def without_hidden(target: Any, references: Any) -> Any:
        if hidden in references:
            raise Refused("not for you", peer="fhir", status=403)
        return fetch(target, references)

    monkeypatch.setattr(type(world.target), "fetch", without_hidden)
    world.publish(*[study(f"1.2.{number}", series=2) for number in range(6)])
    counts = [world.target.imaging_study(f"1.2.{number}")["numberOfSeries"] for number in range(6)]
    assert counts == [2, 2, 2, 1, 2, 2]
    row = world.ledger.study("1.2.3")
    assert row is not None
    assert row.dirty is not None
    assert row.dirty.last_cause == "unreadable"


def test_a_study_that_breaks_the_merge_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(*[study(f"1.2.{number}") for number in range(6)])
    for number in range(6):
        annotate(world, f"1.2.{number}")
    broken = world.target.imaging_study("1.2.3")["id"]
    merge = write.merge.merge

    def breaking(before: Any, ours: Any, theirs: Any, conflict: Any) -> Any:
        if ours["id"] == broken:
            raise RecursionError("too deep")
        return merge(before, ours, theirs, conflict)

    monkeypatch.setattr(write.merge, "merge", breaking)
    world.publish(*[study(f"1.2.{number}", series=2) for number in range(6)])
    counts = [world.target.imaging_study(f"1.2.{number}")["numberOfSeries"] for number in range(6)]
    assert counts == [2, 2, 2, 1, 2, 2]
    assert quarantined(world, "1.2.3") == "internal_error"


def test_a_look_that_breaks_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = type(world.target).look_up

    def breaking(target: Any, lookups: Any) -> Any:
        if any(one.value == "P3" for one in lookups):
            raise RecursionError("too deep")
        return look_up(target, lookups)

    monkeypatch.setattr(type(world.target), "look_up", breaking)
    world.publish(*[study(f"1.2.{number}", patient_id=f"P{number}") for number in range(6)])
    assert len(world.target.of_type("ImagingStudy")) == 5
    assert quarantined(world, "1.2.3") == "internal_error"


def test_exclusive_sends_what_a_dead_process_may_not_have_sent(world: World) -> None:
    """The former version has all that is left, and more."""
    world.ownership = "exclusive"
    world.publish(study(StudyDescription="Chest"))
    world.source.put(study())
    world.poller.poll()
    world.target.script.next("send", Interrupted("killed"))
    world.drain()
    world.drain()
    assert "description" not in world.target.imaging_study("1.2.3")
