"""Send entries until each is judged: as a transaction, else as batches in waves, bisected where one spoils the rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from indexer.model import Fetched, ResourceKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.bundle import Entry, Sizer, TypePolicy
    from indexer.health import ServerHealth
    from indexer.model import EntryResult
    from indexer.sync.protocols import FhirTarget

_log = logging.getLogger(__name__)

CONFLICTS = 8
"""Whole-Bundle conflicts in a row after which the entries are put off instead."""

FAILURES = 3
"""Times that a server may answer a Bundle with 500 before one of the entries is held to break it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one entry.

    Attributes
    ----------
    fhir_id
        Id that the resource has there, if it landed.
    cause
        Short word for `status` and `quarantine`, empty if the entry landed.
    text
        The server's words without patient data.
    hint
        What to do, empty if only the server's words tell it.
    is_shared
        Whether what landed holds what others wrote.
    """

    entry_status: EntryStatus
    cause: str = ""
    text: str = ""
    hint: str = ""
    fhir_id: str | None = None
    version_id: str | None = None
    retry_after_s: float | None = None
    is_shared: bool = False

    @property
    def is_accepted(self) -> bool:
        return self.entry_status is EntryStatus.ACCEPTED

    @property
    def is_final(self) -> bool:
        """Whether sending the same again is of no use."""
        return self.entry_status in (EntryStatus.REFUSED, EntryStatus.TOO_LARGE)


Answers = dict[ResourceKey, Answer]

Read = Fetched | PeerError | None
"""A resource, nothing, or why the server does not show it."""


@dataclass(slots=True, kw_only=True)
class BundleSender:
    """Brings entries to one FHIR server.

    Attributes
    ----------
    sizer, types
        What size and type of Bundle suits the server, as learnt so far.
    health
        The server's; outages are waited out.
    sentinel
        References (``Endpoint/id``) that the server must hold; if it does not, it is not the server that we know.
    clock
        Monotonic seconds.
    busy_s
        Time spent inside requests that carried a Bundle.
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
        """Most entries that the next Bundle should hold."""
        return self.types.max_entries(self.sizer.limits.max_entries)

    def deliver(self, entries: Sequence[Entry]) -> Answers:
        """Bring every entry to an answer.

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
        # Some servers refuse another version with 400, and with it a whole transaction.
        return answers | self._stale(refused)

    def _answers(self, entries: Sequence[Entry]) -> Answers:
        if len(entries) < 2 or self.types.choose(len(entries)) is BundleType.BATCH:
            return self._waves(entries)
        try:
            return self._post(entries, BundleType.TRANSACTION)
        except Refused as error:
            self._check_sentinel()
            answers = self._waves(entries, 1 if error.status == _FAILED else FAILURES)
            if all(answer.is_accepted for answer in answers.values()):
                self.types = self.types.only_batch_took(len(entries))
            return answers

    def read(self, references: Sequence[str]) -> list[Read]:
        """What the server holds under these references, None for nothing; what it will not show stops no other.

        Raises
        ------
        Interrupted
            If a stop was asked for while the server was out of reach.
        """

        def fetch(some: Sequence[str]) -> Sequence[Read]:
            return self.health.call("read", lambda: self.target.fetch(some))

        return by_halves(fetch, references, error=(Refused, TooLarge), alone=lambda _, error: error)

    def _waves(self, entries: Sequence[Entry], failures: int = FAILURES) -> Answers:
        """What others refer to goes first; a study goes only if its Patient is in."""
        answers: Answers = {}
        failed: dict[str, Answer] = {}
        for wave in bundle.waves(entries):
            held_back = {entry.key: failed[key] for entry in wave if (key := entry.patient_key or "") in failed}
            given = {key.reference: f"{key.type}/{answer.fhir_id}" for key, answer in answers.items() if answer.fhir_id}
            sent = self._batch([entry.referring(given) for entry in wave if entry.key not in held_back], failures)
            answers |= held_back | sent
            failed |= {
                entry.patient_key: sent[entry.key]
                for entry in wave
                if entry.key.type == "Patient" and entry.patient_key and not sent[entry.key].is_accepted
            }
        return answers

    def _batch(self, entries: Sequence[Entry], failures: int) -> Answers:
        """One Bundle; halved as long as it is refused whole, until the guilty entry stands alone."""
        if not entries:
            return {}
        try:
            return self._post(entries, BundleType.BATCH, failures)
        except Refused as error:
            facts = {"event": Event.BUNDLE_REFUSED, "entries": len(entries), "status": error.status}
            _log.warning("bundle refused", extra=facts)
            self._check_sentinel()
            if len(entries) == 1:
                self.health.succeeded("send")  # it answers; the entry is to blame
                return {entries[0].key: _refused(error, entries[0])}
            first, second = bundle.halves(entries)
            return self._batch(first, 1) | self._batch(second, 1)

    def _post(self, entries: Sequence[Entry], bundle_type: BundleType, failures: int = FAILURES) -> Answers:
        """Post until the server answers for the Bundle as a whole.

        Raises
        ------
        Refused
            If it will not have the Bundle, or stumbled over it `failures` times.
        """
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
                    return answers | dict.fromkeys((entry.key for entry in left), _CONFLICT)
                self.health.wait("send", error)
            except AnswerLost as error:
                self.sizer = self.sizer.timed_out(sum(entry.size for entry in left))
                self.health.wait("send", error)
                answers |= self._landed(left)
                left = [entry for entry in left if entry.key not in answers]
            except (Unavailable, AccessDenied, ProtocolViolation) as error:
                failures -= error.status == _FAILED
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
        return {entry.key: _answer(result, entry) for entry, result in zip(packed.entries, results, strict=True)}

    def _halved(self, entries: Sequence[Entry], bundle_type: BundleType, error: TooLarge) -> Answers:
        self.sizer = self.sizer.too_large(sum(entry.size for entry in entries))
        if len(entries) == 1:
            return {entries[0].key: Answer(entry_status=EntryStatus.TOO_LARGE, cause="too_large", text=error.message)}
        first, second = bundle.halves(entries)
        return self._post(first, bundle_type) | self._post(second, bundle_type)

    def _landed(self, entries: Sequence[Entry]) -> Answers:
        """Which entries arrived, though no answer came back; what did not, or cannot be read, is sent again.

        An entry without an id may be sent twice: its request says to make nothing that is there.
        """
        named = [entry for entry in entries if entry.fhir_id is not None]
        held = self.read([entry.reference for entry in named])
        answers = ((entry, _arrived(entry, present)) for entry, present in zip(named, held, strict=True))
        return {entry.key: answer for entry, answer in answers if answer is not None}

    def _stale(self, entries: Sequence[Entry]) -> Answers:
        """Those entries that somebody overtook: the version that they replace is not seen to be the present one."""
        bound = [entry for entry in entries if entry.if_match is not None]
        held = self.read([entry.reference for entry in bound])
        return {
            entry.key: _OVERTAKEN
            for entry, present in zip(bound, held, strict=True)
            if not isinstance(present, Fetched) or present.version_id != entry.if_match
        }

    def _check_sentinel(self) -> None:
        if None in self.read(self.sentinel):
            raise TargetReplaced("the FHIR server no longer holds what it confirmed", peer="fhir")


_FAILED = 500

_CONFLICT = Answer(entry_status=EntryStatus.RETRY, cause="conflict")

_OVERTAKEN = Answer(entry_status=EntryStatus.CONFLICT, cause="conflict")


def _answer(result: EntryResult, entry: Entry) -> Answer:
    verdict = bundle.judge(result)
    if verdict.entry_status is EntryStatus.ACCEPTED:
        fhir_id = entry.fhir_id or result.fhir_id
        return Answer(entry_status=verdict.entry_status, fhir_id=fhir_id, version_id=result.version_id)
    return Answer(
        entry_status=verdict.entry_status,
        cause=verdict.cause or str(verdict.entry_status),
        text=f"status {result.status}: {bundle.strip(result.outcome, entry.sent)}",
        retry_after_s=verdict.retry_after_s,
    )


def _refused(error: Refused, entry: Entry) -> Answer:
    said = bundle.strip(error.outcome, entry.sent)
    if error.status == _FAILED:
        return Answer(entry_status=EntryStatus.RETRY, cause="server_error", text=f"status {error.status}: {said}")
    return Answer(entry_status=EntryStatus.REFUSED, cause="invalid", text=f"status {error.status}: {said}")


def _arrived(entry: Entry, held: Read) -> Answer | None:
    """What the present version says of an entry whose answer was lost; None if it did not arrive.

    Others may have written since, also what is not compared here: that version counts as shared. One that is neither
    the former nor ours is another's, or ours with the words of others: it has to be merged.
    """
    if not isinstance(held, Fetched) or (entry.if_match is not None and held.version_id == entry.if_match):
        return None
    if is_alike(entry.resource, held.resource):
        return Answer(
            entry_status=EntryStatus.ACCEPTED, fhir_id=entry.fhir_id, version_id=held.version_id, is_shared=True
        )
    return _OVERTAKEN


def is_alike(sent: dict[str, Any], held: dict[str, Any]) -> bool:
    """Whether the server holds a resource as it was sent; it adds to ``meta`` and may make the narrative."""
    names = (sent.keys() | held.keys()) - {"meta", "text"}
    return all(sent.get(name) == held.get(name) for name in names)
