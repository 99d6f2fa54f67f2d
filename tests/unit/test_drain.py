"""Draining end to end: archive and FHIR server in memory, the ledger as it is."""

from typing import Any

import pytest

from indexer import schedule
from indexer.bundle import Limits
from indexer.errors import StudyChanging, StudyNotReady
from indexer.model import Lane, Mark
from indexer.strategies import imaging_study_id
from indexer.sync.drain.take import RateLimiter
from tests.fakes.memory import Clock, study
from tests.unit.world import BROKEN, DOWN, SITE_KEY, World, many, wait_until


def refuse(world: World, uid: str) -> None:
    world.target.habits.refused[f"ImagingStudy/{imaging_study_id(uid)}"] = 422


def test_small_studies_are_read_at_one_go(world: World) -> None:
    world.source.reads_together = True
    world.publish(*many(40))
    assert world.source.script.calls["read"] < 10, "a last one may be alone"
    before = world.source.script.calls["read"]
    assert world.verify().is_equal
    assert world.source.script.calls["read"] == before


@pytest.mark.parametrize("error", [DOWN, BROKEN, ValueError("a bug")])
def test_what_cannot_be_read_at_one_go_is_read_alone(world: World, error: Exception) -> None:
    world.source.reads_together = True
    world.source.script.always("read_batch", error)
    world.publish(*many(20))
    assert world.source.script.calls["read"] >= 20
    assert world.quarantined == {}
    world.source.script.always("read_batch", None)
    assert world.verify().is_equal


def test_a_study_under_two_patients_is_not_read_with_others(world: World) -> None:
    world.source.reads_together = True
    world.source.put(study("1.2.1", patient_id="OTHER"), location_id="second")
    world.publish(*many(3))
    assert world.quarantined == {"1.2.1": "identity_conflict"}
    assert len(world.studies) == 2


def test_every_study_patient_and_endpoint_is_sent_once(world: World) -> None:
    world.publish(*many(40), study("1.3.1", series=5, instances=400))
    assert len(world.target.written) == 41 + 10 + 1
    assert set(world.target.written.values()) == {1}
    assert len(world.target.sent) < 20, "many studies go in one Bundle"
    assert world.study("1.3.1")["numberOfInstances"] == 2000
    assert world.verify().is_equal


def test_unchanged_sends_nothing(world: World) -> None:
    world.publish(*many(5))
    world.target.sent.clear()
    world.store(*world.source.studies.values())
    stats = world.drain().stats
    assert world.target.sent == []
    assert (stats.unchanged, stats.published) == (5, 0)
    assert world.ledger.next_due(world.clock(), source="main") is None


def test_a_changed_study_is_sent_again_and_its_patient_is_not(world: World) -> None:
    world.publish(study())
    world.target.sent.clear()
    world.publish(study(instances=3))
    assert list(world.target.written.values()) == [1]
    assert world.study()["numberOfInstances"] == 3


def test_the_tally_counts(world: World) -> None:
    world.source.script.always("read 1.2.3", StudyChanging("moved", cause="changing"))
    world.store(study("1.2.1", instances=3), study("1.2.2", patient_id=None), study("1.2.3"))
    stats = world.drain().stats
    assert (stats.published, stats.quarantined, stats.deferred, stats.instances) == (1, 1, 1, 3)


def test_what_is_gone_is_dropped_and_nothing_is_removed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.publish(study())
    world.mark("1.2.3")
    world.source.remove("orthanc-1.2.3")
    caplog.set_level("DEBUG")
    world.drain()
    assert world.ledger.next_due(world.clock(), source="main") is None
    assert world.study()["numberOfInstances"] == 2
    assert [record.event for record in caplog.records if "vanished" in record.message] == ["study_vanished"]


def test_no_uid_and_no_name_stands_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world.publish(study("1.2.840.77", name="Geheim^Gustav"), study("1.2.840.78", patient_id=None))
    assert caplog.records
    text = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("indexer."))
    assert "1.2.840.7" not in text
    assert "Geheim" not in text


@pytest.mark.parametrize("step", ["read", "send", "sent"])
def test_a_study_that_changes_during_the_flight_stays_dirty(world: World, step: str) -> None:
    world.store(study())
    world.make_ready()
    script = world.source.script if step == "read" else world.target.script
    script.next(step, lambda: world.store(study(instances=7), stable=False))
    world.drain()
    row = world.ledger.study("1.2.3")
    assert row.dirty is not None
    assert row.published is not None
    world.clock.pass_by(70)
    world.drain()
    assert world.study()["numberOfInstances"] == 7
    assert world.dirty() is None


def test_bad_studies_do_not_stop_the_others_and_a_replay_publishes_them(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One breaks the program, one the FHIR server refuses, one the source cannot read."""
    world.source.script.always("read 1.2.6", ValueError("Geheim^Gustav"))
    refuse(world, "1.2.7")
    world.source.script.always("read 1.2.8", BROKEN)
    world.publish(*many(20))
    assert len(world.studies) == 17
    assert world.quarantined == {"1.2.6": "internal_error", "1.2.7": "invalid"}
    (row,) = [row for row in world.ledger.quarantine() if row.cause == "internal_error"]
    assert "ValueError" in row.text
    assert "Geheim" not in row.text
    assert [record.event for record in caplog.records if record.levelname == "ERROR"] == ["study_failed"]

    assert world.dirty_uids(["1.2.8"]) == ["1.2.8"]
    for _ in range(schedule.ATTEMPTS):
        world.clock.pass_by(24 * 3600)
        world.drain()
    assert world.quarantined["1.2.8"] == "source_error"

    world.target.habits.refused.clear()
    for uid in ("1.2.6", "1.2.8"):
        world.source.script.always(f"read {uid}", None)
    assert world.ledger.replay((), world.clock(), sources=["main"]) == 3
    world.drain()
    assert world.quarantined == {}
    assert world.verify().is_equal


def test_a_refused_study_does_not_leave_its_name_on_the_patient(world: World) -> None:
    """The Patient was written with the name of the later study, which was refused; the earlier one corrects it."""
    world.publish(study("1.2.1", StudyDate="20200101", name="Right^Name"))
    refuse(world, "1.2.2")
    world.publish(study("1.2.2", StudyDate="20210101", name="Wrong^Name"))
    assert world.quarantined == {"1.2.2": "invalid"}
    world.publish(study("1.2.3", StudyDate="20220101", name="Right^Name"))
    (patient,) = world.target.of_type("Patient")
    assert patient["name"][0]["family"] == "Right"


def test_a_study_that_waits_for_its_issuer_is_published_when_it_can_be_read(world: World) -> None:
    world.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    world.publish(study())
    assert world.studies == []
    assert world.ledger.summary("main", world.clock()).waiting == {"issuer_unread": 1}
    world.clock.pass_by(30)
    world.drain()
    assert len(world.studies) == 1


@pytest.mark.parametrize("most", [1, 3, 10])
def test_a_bundle_keeps_within_its_entries(world: World, most: int) -> None:
    world.send_by(limits=Limits(max_entries=most))
    world.publish(*many(15))
    assert max(len(references) for _, references in world.target.sent) <= max(most, 2)
    assert world.verify().is_equal


def test_a_bundle_keeps_within_its_bytes_and_a_larger_study_goes_alone(world: World) -> None:
    world.send_by(limits=Limits(max_bytes=20_000))
    send, bundles = world.target.send, []

    def weigh(bundle: tuple[bytes | memoryview, ...], count: int) -> Any:
        bundles.append((sum(map(len, bundle)), count))
        return send(bundle, count)

    world.target.send = weigh
    world.publish(*many(20, instances=60), study("1.3.1", instances=600))
    frame = 100
    (large,) = [count for size, count in bundles if size > 20_000 + frame]
    assert large <= 2, "it and its Patient"
    assert world.verify().is_equal


def test_two_bundles_in_flight_never_share_a_patient(world: World) -> None:
    """One writer: a Bundle is sent when the one before it was answered."""
    flying, most = [0], [0]

    def begin() -> None:
        flying[0] += 1
        most[0] = max(most[0], flying[0])

    world.target.script.always("send", begin)
    world.target.script.always("sent", lambda: flying.__setitem__(0, flying[0] - 1))
    world.send_by(limits=Limits(max_entries=3))
    world.publish(*[study(f"1.2.{number}") for number in range(20)])
    assert (most, flying) == ([1], [0])


def test_live_changes_go_before_a_backfill_that_is_held_back(world: World) -> None:
    locations = [world.source.put(one) for one in many(30)]
    run = world.ledger.backfill_begin("digest", world.clock(), 0.01)
    marks = [Mark(location=location, reason="backfill", lane=Lane.BACKFILL) for location in locations]
    world.ledger.backfill_mark(run, marks, "main/z", world.clock())
    with world.draining():
        wait_until(lambda: world.studies, "the first study of the backfill")
        world.source.put(study("1.9.9"))
        world.mark("1.9.9", reason="StableStudy")
        wait_until(lambda: "1.9.9" in world.ledger.published_uids(), "the live study")
        assert len(world.studies) == 2


def test_pace_allows_a_rate_on_average() -> None:
    clock = Clock()
    pace = RateLimiter(clock)
    assert pace.allowed(None) == float("inf")
    taken = 0
    for _ in range(1000):
        clock.pass_by(0.1)
        if pace.allowed(2.0) >= 1:
            pace.took(4)
            taken += 4
    assert taken == pytest.approx(200, abs=8)


def test_pace_saves_nothing_up_and_a_clock_set_back_owes_nothing() -> None:
    clock = Clock()
    pace = RateLimiter(clock)
    pace.allowed(2.0)
    clock.pass_by(10_000)
    assert pace.allowed(2.0) == 2.0
    pace.took(2)
    clock.pass_by(-500)
    assert pace.allowed(2.0) == 0.0
    clock.pass_by(1)
    assert pace.allowed(2.0) == 2.0


def test_the_key_is_not_shown(world: World) -> None:
    assert repr(SITE_KEY) not in repr(world.new_drain())
