"""Send entries until each has an answer: as a transaction, else in batches, bisected where one entry fails the rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import bundle
from indexer.bundle import BundleType, EntryStatus
from indexer.errors import (
    AccessDenied,
    AnswerLost,
    Conflict,
    PeerError,
    ProtocolViolation,
    Refused,
    TargetReplaced,
    TooLarge,
    Unavailable,
)
from indexer.halving import by_halves
from indexer.log import Event
from indexer.model import Fetched, literal_references
from indexer.sync.drain.answers import FAILED, STALE, TOO_LARGE, arrived, blamed, judged
from indexer.sync.drain.rewrite import rewrite
from indexer.sync.merged_patients import MOST_READS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.bundle import Entry, Sizer, TypePolicy
    from indexer.health import ServerHealth
    from indexer.sync.drain.answers import Answer, Answers, Read
    from indexer.sync.protocols import FhirTarget

_log = logging.getLogger(__name__)

FAILURES = 3
"""How often the server may fail on a single entry before the entry is suspected to be the cause."""

_TROUBLES = (Refused, TooLarge, Conflict, Unavailable, AccessDenied, ProtocolViolation)


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
        return self.types.max_entries(self.health.capacities.limit("send", self._most))

    @property
    def _most(self) -> int:
        return self.sizer.limits.max_entries

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
        while final := [entry for entry in entries if answers[entry.key].is_final]:
            if self._is_well():
                break
            answers |= self._answers(final)
        # Some servers refuse an outdated version with 400, and the whole transaction with it.
        return answers | self._stale(
            [entry for entry in final if answers[entry.key].entry_status is EntryStatus.REFUSED]
        )

    def _answers(self, entries: Sequence[Entry]) -> Answers:
        if len(entries) < 2 or self.types.choose(len(entries)) is BundleType.BATCH:
            return self._waves(entries)
        try:
            return self._post(entries, BundleType.TRANSACTION)
        except _TROUBLES as error:
            answers = self._waves(entries, FAILURES if isinstance(error, Refused) else 1)
            is_too_much = isinstance(error, Refused) or error.status == FAILED
            if is_too_much and all(answer.is_accepted for answer in answers.values()):
                self.types = self.types.only_batch_took(len(entries))
            return answers

    def read(self, references: Sequence[str]) -> list[Read]:
        """What the server holds under these references; one that it refuses to show does not stop the others."""

        def fetch(references: Sequence[str]) -> Sequence[Read]:
            return self.health.call_many("read", self.target.fetch, references, most=MOST_READS_AT_ONCE)

        return by_halves(fetch, references, error=(Refused, TooLarge), alone=lambda _, error: error)

    def _waves(self, entries: Sequence[Entry], tries: int = FAILURES) -> Answers:
        """Batches one after the other: what others refer to first, and a study only if its Patient was accepted."""
        answers: Answers = {}
        failed: dict[str, Answer] = {}
        given: dict[str, str] = {}
        for wave in bundle.waves(entries):
            held_back = {entry.key: failed[key] for entry in wave if (key := entry.patient_key or "") in failed}
            sent = self._batch([entry.referring(given) for entry in wave if entry.key not in held_back], tries)
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

    def _batch(self, entries: Sequence[Entry], tries: int) -> Answers:
        """One batch; if it is to blame for a failure, in halves, until the entry that causes it is alone."""
        if not entries:
            return {}
        try:
            return self._post(entries, BundleType.BATCH, tries)
        except _TROUBLES as error:
            facts = {"event": Event.BUNDLE_REFUSED, "entries": len(entries), "status": error.status}
            _log.warning("bundle refused", extra=facts)
            if len(entries) == 1:
                return {entries[0].key: blamed(error, entries[0])}
            first, second = bundle.halves(entries)
            return self._batch(first, 1) | self._batch(second, 1)

    def _post(self, entries: Sequence[Entry], bundle_type: BundleType, tries: int = FAILURES) -> Answers:
        """Post until the server answers; raises its error if the Bundle is to blame.

        That is so if it refuses the Bundle, or failed on it `tries` times, and does what it did before.
        """
        answers: Answers = {}
        left = list(entries)
        while left:
            try:
                return answers | self._send(left, bundle_type)
            except _TROUBLES as error:
                tries -= self._cost(error, tries, len(left))
                if not isinstance(error, (Refused, Conflict)):
                    self.health.capacities.failed("send", len(left), self._most)
                known = self._known_after(error, left)
                is_suspect = tries < 1 and not known and self._is_well()
                if isinstance(error, AnswerLost) if known else tries > 0:
                    self.health.wait("send", error)
                if is_suspect and isinstance(error, TooLarge):
                    return answers | self._halved(left, bundle_type, error)
                if is_suspect and not known:
                    raise
                answers |= known
                left = [entry for entry in left if entry.key not in known]
        return answers

    def _known_after(self, error: PeerError, entries: Sequence[Entry]) -> Answers:
        """What can be told of entries whose Bundle failed."""
        if isinstance(error, Conflict):
            return self._stale(entries)
        return self._arrived(entries) if isinstance(error, AnswerLost) else {}

    def _cost(self, error: PeerError, tries: int, count: int) -> int:
        """How many of the tries that are left an error uses up; what may be too much is not sent twice as it is."""
        if isinstance(error, (Refused, TooLarge)):
            return tries
        if error.status == FAILED or isinstance(error, Conflict):
            return 1
        return (tries if count > 1 else 1) if self.sentinel else 0

    def _send(self, entries: Sequence[Entry], bundle_type: BundleType) -> Answers:
        packed = bundle.build(entries, bundle_type)
        began = self.clock()
        try:
            results = self.target.send(packed.pieces, packed.count)
        except AnswerLost:
            self.sizer = self.sizer.timed_out(packed.size)
            raise
        finally:
            elapsed_s = self.clock() - began
            self.busy_s += elapsed_s
        self.sizer = self.sizer.succeeded(packed.size, elapsed_s)
        self.health.capacities.succeeded("send", packed.count, self._most)
        facts = {"event": Event.BUNDLE_SENT, "entries": packed.count, "bytes": packed.size}
        _log.info("bundle sent", extra={**facts, "duration_ms": round(1000 * elapsed_s)})
        answers = {entry.key: judged(result, entry) for entry, result in zip(packed.entries, results, strict=True)}
        if not all(answer.is_final for answer in answers.values()):
            self.health.succeeded("send")
        return answers

    def _halved(self, entries: Sequence[Entry], bundle_type: BundleType, error: PeerError) -> Answers:
        self.sizer = self.sizer.too_large(sum(entry.size for entry in entries))
        if len(entries) == 1:
            return {entries[0].key: replace(TOO_LARGE, text=error.message)}
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

    def _is_well(self) -> bool:
        """Whether the server did what it did before, before and after it failed; if it does not now, after a wait."""
        was_failing = self.health.is_failing("send")
        fault = self._fault()
        if fault is not None:
            self.health.wait("send", fault)
            return False
        self.health.succeeded("send")
        return not was_failing

    def _fault(self) -> PeerError | None:
        """Why the server does not do what it did before; None if it does, or nothing is known that it did.

        Whoever refuses to take a resource as it is has an outage, whatever the answer says.
        """
        current = self.read(self.sentinel)
        if None in current:
            raise TargetReplaced("the FHIR server no longer holds what it confirmed", peer="fhir")
        fault = next((present for present in current if isinstance(present, PeerError)), None)
        present = next((present for present in current if isinstance(present, Fetched)), None)
        if fault is None and present is not None:
            fault = rewrite(self.target, present)
        return fault
