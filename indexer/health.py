"""The health of each server: one object per server, shared by all that use it. Only this module waits for servers."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import tenacity

from indexer.capacity import Capacities
from indexer.errors import (
    AccessDenied,
    Conflict,
    Interrupted,
    ProtocolViolation,
    Refused,
    StudyError,
    TooLarge,
    Unavailable,
    WrongServer,
)
from indexer.log import Event
from indexer.model.ledger import HealthState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.errors import PeerError

_log = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")

FAILURES = (Unavailable, AccessDenied, ProtocolViolation, Conflict)
"""What is tried again. Any other error is the server's answer to the request."""

REFUSALS = (Refused, TooLarge, WrongServer)
"""Answers that are a failure, too, where nothing works without what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failing:
    """An activity that failed last time: how often in a row, why, and until when it waits (monotonic seconds)."""

    failures: int
    cause: str
    status: int | None
    until: float


@dataclass(slots=True, kw_only=True)
class ServerHealth:
    """Whether one server does what it is asked, and when to ask it again; for any number of threads.

    An outage begins when the first activity fails and ends when every activity that failed has succeeded again. It is
    logged once at its start and once at its end. Each activity waits on its own: successful reads do not make failing
    Bundles come sooner.

    Attributes
    ----------
    peer
        ``orthanc``, ``dicomweb`` or ``fhir``.
    source
        The source that the server belongs to, if any.
    stop
        Ends every wait at once.
    initial_s, max_s
        First and longest wait, in seconds.
    capacities
        How much the server takes at once, by activity.
    outlasts_refusals
        Whether `insist` waits out refusals: the daemon does, while somebody who waits for a command wants to be told.
    """

    peer: str
    stop: threading.Event
    source: str | None = None
    initial_s: float = 1.0
    max_s: float = 60.0
    capacities: Capacities = field(default_factory=Capacities)
    outlasts_refusals: bool = False
    on_change: Callable[[], None] | None = None
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _failing: dict[str, _Failing] = field(default_factory=dict, init=False)
    _since: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def server(self) -> str:
        """Name of the server, as in `PeerError.peer`."""
        return self.peer if self.source is None else f"{self.peer} {self.source}"

    def call(self, activity: str, ask: Callable[[], T], *, tries: int | None = None) -> T:
        """Ask until the server does it.

        Parameters
        ----------
        tries
            Failures after which the last one is raised, because somebody waits for the answer; rejected credentials
            are then raised at once. None asks as long as it takes.

        Raises
        ------
        Interrupted
            If a stop was asked for.
        PeerError
            If it is an answer to the request, such as `Refused`, or the last failure.
        """
        return self._ask(activity, ask, FAILURES, tries)

    def call_many(
        self,
        activity: str,
        ask: Callable[[Sequence[Item]], Sequence[T]],
        items: Sequence[Item],
        *,
        most: int,
        tries: int | None = None,
    ) -> list[T]:
        """As `call`, for many items, of which the server takes `most` at once or fewer; the answers in their order."""

        def ask_some() -> Sequence[T]:
            return self.capacities.ask(activity, ask, items[len(answers) :], most, is_hasty=tries is not None)

        answers: list[T] = []
        while len(answers) < len(items):
            answers += self.call(activity, ask_some, tries=tries)
        return answers

    def insist(self, activity: str, ask: Callable[[], T], *, tries: int | None = None) -> T:
        """As `call`, for what nothing works without.

        A server that is starting, or a proxy before it, may refuse anything for a while.
        """
        failures = FAILURES + REFUSALS if self.outlasts_refusals else FAILURES
        return self._ask(activity, ask, failures, tries)

    def _ask(self, activity: str, ask: Callable[[], T], failures: tuple[type[PeerError], ...], tries: int | None) -> T:
        ask_again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(failures),
            wait=lambda state: self.failed(activity, _failure(state)),
            stop=lambda state: tries is not None and (state.attempt_number >= tries or _is_denied(state)),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            answer = ask_again(ask)
        except failures:
            raise
        except (StudyError, *REFUSALS):
            self.succeeded(activity)
            raise
        self.succeeded(activity)
        return answer

    def wait(self, activity: str, error: PeerError) -> None:
        """Count a failure and wait; raises `Interrupted` if a stop was asked for."""
        self._sleep(self.failed(activity, error))

    def failed(self, activity: str, error: PeerError) -> float:
        """Count a failure; returns the seconds until this activity may be tried again.

        Requests of other threads fail at the same time: during the wait, further failures are not counted.
        """
        with self._lock:
            now = self.monotonic()
            former = self._failing.get(activity)
            if former is not None and former.until > now:
                return former.until - now
            if not self._failing:
                self._since = self.clock()
                facts = {"event": Event.PEER_LOST, "status": error.status, "cause": type(error).__name__}
                facts |= {"problem": f"{error.message} ({error.hint})"}
                _log.warning("a server does not do what it is asked; trying again", extra=facts | self._names())
            failures = former.failures + 1 if former is not None else 1
            delay_s = self._delay_s(failures, error)
            self._failing[activity] = _Failing(
                failures=failures, cause=type(error).__name__, status=error.status, until=now + delay_s
            )
        self._tell()
        return delay_s

    def succeeded(self, activity: str) -> None:
        """The server did what it was asked."""
        with self._lock:
            if self._failing.pop(activity, None) is None:
                return
            if not self._failing:
                facts = {"event": Event.PEER_BACK, "duration_ms": round(1000 * (self.clock() - self._since))}
                _log.warning("the server answers again", extra=facts | self._names())
        self._tell()

    def wait_s(self, activity: str) -> float:
        """Seconds until an activity may be tried; 0.0 if it may be tried now."""
        failing = self._failing.get(activity)
        return 0.0 if failing is None else max(0.0, failing.until - self.monotonic())

    def is_failing(self, activity: str) -> bool:
        """Whether the last try of an activity failed."""
        return activity in self._failing

    @property
    def is_well(self) -> bool:
        """Whether no activity is failing."""
        return not self._failing

    def state(self) -> HealthState:
        """The state for `status`; of several failing activities, the one that is tried next counts."""
        with self._lock:
            first = min(self._failing.values(), key=lambda failing: failing.until, default=None)
            if first is None:
                return HealthState(server=self.server, peer=self.peer, is_well=True)
            return HealthState(
                server=self.server,
                peer=self.peer,
                is_well=False,
                since=self._since,
                next_try_at=self.clock() + first.until - self.monotonic(),
                cause=first.cause,
                status=first.status,
            )

    def _delay_s(self, failures: int, error: PeerError) -> float:
        state = tenacity.RetryCallState(_NOBODY, None, (), {})
        state.attempt_number = failures
        delay_s = tenacity.wait_random_exponential(self.initial_s, self.max_s, min=self.initial_s)(state)
        if isinstance(error, AccessDenied):
            return max(delay_s, self.max_s / 5)  # so that no account is locked out
        if isinstance(error, Unavailable) and error.retry_after_s is not None:
            return max(self.initial_s, error.retry_after_s)
        return delay_s

    def _sleep(self, seconds: float) -> None:
        tenacity.sleep_using_event(self.stop)(seconds)
        if self.stop.is_set():
            raise Interrupted("a stop was asked for")

    def _names(self) -> dict[str, object]:
        return {"peer": self.peer, **({} if self.source is None else {"source": self.source})}

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()


_NOBODY = tenacity.Retrying()


def _failure(state: tenacity.RetryCallState) -> PeerError:
    return cast("PeerError", cast("tenacity.Future", state.outcome).exception())


def _is_denied(state: tenacity.RetryCallState) -> bool:
    return isinstance(_failure(state), AccessDenied)
