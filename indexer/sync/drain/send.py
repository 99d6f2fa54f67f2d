"""Send entries until each has an answer: as a transaction, else in batches, bisected where one entry fails the rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer import bundle
from indexer.bundle import BundleType, EntryStatus
from indexer.errors import (
    AccessDenied,
    AnswerLost,
    Conflict,
    ProtocolViolation,
    Refused,
    TargetReplaced,
    TooLarge,
    Unavailable,
)
from indexer.halving import by_halves
from indexer.log import Event
from indexer.model import Fetched, literal_references
from indexer.sync.drain.answers import CONFLICT, FAILED, STALE, Answer, arrived, blamed, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.bundle import Entry, Sizer, TypePolicy
    from indexer.health import ServerHealth
    from indexer.sync.drain.answers import Answers, Read
    from indexer.sync.protocols import FhirTarget

_log = logging.getLogger(__name__)

CONFLICTS = 8
"""Conflicts of a whole Bundle in a row after which its entries are deferred."""

FAILURES = 3
"""How often a server may answer a Bundle with 500 before one of its entries is taken to be the cause."""


@dataclass(slots=True, kw_only=True)
class BundleSender:
    """Sends entries to one FHIR server, and waits while it is down.

    Attributes
    ----------
    sizer, types
        Size and type of Bundle that suit the server, as learnt so far.
    sentinel
        References (``Endpoint/id``) that the server must hold; otherwise it is not the server that we know.
    clock
        Monotonic seconds.
    busy_s
        Time spent in requests that carried a Bundle.
    """

    target: FhirTarget
    sizer: Sizer
    types: TypePolicy
    health: ServerHealth
    clock: Callable[[], float]
    sentinel: tuple[str, ...] = ()
    busy_s: float = 0.0

    @property
    def max_entries(self) -> int:
        """Most entries for the next Bundle."""
        return self.types.max_entries(self.sizer.limits.max_entries)

    def deliver(self, entries: Sequence[Entry]) -> Answers:
        """Send entries until each has an answer.

        Raises
        ------
        Interrupted
            If a stop was asked for while the server was out of reach.
        TargetReplaced
            If the server refuses entries and does not hold what it confirmed before.
        """
        answers = self._answers(entries) if entries else {}
        refused = [entry for entry in entries if answers[entry.key].entry_status is EntryStatus.REFUSED]
        if refused:
            self._check_sentinel()
        # Some servers refuse an outdated version with 400, and the whole transaction with it.
        return answers | self._stale(refused)

    def _answers(self, entries: Sequence[Entry]) -> Answers:
        if len(entries) < 2 or self.types.choose(len(entries)) is BundleType.BATCH:
            return self._waves(entries)
        try:
            return self._post(entries, BundleType.TRANSACTION)
        except Refused as error:
            self._check_sentinel()
            answers = self._waves(entries, 1 if error.status == FAILED else FAILURES)
            if all(answer.is_accepted for answer in answers.values()):
                self.types = self.types.only_batch_took(len(entries))
            return answers

    def read(self, references: Sequence[str]) -> list[Read]:
        """What the server holds under these references; one that it refuses to show does not stop the others."""

        def fetch(references: Sequence[str]) -> Sequence[Read]:
            return self.health.call("read", lambda: self.target.fetch(references))

        return by_halves(fetch, references, error=(Refused, TooLarge), alone=lambda _, error: error)

    def _waves(self, entries: Sequence[Entry], failures: int = FAILURES) -> Answers:
        """Batches one after the other: what others refer to first, and a study only if its Patient was accepted."""
        answers: Answers = {}
        failed: dict[str, Answer] = {}
        given: dict[str, str] = {}
        for wave in bundle.waves(entries):
            held_back = {entry.key: failed[key] for entry in wave if (key := entry.patient_key or "") in failed}
            sent = self._batch([entry.referring(given) for entry in wave if entry.key not in held_back], failures)
            answers |= held_back | sent
            given |= literal_references(
                (entry.key, answers[entry.key].fhir_id) for entry in wave if entry.fhir_id is None
            )
            failed |= {
                entry.patient_key: sent[entry.key]
                for entry in wave
                if entry.key.type == "Patient" and entry.patient_key and not sent[entry.key].is_accepted
            }
        return answers

    def _batch(self, entries: Sequence[Entry], failures: int) -> Answers:
        """One batch; if it is refused as a whole, in halves, until the entry that causes it is alone."""
        if not entries:
            return {}
        try:
            return self._post(entries, BundleType.BATCH, failures)
        except Refused as error:
            facts = {"event": Event.BUNDLE_REFUSED, "entries": len(entries), "status": error.status}
            _log.warning("bundle refused", extra=facts)
            self._check_sentinel()
            if len(entries) == 1:
                self.health.succeeded("send")  # the server works; the entry is to blame
                return {entries[0].key: blamed(error, entries[0])}
            first, second = bundle.halves(entries)
            return self._batch(first, 1) | self._batch(second, 1)

    def _post(self, entries: Sequence[Entry], bundle_type: BundleType, failures: int = FAILURES) -> Answers:
        """Post until the server answers; raises `Refused` if it refuses the Bundle or fails on it `failures` times."""
        answers: Answers = {}
        left = list(entries)
        conflicts = 0
        while left:
            try:
                answers |= self._send(left, bundle_type)
                left = []
            except TooLarge as error:
                return answers | self._halved(left, bundle_type, error)
            except Conflict as error:
                if stale := self._stale(left):
                    answers |= stale
                    left = [entry for entry in left if entry.key not in stale]
                    continue
                conflicts += 1
                if conflicts > CONFLICTS:
                    self.health.succeeded("send")
                    return answers | dict.fromkeys((entry.key for entry in left), CONFLICT)
                self.health.wait("send", error)
            except AnswerLost as error:
                self.sizer = self.sizer.timed_out(sum(entry.size for entry in left))
                self.health.wait("send", error)
                answers |= self._arrived(left)
                left = [entry for entry in left if entry.key not in answers]
            except (Unavailable, AccessDenied, ProtocolViolation) as error:
                failures -= error.status == FAILED
                if failures < 1:
                    raise Refused(error.message, peer=error.peer, status=error.status) from None
                self.health.wait("send", error)
        self.health.succeeded("send")
        return answers

    def _send(self, entries: Sequence[Entry], bundle_type: BundleType) -> Answers:
        packed = bundle.build(entries, bundle_type)
        began = self.clock()
        try:
            results = self.target.send(packed.pieces, packed.count)
        finally:
            elapsed_s = self.clock() - began
            self.busy_s += elapsed_s
        self.sizer = self.sizer.succeeded(packed.size, elapsed_s)
        facts = {"event": Event.BUNDLE_SENT, "entries": packed.count, "bytes": packed.size}
        _log.info("bundle sent", extra={**facts, "duration_ms": round(1000 * elapsed_s)})
        return {entry.key: judged(result, entry) for entry, result in zip(packed.entries, results, strict=True)}

    def _halved(self, entries: Sequence[Entry], bundle_type: BundleType, error: TooLarge) -> Answers:
        self.sizer = self.sizer.too_large(sum(entry.size for entry in entries))
        if len(entries) == 1:
            return {entries[0].key: Answer(entry_status=EntryStatus.TOO_LARGE, cause="too_large", text=error.message)}
        first, second = bundle.halves(entries)
        return self._post(first, bundle_type) | self._post(second, bundle_type)

    def _arrived(self, entries: Sequence[Entry]) -> Answers:
        """Answers to the entries that arrived, though no answer came back; the others are sent again.

        An entry without an id may be sent twice: its request does not create what exists.
        """
        named = [entry for entry in entries if entry.fhir_id is not None]
        current = self.read([entry.reference for entry in named])
        answers = {entry.key: arrived(entry, present) for entry, present in zip(named, current, strict=True)}
        return {key: answer for key, answer in answers.items() if answer is not None}

    def _stale(self, entries: Sequence[Entry]) -> Answers:
        """Answers to the entries that replace a version which is no longer the current one, or cannot be read."""
        versioned = [entry for entry in entries if entry.if_match is not None]
        current = self.read([entry.reference for entry in versioned])
        return {
            entry.key: STALE
            for entry, present in zip(versioned, current, strict=True)
            if not isinstance(present, Fetched) or present.version_id != entry.if_match
        }

    def _check_sentinel(self) -> None:
        if None in self.read(self.sentinel):
            raise TargetReplaced("the FHIR server no longer holds what it confirmed", peer="fhir")
