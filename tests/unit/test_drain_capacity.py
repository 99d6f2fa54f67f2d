"""How much a Bundle holds after something went wrong, and a study that is too slow for the server."""

from collections.abc import Callable

import orjson
import pytest

from indexer.errors import AnswerLost, PeerError, Unavailable
from indexer.model import EntryResult
from indexer.strategies import imaging_study_id
from tests.fakes.memory import study
from tests.unit.world import World, many

GATEWAY_TIMEOUT = Unavailable("504", peer="fhir", status=504)
TIME_OUT = AnswerLost("timed out", peer="fhir")
GUILTY = "1.2.30"


def fail_on(world: World, error: PeerError, is_guilty: Callable[[list[str]], bool]) -> list[int]:
    """The server fails on some Bundles; how many entries each of those had."""
    send, failed = world.target.send, []

    def failing(bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        if is_guilty([entry["request"]["url"] for entry in orjson.loads(b"".join(bundle))["entry"]]):
            failed.append(count)
            raise error
        return send(bundle, count)

    world.target.send = failing  # type: ignore[method-assign]
    return failed


@pytest.fixture
def world(world: World) -> World:
    """The server knows the patients, so a study is one entry of a Bundle that leaves room for two."""
    world.make_ready()
    world.publish(*[study(f"1.9.{number}", patient_id=f"P{number}") for number in range(10)])
    return world


def holds(uid: str) -> Callable[[list[str]], bool]:
    return lambda references: f"ImagingStudy/{imaging_study_id(uid)}" in references


def bundles_for(world: World, count: int) -> int:
    """Bundles that the server gets for new studies of known patients."""
    before = len(world.target.sent)
    world.publish(*[study(f"1.3.{number}", patient_id=f"P{number % 10}") for number in range(count)])
    return len(world.target.sent) - before


@pytest.mark.parametrize("error", [GATEWAY_TIMEOUT, TIME_OUT], ids=["504", "time-out"])
@pytest.mark.parametrize("uid", ["1.2.1", "1.2.15", GUILTY])
def test_a_guilty_study_leaves_the_bundles_of_others_as_large(world: World, uid: str, error: PeerError) -> None:
    failed = fail_on(world, error, holds(uid))
    world.publish(*many(30))
    assert world.dirty_uids([one.study_instance_uid for one in many(30)]) == [uid]
    assert len(failed) <= 12
    assert bundles_for(world, 200) <= 30
    assert world.health.capacities.limit("send", 100) == 100


def test_an_outage_leaves_bundles_as_large(world: World) -> None:
    failed = fail_on(world, GATEWAY_TIMEOUT, lambda _: len(failed) < 20)
    world.publish(*many(30))
    assert len(failed) == 20
    assert bundles_for(world, 200) <= 30


def test_a_study_that_is_too_slow_is_tried_ever_more_rarely_and_alone(world: World) -> None:
    failed = fail_on(world, TIME_OUT, holds(GUILTY))
    world.publish(*many(30))
    waits = []
    for number in range(8):
        dirty = world.dirty(GUILTY)
        assert dirty is not None
        assert dirty.last_cause == "server_error"
        waits.append(dirty.due_at - world.clock())
        world.clock.pass_by(waits[-1])
        before = len(failed)
        world.publish(study(f"1.4.{number}", patient_id="P1"))
        assert len(failed) > before
        assert world.dirty(f"1.4.{number}") is None
    assert all(later > 1.1 * sooner for sooner, later in zip(waits, waits[2:], strict=False))
    assert world.quarantined == {}
