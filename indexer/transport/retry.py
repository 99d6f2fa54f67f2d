"""Repeating single requests while a server is away; what must outlive a restart is the ledger's to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tenacity

from indexer.errors import AnswerLost, Unavailable

if TYPE_CHECKING:
    import threading


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential waits with full jitter between `initial_s` and `max_s`, `budget_s` seconds in all."""

    initial_s: float = 1.0
    max_s: float = 60.0
    budget_s: float = 300.0


def retrying(policy: RetryPolicy, stop: threading.Event) -> tenacity.Retrying:
    """Repeats a call while the server is `Unavailable`: ``retrying(policy, stop)(transport.request, "GET", path)``.

    For single idempotent requests only: `AnswerLost` ends it, for its request may have been carried out. A set `stop`
    ends the wait at once; the last error is raised then.
    """
    jitter = tenacity.wait_random_exponential(multiplier=policy.initial_s, max=policy.max_s)

    def wait_s(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, Unavailable) else None
        return max(float(jitter(state)), asked or 0.0)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, Unavailable) and not isinstance(e, AnswerLost)),
        wait=wait_s,
        stop=tenacity.stop_any(tenacity.stop_before_delay(policy.budget_s), tenacity.stop_when_event_set(stop)),
        sleep=tenacity.sleep_using_event(stop),
        reraise=True,
    )
