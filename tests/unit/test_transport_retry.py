"""Repeating a call while a server is away."""

from __future__ import annotations

import threading
import time

import pytest

from indexer import errors
from indexer.transport import RetryPolicy, retrying

POLICY = RetryPolicy(initial_s=0.001, max_s=0.002, budget_s=5)


def test_retrying_goes_on_until_the_server_is_back() -> None:
    outcomes: list[Exception | str] = [errors.Unavailable("x", peer="p"), errors.Unavailable("x", peer="p"), "back"]

    assert retrying(POLICY, threading.Event())(take, outcomes) == "back"


def take(outcomes: list[Exception | str]) -> str:
    outcome = outcomes.pop(0)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@pytest.mark.parametrize(
    "error", [errors.AnswerLost("x", peer="p"), errors.AccessDenied("x", peer="p"), errors.Refused("x", peer="p")]
)
def test_retrying_leaves_other_errors_alone(error: Exception) -> None:
    with pytest.raises(type(error)):
        retrying(POLICY, threading.Event())(take, [error, "never"])


def test_retrying_ends_when_the_wait_would_pass_the_budget() -> None:
    outcomes: list[Exception | str] = [errors.Unavailable("x", peer="p", retry_after_s=60), "never"]

    with pytest.raises(errors.Unavailable):
        retrying(POLICY, threading.Event())(take, outcomes)

    assert outcomes == ["never"]


def test_retrying_waits_as_long_as_the_server_asks() -> None:
    outcomes: list[Exception | str] = [errors.Unavailable("x", peer="p", retry_after_s=0.2), "back"]
    begun = time.monotonic()

    assert retrying(POLICY, threading.Event())(take, outcomes) == "back"
    assert time.monotonic() - begun >= 0.2


def test_a_stop_ends_the_wait_at_once() -> None:
    stop = threading.Event()
    slow = RetryPolicy(initial_s=30, max_s=30, budget_s=300)
    error = errors.Unavailable("x", peer="p", retry_after_s=30)
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()

    with pytest.raises(errors.Unavailable):
        retrying(slow, stop)(take, [error, error])

    assert time.monotonic() - begun < 5
