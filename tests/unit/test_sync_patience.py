"""Waiting for a server that is out of reach."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from indexer.errors import AccessDenied, Conflict, Interrupted, PeerError, ProtocolViolation, Refused, Unavailable
from indexer.sync import patience
from indexer.sync.patience import Patience
from tests.fakes.memory import Clock, Script

if TYPE_CHECKING:
    from collections.abc import Callable

DOWN = Unavailable("down", peer="fhir")


def new(most_s: float = 60.0, first_s: float = 1.0) -> Patience:
    return Patience(peer="fhir", stop=threading.Event(), clock=Clock(), first_s=first_s, most_s=most_s)


def test_waits_grow_to_their_limit_and_begin_anew_when_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.random, "random", lambda: 1.0)
    one = new(most_s=5.0)
    assert [one.delay_s(DOWN) for _ in range(4)] == [1, 2, 4, 5]
    one.well()
    assert one.delay_s(DOWN) == 1


def test_the_server_says_how_long() -> None:
    assert new().delay_s(Unavailable("later", peer="fhir", retry_after_s=33.0)) == 33.0


def test_wrong_credentials_are_tried_rarely() -> None:
    assert new(most_s=300.0).delay_s(AccessDenied("who?", peer="fhir")) >= 60


def test_one_word_when_it_goes_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    one = new()
    one.well()
    for _ in range(5):
        one.delay_s(DOWN)
    assert isinstance(one.clock, Clock)
    one.clock.pass_by(12)
    one.well()
    one.well()
    lost, back = caplog.records
    assert (lost.event, lost.cause) == ("peer_lost", "Unavailable")
    assert (back.event, back.duration_ms) == ("peer_back", 12_000)


def test_a_stop_ends_a_wait_at_once() -> None:
    one = new(first_s=1000, most_s=1000)
    one.stop.set()
    with pytest.raises(Interrupted):
        one.wait(DOWN)
    with pytest.raises(Interrupted):
        one.stopped(1000)


@pytest.mark.parametrize("error", [DOWN, ProtocolViolation("?", peer="fhir"), Conflict("409", peer="fhir")])
def test_persisting_asks_until_the_server_is_there(error: PeerError) -> None:
    script, one = Script(), new(first_s=0.001, most_s=0.001)
    script.next("ask", error, error)

    def ask() -> str:
        script.play("ask")
        return "answer"

    assert one.persist(ask) == "answer"
    assert (script.calls["ask"], one.failures) == (3, 0)


def test_persisting_does_not_repeat_what_is_refused() -> None:
    def ask() -> None:
        raise Refused("no", peer="fhir", status=400)

    refused: Callable[[], None] = ask
    with pytest.raises(Refused):
        new().persist(refused)
