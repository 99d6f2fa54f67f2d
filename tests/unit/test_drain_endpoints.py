"""Making a FHIR server ready, and noticing that it is another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from indexer.errors import Refused, Unavailable
from indexer.model import EntryResult, Mark
from indexer.sync.drain.read import AGAIN_S
from tests.fakes.memory import MemorySource, MemoryTarget, study
from tests.unit.world import configured, wait_until

if TYPE_CHECKING:
    from tests.unit.world import World


def test_the_endpoint_is_published_once(world: World) -> None:
    world.make_ready()
    world.make_ready()
    (endpoint,) = world.target.of_type("Endpoint")
    assert endpoint["address"] == "http://pacs.example/dicom-web"
    assert world.target.written == {f"Endpoint/{endpoint['id']}": 1}
    assert world.sender.sentinel == (f"Endpoint/{endpoint['id']}",)


def test_a_changed_endpoint_is_written_in_place(world: World) -> None:
    world.make_ready()
    fhir_id = world.endpoint_id("main")
    world.move_endpoint("http://new.example/dicom-web")
    world.source.put(study())
    world.poller.poll()
    (task,) = world.take()
    world.make_ready()
    assert world.target.held[f"Endpoint/{fhir_id}"]["address"] == "http://new.example/dicom-web"
    assert world.target.written[f"Endpoint/{fhir_id}"] == 2
    row = world.ledger.study(task.study_instance_uid)
    assert row is not None
    assert row.dirty is not None
    assert row.dirty.generation == task.generation, "no study is marked for it"


def test_a_new_target_makes_every_known_study_dirty(world: World) -> None:
    world.publish(study("1.2.1"), study("1.2.2", patient_id="P2"))
    assert world.dirty_uids(["1.2.1", "1.2.2"]) == []
    world.target.wipe()
    world.make_ready()
    assert world.dirty_uids(["1.2.1", "1.2.2"]) == ["1.2.1", "1.2.2"]
    world.drain()
    assert len(world.target.of_type("ImagingStudy")) == 2
    assert len(world.target.of_type("Patient")) == 2
    assert world.verify().is_equal


def test_a_return_to_a_former_target_brings_what_changed_meanwhile(world: World) -> None:
    world.publish(study("1.2.1"), study("1.2.2", patient_id="P2"))
    first, second = world.target, MemoryTarget(base_url="http://second.example/fhir")
    for target in (second, first):
        world.target, world.ledger.target = target, target.base_url
        world.sender = world.new_sender()
        world.make_ready()
        assert world.dirty_uids(["1.2.1", "1.2.2"]) == ["1.2.1", "1.2.2"]
        world.drain()
        assert world.verify().is_equal
    world.make_ready()
    assert world.dirty_uids(["1.2.1", "1.2.2"]) == [], "the same target again marks nothing"


def test_an_endpoint_that_is_refused_is_told(world: World) -> None:
    world.target.habits.refused[f"Endpoint/{world.endpoint_id('main')}"] = 403
    with pytest.raises(Refused, match="refuses the Endpoint of source main: status 403"):
        world.make_ready()


def test_an_endpoint_that_is_put_off_is_no_refusal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = (EntryResult(status=503, retry_after_s=3.0),)
    with monkeypatch.context() as patched:
        patched.setattr(world.target, "send", lambda bundle, count: busy)
        with pytest.raises(Unavailable) as caught:
            world.make_ready()
    assert caught.value.retry_after_s == 3.0
    world.make_ready()
    assert len(world.target.of_type("Endpoint")) == 1


def test_a_source_that_joins_does_not_mark_the_others(world: World) -> None:
    world.publish(study("1.2.1"))
    world.sources["second"] = configured(world.source)
    world.addresses["second"] = "http://second.example/dicom-web"
    world.make_ready()
    assert len(world.target.of_type("Endpoint")) == 2
    assert world.dirty_uids(["1.2.1"]) == []


def test_a_source_that_does_not_tell_its_address_delays_no_other(world: World) -> None:
    second = MemorySource(world.clock, "second")
    world.sources["second"] = configured(second)
    world.source.put(study("1.2.1"))
    world.poller.poll()
    world.mark(Mark(location=second.put(study("1.2.2", patient_id="P2", source="second")), reason="backfill"))
    with world.draining():
        wait_until(lambda: second.script.calls["read"], "the second source was read")
        wait_until(lambda: waits_for_source(world, "1.2.2"), "its study waits")
        assert [held["address"] for held in world.target.of_type("Endpoint")] == [world.addresses["main"]]
        assert world.target.imaging_study("1.2.1")
        world.addresses["second"] = "http://second.example/dicom-web"
        world.clock.pass_by(AGAIN_S)
        wait_until(lambda: world.target.find_studies(["1.2.2"]), "it is published without another start")
    assert len(world.target.of_type("Endpoint")) == 2
    assert len(world.sender.sentinel) == 2
    assert world.verify().is_equal


def waits_for_source(world: World, uid: str) -> bool:
    row = world.ledger.study(uid)
    return row is not None and row.dirty is not None and row.dirty.last_cause == "source_unavailable"


def test_a_known_endpoint_serves_while_its_source_does_not_tell_its_address(world: World) -> None:
    world.publish(study("1.2.1"))
    del world.addresses["main"]
    world.sender = world.new_sender()
    world.publish(study("1.2.3", patient_id="P2"))
    (endpoint,) = world.target.of_type("Endpoint")
    assert world.target.imaging_study("1.2.3")["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}"}]
    assert world.sender.sentinel == (f"Endpoint/{endpoint['id']}",)
