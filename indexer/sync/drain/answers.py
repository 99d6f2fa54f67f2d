"""What became of each entry that was sent, by the server's answer to it or by what it holds now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from indexer import bundle
from indexer.bundle import EntryStatus
from indexer.equality import is_equal
from indexer.errors import AccessDenied, Conflict, PeerError, ProtocolViolation, Refused
from indexer.model import EntryResult, Fetched, ResourceKey

if TYPE_CHECKING:
    from indexer.bundle import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one entry.

    Attributes
    ----------
    cause
        Short word for `status` and `quarantine`, empty if the entry was accepted.
    text
        What the server said, without patient data.
    hint
        What to do, empty if only `text` says so.
    fhir_id
        Id on the server, if the entry was accepted.
    is_shared
        Whether the resource contains what others wrote.
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
        """Whether it is no use to send the same again."""
        return self.entry_status in (EntryStatus.REFUSED, EntryStatus.TOO_LARGE)


Answers = dict[ResourceKey, Answer]

Read = Fetched | PeerError | None
"""A resource, None if there is none, or why the server does not show it."""

FAILED = 500
"""The status of a server that stumbled over a request."""

TOO_LARGE = Answer(entry_status=EntryStatus.TOO_LARGE, cause="too_large")

_SERVER_ERROR = Answer(entry_status=EntryStatus.RETRY, cause="server_error")

_BLAMED = {
    Conflict: Answer(entry_status=EntryStatus.RETRY, cause="conflict"),
    AccessDenied: Answer(entry_status=EntryStatus.RETRY, cause="denied"),
    ProtocolViolation: Answer(entry_status=EntryStatus.RETRY, cause="protocol_violation"),
}

STALE = Answer(entry_status=EntryStatus.CONFLICT, cause="conflict")


def judged(result: EntryResult, entry: Entry) -> Answer:
    """What the server's answer to an entry means.

    An update is stored under the id that it asks for (FHIR R4 "RESTful API", section 3.1.0.4); under another one nobody
    would find it.
    """
    verdict = bundle.judge(result)
    if verdict.entry_status is EntryStatus.ACCEPTED:
        if entry.fhir_id is not None and result.fhir_id not in (None, entry.fhir_id):
            text = f"status {result.status}: the answer names another resource than the one that was written"
            return Answer(entry_status=EntryStatus.RETRY, cause="protocol_violation", text=text)
        fhir_id = entry.fhir_id or result.fhir_id
        return Answer(entry_status=verdict.entry_status, fhir_id=fhir_id, version_id=result.version_id)
    return Answer(
        entry_status=verdict.entry_status,
        cause=verdict.cause or str(verdict.entry_status),
        text=f"status {result.status}: {bundle.strip(result.outcome, entry.sent)}",
        retry_after_s=verdict.retry_after_s,
    )


def blamed(error: PeerError, entry: Entry) -> Answer:
    """The answer to an entry that the server failed on when it was alone in its Bundle."""
    text = f"status {error.status}: {bundle.strip(error.outcome, entry.sent)}" if error.status else error.message
    if isinstance(error, Refused):
        cause = bundle.judge(EntryResult(status=error.status or 0)).cause
        return Answer(entry_status=EntryStatus.REFUSED, cause=cause or "refused", text=text)
    return replace(_BLAMED.get(type(error), _SERVER_ERROR), text=text)


def arrived(entry: Entry, present: Read) -> Answer | None:
    """The answer to an entry whose answer was lost, judged by the current version; None if it did not arrive.

    Others may have written since, even what is not compared here, so the version counts as shared. A version that is
    neither the former one nor ours must be merged.
    """
    if not isinstance(present, Fetched) or (entry.if_match is not None and present.version_id == entry.if_match):
        return None
    if is_alike(entry.resource, present.resource):
        return Answer(
            entry_status=EntryStatus.ACCEPTED, fhir_id=entry.fhir_id, version_id=present.version_id, is_shared=True
        )
    return STALE


def is_alike(sent: dict[str, Any], present: dict[str, Any]) -> bool:
    """Whether the server holds a resource as it was sent; it adds to ``meta`` and may generate the narrative."""
    names = (sent.keys() | present.keys()) - {"meta", "text"}
    return all(is_equal(sent.get(name), present.get(name), name) for name in names)
