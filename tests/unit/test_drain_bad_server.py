"""A FHIR server or a proxy that answers wrongly: to everything for a while, or to one study for ever."""

from collections.abc import Iterator
from urllib.parse import parse_qs

import orjson
import pytest

from indexer.bundle import Limits
from indexer.fhir import FhirServer
from indexer.ledger import Ledger
from indexer.strategies import imaging_study_id
from indexer.transport import Transport
from tests import proxy as faults
from tests.fakes.fhir import FakeFhir
from tests.fakes.memory import study
from tests.proxy.faults import Fault
from tests.proxy.recording import Recorded
from tests.unit.world import World, many

HTML = faults.status(200, {"Content-Type": "text/html"}, b"<html>Please log in.</html>")
GATEWAY_TIMEOUT = Fault(name="504", answer=(504, {}, b""))
GUILTY = "1.2.2"


@pytest.fixture
def fake() -> Iterator[FakeFhir]:
    with FakeFhir() as running:
        yield running


@pytest.fixture
def world(fake: FakeFhir, ledger: Ledger, _short_waits: None) -> Iterator[World]:
    """An installation that is ready to write to the fake, a few entries at a time."""
    transport = Transport(fake.url, peer="fhir", timeout_s=0.5)
    world = World(ledger=ledger)
    world.send_by(target=FhirServer(transport), limits=Limits(max_entries=8))
    world.make_ready()
    yield world
    transport.close()


def refusing_each_entry() -> Fault:
    """The server has done its work, but each entry is answered with 422."""

    def refused(body: bytes) -> bytes:
        bundle = orjson.loads(body)
        bundle["entry"] = [{"response": {"status": "422 No"}} for _ in bundle["entry"]]
        return orjson.dumps(bundle)

    return Fault(name="entries refused", edit=refused)


@pytest.mark.parametrize("times", [8, 9], ids=["even", "odd"])
@pytest.mark.parametrize(
    "fault",
    [*map(faults.status, (400, 404, 405, 413, 418, 422, 501)), refusing_each_entry()],
    ids=lambda fault: fault.name,
)
def test_no_study_is_blamed_for_what_a_known_good_request_meets_too(
    fake: FakeFhir, world: World, fault: Fault, times: int
) -> None:
    fake.proxy.inject(fault, times=times, when=faults.is_bundle)
    aim = world.sender.sizer.aim_bytes
    world.publish(*many(4))
    assert fake.proxy.faults_injected == times
    assert world.quarantined == {}
    assert world.verify().is_equal
    assert world.sender.sizer.aim_bytes >= aim, "the outage taught a size"


def test_a_refused_study_goes_to_quarantine_while_a_known_good_request_succeeds(fake: FakeFhir, world: World) -> None:
    fake.habits.refused[f"ImagingStudy/{imaging_study_id(GUILTY)}"] = 422
    world.publish(*many(4))
    assert world.quarantined == {GUILTY: "invalid"}
    assert len(fake.of_type("ImagingStudy")) == 3


@pytest.mark.parametrize("fault", [GATEWAY_TIMEOUT, faults.not_json()], ids=lambda one: one.name)
def test_bundles_that_land_without_an_answer_are_one_episode(
    fake: FakeFhir, world: World, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """What was read back has landed, but it is no sign that the next Bundle will be answered."""
    fake.proxy.inject(fault, times=4, when=faults.is_bundle)
    world.publish(*many(20))
    assert fake.proxy.faults_injected == 4
    events = [record.event for record in caplog.records if record.event.startswith("peer_")]
    assert events == ["peer_lost", "peer_back"]
    assert world.verify().is_equal


def holds_guilty(request: Recorded) -> bool:
    return any(entry.is_write and imaging_study_id(GUILTY) in entry.url for entry in request.entries)


def test_a_suspect_that_landed_without_an_answer_is_published(fake: FakeFhir, world: World) -> None:
    fake.proxy.inject(faults.status(504), times=3, when=holds_guilty)
    fake.proxy.inject(GATEWAY_TIMEOUT, times=None, when=holds_guilty)
    world.publish(*many(6))
    assert fake.proxy.faults_injected > 3
    assert world.cause(GUILTY) is None
    assert world.verify().is_equal


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (faults.status(503), "server_error"),
        (faults.status(504), "server_error"),
        (faults.status(403), "denied"),
        (faults.status(409), "conflict"),
        (faults.status(412), "conflict"),
        (faults.status(429), "server_error"),
        (faults.status(302, {"Location": "http://127.0.0.1/login"}), "protocol_violation"),
        (HTML, "server_error"),
        (faults.reset(), "server_error"),
        (faults.hang(), "server_error"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_study_that_the_server_fails_on_does_not_stop_the_others(
    fake: FakeFhir, world: World, fault: Fault, cause: str
) -> None:
    fake.proxy.inject(fault, times=None, when=holds_guilty)
    world.publish(*many(6))
    assert (world.cause(GUILTY), world.quarantined) == (cause, {})
    assert len(fake.of_type("ImagingStudy")) == 5
    assert fake.proxy.faults_injected <= 8
    fake.proxy.heal()
    world.clock.pass_by(3600)
    world.drain()
    assert world.verify().is_equal


MOST = 5


def is_too_much(request: Recorded) -> bool:
    """Whether a gateway gives up on a request: a Bundle, or a search, of more than a few."""
    identifiers = parse_qs(request.body.decode()).get("identifier", [""]) if faults.is_search(request) else [""]
    return max(len(request.entries), identifiers[0].count(",") + 1) > MOST


@pytest.mark.parametrize(
    "fault",
    [faults.status(504), GATEWAY_TIMEOUT, faults.status(429), faults.status(403), HTML, faults.reset()],
    ids=["504", "504 after all", "429", "403", "HTML", "reset"],
)
def test_what_is_too_much_for_a_gateway_is_asked_for_in_parts(fake: FakeFhir, world: World, fault: Fault) -> None:
    fake.proxy.inject(fault, times=None, when=is_too_much)
    world.publish(*many(30))
    assert (len(fake.of_type("ImagingStudy")), world.quarantined) == (30, {})
    assert 1 <= fake.proxy.faults_injected <= 25
    fake.proxy.clear()
    assert world.verify().is_equal
    fake.proxy.inject(fault, times=None, when=is_too_much)
    world.publish(*[study(f"1.3.{number}", patient_id=f"Q{number}") for number in range(30)])
    assert len(fake.of_type("ImagingStudy")) == 60
    assert fake.proxy.faults_injected <= 12, "what was learnt is kept"


def test_an_outage_teaches_no_size(fake: FakeFhir, world: World) -> None:
    fake.proxy.inject(faults.status(503), times=12, when=lambda request: bool(request.writes))
    world.publish(*many(30))
    assert world.verify().is_equal
    fake.proxy.clear()
    world.publish(*[study(f"1.3.{number}", patient_id=f"Q{number}") for number in range(12)])
    assert max(len(bundle.writes) for bundle in fake.proxy.bundles) == 8
