"""Making a FHIR server ready, and noticing that it is another one."""

import pytest

from indexer.errors import Refused, Unavailable
from indexer.model import EntryResult
from indexer.sync.drain.read import AGAIN_S
from tests.fakes.memory import MemoryTarget, study
from tests.unit.world import World, wait_until

UIDS = ["1.2.1", "1.2.2"]


def publish_two(world: World) -> None:
    world.publish(*[study(uid, patient_id=f"P{uid}") for uid in UIDS])
    assert world.dirty_uids(UIDS) == []


def sentinel(world: World) -> tuple[str, ...]:
    return tuple(f"Endpoint/{endpoint['id']}" for endpoint in world.target.of_type("Endpoint"))


def test_the_endpoint_is_published_once(world: World) -> None:
    world.make_ready()
    world.make_ready()
    (endpoint,) = world.target.of_type("Endpoint")
    assert endpoint["address"] == "http://pacs.example/dicom-web"
    assert list(world.target.written.values()) == [1]
    assert world.sender.sentinel == sentinel(world) == tuple(world.target.written)


def test_a_changed_endpoint_is_written_in_place(world: World) -> None:
    world.make_ready()
    reference = f"Endpoint/{world.endpoint_id('main')}"
    world.addresses["main"] = "http://new.example/dicom-web"
    world.store(study())
    (task,) = world.take()
    world.make_ready()
    assert world.target.held[reference]["address"] == "http://new.example/dicom-web"
    assert world.target.written[reference] == 2
    assert world.dirty().generation == task.generation, "no study is marked for it"


def test_a_new_target_makes_every_known_study_dirty(world: World) -> None:
    publish_two(world)
    world.target.wipe()
    world.make_ready()
    assert world.dirty_uids(UIDS) == UIDS
    world.drain()
    assert (len(world.studies), len(world.target.of_type("Patient"))) == (2, 2)
    assert world.verify().is_equal


def test_a_return_to_a_former_target_brings_what_changed_meanwhile(world: World) -> None:
    publish_two(world)
    for target in (MemoryTarget(base_url="http://second.example/fhir"), world.target):
        world.ledger.target = target.base_url
        world.send_by(target=target)
        world.make_ready()
        assert world.dirty_uids(UIDS) == UIDS
        world.drain()
        assert world.verify().is_equal
    world.make_ready()
    assert world.dirty_uids(UIDS) == [], "the same target again marks nothing"


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
    publish_two(world)
    world.add_source()
    world.make_ready()
    assert len(world.target.of_type("Endpoint")) == 2
    assert world.dirty_uids(UIDS) == []


def test_a_source_that_does_not_tell_its_address_delays_no_other(world: World) -> None:
    second = world.add_source()
    address = world.addresses.pop("second")
    world.store(study("1.2.1"))
    world.store(study("1.2.2", patient_id="P2", source="second"), source=second)
    with world.draining():
        wait_until(lambda: second.script.calls["read"], "the second source was read")
        wait_until(lambda: world.cause("1.2.2") == "source_unavailable", "its study waits")
        assert [held["address"] for held in world.target.of_type("Endpoint")] == [world.addresses["main"]]
        assert world.study("1.2.1")
        world.addresses["second"] = address
        world.clock.pass_by(AGAIN_S)
        wait_until(lambda: world.target.find_studies(["1.2.2"]), "it is published without another start")
    assert len(world.target.of_type("Endpoint")) == 2
    assert len(world.sender.sentinel) == 2
    assert world.verify().is_equal


def test_a_known_endpoint_serves_while_its_source_does_not_tell_its_address(world: World) -> None:
    world.publish(study("1.2.1"))
    del world.addresses["main"]
    world.send_by()
    world.publish(study("1.2.3", patient_id="P2"))
    assert world.sender.sentinel == sentinel(world)
    assert world.study("1.2.3")["endpoint"] == [{"reference": reference} for reference in sentinel(world)]
