"""What others wrote stays, and nothing is read as long as nobody else wrote."""

from typing import Any

import pytest

from indexer.errors import AnswerLost, Interrupted, Refused
from indexer.merge import Conflict
from indexer.model import Lane, ResourceKey
from indexer.plan import plan_withdrawal
from indexer.sync.drain import write
from tests.fakes.memory import study
from tests.unit.world import World

FOREIGN = {"system": "urn:sparc_study:uid", "value": "sparc-7"}
LOST = AnswerLost("cut", peer="fhir")
SIX = [f"1.2.{number}" for number in range(6)]


def annotate(world: World, uid: str = "1.2.3", **elements: Any) -> None:
    """Write into a study as somebody else would."""
    held = world.study(uid)
    identifier = [*held["identifier"], FOREIGN]
    world.target.put({**held, "identifier": identifier, "encounter": {"reference": "Encounter/12"}, **elements})


def state(world: World) -> tuple[bool, bool, int]:
    """Whether the study has both words of others, and how many series it has."""
    held = world.study()
    return FOREIGN in held["identifier"], "encounter" in held, held["numberOfSeries"]


def force(world: World) -> None:
    world.mark("1.2.3", lane=Lane.BACKFILL, force=True)
    world.drain()


@pytest.fixture
def annotated(world: World) -> World:
    """A published study into which others wrote."""
    world.publish(study(StudyDescription="Chest", AccessionNumber="A1"))
    annotate(world)
    return world


@pytest.mark.parametrize("stale_status", [409, 412, 400])
@pytest.mark.parametrize("bundle_type", ["auto", "batch", "transaction"])
def test_what_others_wrote_survives_an_update(world: World, stale_status: int, bundle_type: str) -> None:
    world.send_by(bundle_type=bundle_type)
    world.target.habits.stale_status = stale_status
    world.publish(study("1.2.3", StudyDescription="Chest"), study("1.2.4"))
    annotate(world)
    world.publish(study("1.2.3", StudyDescription="Thorax", series=2), study("1.2.4", series=2))
    assert state(world) == (True, True, 2)
    assert world.study()["encounter"] == {"reference": "Encounter/12"}
    assert world.study()["description"] == "Thorax"
    assert world.study("1.2.4")["numberOfSeries"] == 2
    assert world.verify().is_equal


def test_our_own_stale_values_go(annotated: World) -> None:
    annotated.publish(study(series=2))
    annotated.publish(study())
    held = annotated.study()
    assert "description" not in held
    assert [one["value"] for one in held["identifier"]] == ["urn:oid:1.2.3", "sparc-7"]
    assert len(held["series"]) == 1


def test_no_study_is_read_as_long_as_nobody_else_wrote(world: World) -> None:
    world.publish(study())
    before = world.target.script.calls["fetch"]
    for series in (2, 3):
        world.publish(study(series=series))
    assert state(world) == (False, False, 3)
    # At each start of a drain our Endpoint, and then the Patient, which somebody may have merged into another.
    assert world.target.script.calls["fetch"] - before == 4


def test_once_others_wrote_each_update_is_a_merge_and_nothing_is_lost(annotated: World) -> None:
    for series in (2, 3, 4):
        annotated.publish(study(series=series))
        assert state(annotated) == (True, True, series)
    reference = f"ImagingStudy/{annotated.study()['id']}"
    assert annotated.target.written[reference] == 5, "one refused update, then none"


def test_exclusive_replaces_whole(annotated: World) -> None:
    annotated.ownership = "exclusive"
    annotated.publish(study(series=2))
    assert state(annotated) == (False, False, 2)


@pytest.mark.parametrize(
    ("conflict", "held"),
    [(Conflict.OURS, "Thorax"), (Conflict.THEIRS, "By hand"), (Conflict.QUARANTINE, "By hand")],
)
def test_what_holds_where_both_changed_it(world: World, conflict: Conflict, held: str) -> None:
    world.conflict = conflict
    world.publish(study(StudyDescription="Chest"))
    annotate(world, description="By hand")
    world.publish(study(StudyDescription="Thorax"))
    assert world.study()["description"] == held
    rows = world.ledger.quarantine()
    assert [row.cause for row in rows] == ["edited_by_others"] * (conflict is Conflict.QUARANTINE)
    for row in rows:
        assert "ImagingStudy.description" in row.text
        assert "By hand" not in row.text + row.hint


def test_a_lost_ledger_loses_nothing_of_others(annotated: World) -> None:
    annotated.ledger.reset_target()
    sent = len(annotated.target.sent)
    annotated.publish(study(series=2))
    assert state(annotated) == (True, True, 2)
    assert len(annotated.target.sent) == sent + 1, "the Patient and the Endpoint are there as they would be sent"


def test_a_study_that_was_deleted_behind_our_back_is_made_again(world: World) -> None:
    world.publish(study())
    world.target.held.pop(f"ImagingStudy/{world.study()['id']}")
    world.publish(study(series=2))
    assert state(world) == (False, False, 2)


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
    (held,) = world.target.of_type("Endpoint")
    contact = [{"system": "phone", "value": "1"}]
    world.target.put({**held, "contact": contact})
    world.addresses["main"] = "http://new.example/dicom-web"
    world.make_ready()
    assert world.target.of_type("Endpoint") == [{**held, "address": "http://new.example/dicom-web", "contact": contact}]


def test_force_sends_what_would_not_change(annotated: World) -> None:
    held = annotated.study()
    annotated.target.sent.clear()
    force(annotated)
    assert annotated.target.written[f"ImagingStudy/{held['id']}"]
    assert annotated.study() == held


def test_force_brings_our_values_back_and_leaves_what_others_added(annotated: World) -> None:
    annotated.conflict = Conflict.THEIRS
    annotate(annotated, description="By hand", status="cancelled")
    force(annotated)
    held = annotated.study()
    assert (held["description"], held["status"]) == ("Chest", "available")
    assert state(annotated)[0]
    assert annotated.verify().is_equal


@pytest.mark.parametrize("is_annotated", [False, True])
def test_a_lost_answer_is_no_conflict_and_what_others_wrote_after_it_survives(world: World, is_annotated: bool) -> None:
    world.publish(study())

    def committed() -> None:
        if is_annotated:
            annotate(world)
        raise LOST

    world.target.script.next("sent", committed)
    for series in (2, 3):
        world.publish(study(series=series))
        assert state(world) == (is_annotated, is_annotated, series)


def test_who_is_overtaken_again_and_again_waits(annotated: World) -> None:
    """Somebody writes between each of our reads and writes."""
    fetch = annotated.target.fetch

    def overtaken(references: Any) -> Any:
        found = fetch(references)
        for one in found:
            if one is not None and one.resource["resourceType"] == "ImagingStudy":
                annotated.target.put(one.resource)
        return found

    annotated.target.fetch = overtaken
    annotated.publish(study(series=2))
    assert annotated.cause() == "conflict"


@pytest.mark.parametrize("conflict", Conflict)
def test_what_was_sent_and_not_settled_is_ours_at_the_next_start(world: World, conflict: Conflict) -> None:
    """The answer is lost with the process, and the study changes again before the next start."""
    world.conflict = conflict
    world.publish(study(AccessionNumber="A1", StudyDescription="First"))
    world.target.script.next("sent", Interrupted("killed"))
    world.publish(study(AccessionNumber="A2", StudyDescription="Second"))
    assert world.study()["description"] == "Second"
    world.publish(study(AccessionNumber="A3", StudyDescription="Third"))
    held = world.study()
    assert held["description"] == "Third"
    assert [one["value"] for one in held["identifier"]] == ["urn:oid:1.2.3", "A3"]
    assert world.quarantined == {}


def test_exclusive_sends_what_a_dead_process_may_not_have_sent(world: World) -> None:
    """The former version has all that is left, and more."""
    world.ownership = "exclusive"
    world.publish(study(StudyDescription="Chest"))
    world.target.script.next("send", Interrupted("killed"))
    world.publish(study())
    world.drain()
    assert "description" not in world.study()


def test_a_withdrawn_study_that_is_gone_already_is_not_made_again(world: World) -> None:
    world.publish(study())
    key, published = ResourceKey("ImagingStudy", "1.2.3"), world.ledger.published(["1.2.3"])["1.2.3"]
    plan = plan_withdrawal(published, world.target.held.pop(f"ImagingStudy/{published.fhir_id}"))
    assert world.writer.write(plan)[key].is_accepted
    assert world.target.of_type("ImagingStudy") == []


@pytest.fixture
def six(world: World) -> World:
    """Six published studies into which others wrote."""
    world.publish(*map(study, SIX))
    for uid in SIX:
        annotate(world, uid)
    return world


def update(world: World) -> list[str]:
    """Change all six; those that did not land."""
    world.publish(*[study(uid, series=2) for uid in SIX])
    return [uid for uid in SIX if world.study(uid)["numberOfSeries"] == 1]


def test_one_resource_that_cannot_be_read_stops_no_other(six: World) -> None:
    hidden = f"ImagingStudy/{six.study('1.2.3')['id']}"
    six.break_at("fetch", lambda reference: reference == hidden, Refused("not for you", peer="fhir", status=403))
    assert update(six) == ["1.2.3"]
    assert six.cause("1.2.3") == "unreadable"


def test_a_study_that_breaks_the_merge_stops_no_other(six: World, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, merge = six.study("1.2.3")["id"], write.merge.merge

    def breaking(before: Any, ours: Any, theirs: Any, conflict: Any) -> Any:
        if ours["id"] == broken:
            raise RecursionError("too deep")
        return merge(before, ours, theirs, conflict)

    monkeypatch.setattr(write.merge, "merge", breaking)
    assert update(six) == ["1.2.3"]
    assert six.quarantined == {"1.2.3": "internal_error"}
