"""How a server is doing, and how long it is waited for."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from indexer.errors import (
    AccessDenied,
    Conflict,
    IndexerError,
    Interrupted,
    PeerError,
    ProtocolViolation,
    Refused,
    StudyVanished,
    TooLarge,
    Unavailable,
    WrongServer,
)
from indexer.health import ServerHealth
from tests.fakes.memory import Clock, Script
from tests.unit.world import quick

DOWN = Unavailable("down", peer="orthanc main", status=503)
DENIED = AccessDenied("who?", peer="orthanc main", status=401)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> ServerHealth:
    """Of a server that is waited for without waiting: only the clock passes."""
    return ServerHealth(peer="orthanc", source="main", stop=threading.Event(), clock=clock, monotonic=clock)


def asked(*errors: Exception, tries: int | None = None) -> tuple[int, bool, type[Exception] | None]:
    """Ask for what fails so before it goes well: how often that was, how the server is, and the last error."""
    health, script = quick("fhir", max_s=0.002), Script()
    script.next("ask", *errors)
    try:
        health.call("read", lambda: script.play("ask"), **({} if tries is None else {"tries": tries}))
    except IndexerError as error:
        return script.calls["ask"], health.is_well, type(error)
    return script.calls["ask"], health.is_well, None


def fail(
    health: ServerHealth, clock: Clock, count: int, activity: str = "read", error: PeerError = DOWN
) -> list[float]:
    """Fail so often, each time after the wait; the waits."""
    waits = []
    for _ in range(count):
        waits.append(health.failed(activity, error))
        clock.pass_by(waits[-1])
    return waits


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if record.event.startswith("peer_")]


def test_waits_grow_to_their_limit_and_begin_anew_when_all_is_well(
    health: ServerHealth, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    health.max_s = 5.0
    assert fail(health, clock, 4) == [1, 2, 4, 5]
    health.succeeded("read")
    assert fail(health, clock, 1) == [1]


def test_waits_are_random_between_the_first_and_the_doubled_one(health: ServerHealth, clock: Clock) -> None:
    waits = fail(health, clock, 20)
    assert all(1 <= seconds <= min(60, 2**number) for number, seconds in enumerate(waits))
    assert len(set(waits)) > 10


def test_the_server_says_how_long_but_never_to_ask_at_once(health: ServerHealth, clock: Clock) -> None:
    errors = [Unavailable("later", peer="orthanc main", retry_after_s=seconds) for seconds in (33.0, 0.0)]
    assert [wait for error in errors for wait in fail(health, clock, 1, error=error)] == [33.0, 1.0]


def test_wrong_credentials_are_tried_rarely(health: ServerHealth) -> None:
    assert health.failed("read", DENIED) >= 12


def test_an_outage_is_told_once_and_ends_when_all_that_failed_goes_well(
    health: ServerHealth, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    health.succeeded("poll")
    fail(health, clock, 1, "poll")
    fail(health, clock, 3, "read", error=DENIED)
    begun = clock()
    health.succeeded("search")
    health.succeeded("poll")
    assert (events(caplog), health.is_well) == (["peer_lost"], False)
    clock.pass_by(12)
    health.succeeded("read")
    health.succeeded("read")
    lost, back = caplog.records
    assert (lost.event, lost.peer, lost.source, lost.cause, lost.status) == (
        "peer_lost",
        "orthanc",
        "main",
        "Unavailable",
        503,
    )
    assert (back.event, back.peer, back.source) == ("peer_back", "orthanc", "main")
    assert back.duration_ms >= 1000 * (clock() - begun)
    assert health.is_well


def test_each_activity_waits_for_itself(health: ServerHealth, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    assert fail(health, clock, 3, "send") == [1, 2, 4]
    fail(health, clock, 1, "read")
    health.succeeded("read")
    assert fail(health, clock, 1, "send") == [8]
    assert health.failed("send", DOWN) == 16
    assert (health.wait_s("send"), health.wait_s("read"), health.wait_s("poll")) == (16, 0, 0)


def test_what_others_began_before_a_failure_fails_with_it(health: ServerHealth, clock: Clock) -> None:
    first = health.failed("read", DOWN)
    clock.pass_by(first / 2)
    assert [health.failed("read", DOWN) for _ in range(5)] == [first - first / 2] * 5
    clock.pass_by(first / 2)
    assert health.failed("read", DOWN) <= 2, "this is the second failure"


def test_the_state_says_what_status_shows(health: ServerHealth, clock: Clock) -> None:
    told: list[bool] = []
    health.on_change = lambda: told.append(health.state().is_well)
    assert (health.state().server, health.state().peer, health.state().is_well) == ("orthanc main", "orthanc", True)
    begun, seconds = clock(), health.failed("poll", DENIED)
    state = health.state()
    assert (state.is_well, state.since, state.cause, state.status) == (False, begun, "AccessDenied", 401)
    assert state.next_try_at == begun + seconds
    health.succeeded("read")
    health.succeeded("poll")
    assert told == [False, True]
    assert health.state().since is None


@pytest.mark.parametrize("error", [DOWN, ProtocolViolation("?", peer="fhir"), Conflict("409", peer="fhir")])
def test_a_call_asks_until_the_server_does_it(error: PeerError) -> None:
    assert asked(error, error) == (3, True, None)
    assert quick("fhir").call("read", lambda: "answer") == "answer"


@pytest.mark.parametrize(
    "error",
    [
        Refused("no", peer="fhir", status=400),
        TooLarge("too large", peer="fhir", status=413),
        StudyVanished("gone", cause="vanished"),
    ],
)
def test_what_is_refused_is_not_asked_again_and_shows_that_the_server_is_back(error: IndexerError) -> None:
    assert asked(DOWN, error) == (2, True, type(error))


@pytest.mark.parametrize("refusal", [Refused("no", peer="fhir", status=404), WrongServer("no FHIR", peer="fhir")])
def test_what_nothing_works_without_is_insisted_on(refusal: PeerError, caplog: pytest.LogCaptureFixture) -> None:
    health, answers = quick("fhir", outlasts_refusals=True), [refusal, DOWN, refusal]

    def ask() -> str:
        if answers:
            raise answers.pop()
        return "answer"

    assert health.insist("connect", ask) == "answer"
    assert events(caplog) == ["peer_lost", "peer_back"]
    assert refusal.hint in caplog.records[0].problem


def test_whoever_waits_for_a_command_is_told_of_a_refusal() -> None:
    def refuse() -> None:
        raise Refused("no", peer="fhir", status=404)

    health = quick("fhir")
    with pytest.raises(Refused):
        health.insist("connect", refuse)
    assert health.is_well


@pytest.mark.parametrize(("error", "tries", "count"), [(DOWN, 3, 3), (DOWN, 1, 1), (DENIED, 3, 1)])
def test_somebody_who_waits_for_the_answer_gets_the_last_failure(error: PeerError, tries: int, count: int) -> None:
    assert asked(*[error] * 9, tries=tries) == (count, False, type(error))


def down() -> None:
    raise DOWN


@pytest.mark.parametrize("wait", [lambda one: one.wait("read", DOWN), lambda one: one.call("read", down)])
def test_a_stop_ends_a_wait_at_once(health: ServerHealth, wait: Callable[[ServerHealth], Any]) -> None:
    health.initial_s = health.max_s = 1000
    health.stop.set()
    with pytest.raises(Interrupted):
        wait(health)
