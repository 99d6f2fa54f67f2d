"""Every error that this program raises on purpose, and who acts on it.

::

    IndexerError(message, hint)
    ├─ UsageError                    the command line asks for the impossible      operator    exit 64
    ├─ ConfigError(problems)         the configuration is wrong, all mistakes      operator    exit 78
    ├─ LedgerError                   the ledger cannot be used                     operator    exit 78
    │  ├─ LedgerUnwritable           it takes no writes, and never did             operator    exit 78
    │  ├─ LedgerReplaced             its file is no longer the one that was opened  restart     exit 75
    │  ├─ LedgerBusy                 somebody holds it, or it is away              retry       exit 75
    │  └─ LedgerFull                 the ledger's disk is full                     operator    exit 75
    ├─ PeerError(peer)               Orthanc, DICOMweb or the FHIR server
    │  ├─ Unavailable                refused, timed out, 408, 425, 429, 5xx        retry       exit 69
    │  │  └─ AnswerLost              sent, but no complete answer came back        read first  exit 69
    │  ├─ AccessDenied               401, 403                                      operator    exit 78
    │  ├─ ProtocolViolation          the answer breaks the standard                retry       exit 69
    │  ├─ Conflict                   409, 412: somebody else wrote                 retry       exit 69
    │  ├─ TooLarge                   413: fewer entries                            halve       exit 69
    │  ├─ WrongServer                no FHIR server, or of an unknown release      operator    exit 78
    │  ├─ TargetReplaced             the FHIR server lost what it had confirmed    send again  exit 69
    │  └─ Refused(outcome)           other 4xx for the request as a whole          bisect      exit 69
    ├─ Interrupted                   a stop was asked for                          a normal end  exit 0
    └─ StudyError(cause)             concerns one study, the others go on
       ├─ StudyVanished              the source does not have it (any more)        a normal end
       ├─ StudyChanging              it changed while it was read                  read again
       ├─ StudyNotReady              what its identity needs cannot be read now    retry
       ├─ StudyUnreadable            the source fails on it, and not on others     retry, then quarantine
       └─ StudyInvalid               it cannot be published as it is               quarantine

Edges translate foreign exceptions into these in one place; no other code catches foreign exceptions. No message or hint
may contain patient data: no names, numbers, UIDs, bodies or URLs with a query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class IndexerError(Exception):
    """Root of all errors of this program: what happened, and as a hint what the reader can do about it."""

    exit_code: ClassVar[int] = 70
    default_hint: ClassVar[str] = "Please report this with the log lines around it."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def __str__(self) -> str:
        return self.message


class UsageError(IndexerError):
    """The command line asks for something that cannot be done."""

    exit_code = 64
    default_hint = "See --help."


class ConfigError(IndexerError):
    """The configuration is wrong; each problem is a line with file, line, key and what is expected."""

    exit_code = 78
    default_hint = "Correct the lines above, then run 'dicom-fhir-indexer config check'."

    def __init__(self, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = tuple(problems)


class LedgerError(IndexerError):
    """The ledger cannot be used: damaged, newer than this program, or not writable."""

    exit_code = 78
    default_hint = "See docs/ledger.md for what to check and what losing the ledger costs."


class LedgerUnwritable(LedgerError):
    """The ledger takes no writes; once this process has written to it, that is an outage, a `LedgerBusy`."""


class LedgerReplaced(LedgerError):
    """The ledger's file was deleted or replaced while it was open: what is written now would be lost."""

    exit_code = 75
    default_hint = (
        "Start again with the file that is there now; if it is new or older, run 'backfill' (docs/ledger.md)."
    )


class LedgerBusy(LedgerError):
    """Another process holds the drain lock, the database stayed locked, or it is away for a while."""

    exit_code = 75
    default_hint = "Only one process drains a ledger. Stop the other one, or let it do the work."


class LedgerFull(LedgerError):
    """The ledger's disk is full."""

    exit_code = 75
    default_hint = "Free space on the ledger's disk; the work then goes on by itself."


class PeerError(IndexerError):
    """A server did not do what it was asked.

    Parameters
    ----------
    peer
        ``fhir``, or ``orthanc`` or ``dicomweb`` with the name of the source.
    status
        HTTP status code, if an answer came.
    retry_after_s
        Seconds that the server asked us to wait.
    outcome
        The server's OperationOutcome, if one came; it may contain patient data and is never logged as it is.
    """

    exit_code = 69
    default_hint = "Check that the server is up and that its address is right."

    def __init__(
        self,
        message: str,
        *,
        peer: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        outcome: dict[str, object] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.peer = peer
        self.status = status
        self.retry_after_s = retry_after_s
        self.outcome = outcome


class Unavailable(PeerError):
    """The server cannot be reached or asks us to come back later."""


class AnswerLost(Unavailable):
    """The request may have been carried out, but no complete answer came back: read before sending again."""


class AccessDenied(PeerError):
    """The server refuses our credentials (401) or our rights (403)."""

    exit_code = 78
    default_hint = "Check the user name, the password file or the token, and the rights of that account."


class ProtocolViolation(PeerError):
    """The answer is not what the standard or the server's documentation promises."""

    default_hint = "Check that the address is that of the server itself, not of a proxy's login or error page."


class Conflict(PeerError):
    """Somebody else wrote at the same time (409), or the version is not the one that we know (412)."""

    default_hint = "Nothing to do: the program tries again."


class TooLarge(PeerError):
    """The request is too large for the server or a proxy in front of it (413)."""

    default_hint = "Raise the server's limit or lower target.bundle.max_bytes."


class WrongServer(PeerError):
    """What answers is not what the configuration means: no FHIR server, or one of a release that is not known."""

    exit_code = 78
    default_hint = "Set target.fhir to the address below which /metadata answers, such as https://host/fhir."


class TargetReplaced(PeerError):
    """The FHIR server was emptied or replaced: nothing counts as sent any more."""

    default_hint = "Nothing to do: every known study is sent again."


class Refused(PeerError):
    """The server refuses the request as a whole (400, 404, 405, 422, 501 and the like)."""

    default_hint = "See 'quarantine list' for the study that caused it."


class StudyError(IndexerError):
    """One study cannot be published now; `cause` is a word from a closed set, such as ``no_patient_id``."""

    exit_code = 1
    default_hint = "See 'show' with the study's UID."

    def __init__(self, message: str, *, cause: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class StudyVanished(StudyError):
    """The source does not have the study (any more)."""


class StudyChanging(StudyError):
    """The study changed while it was read."""


class StudyNotReady(StudyError):
    """Something that identifies the patient of the study cannot be read now."""


class StudyUnreadable(StudyError):
    """The source fails on this study, and answers otherwise; it is tried a few times."""

    default_hint = "Check the source's own log for this study (a file may be missing or broken), then replay it."

    def __init__(self, message: str, *, cause: str, status: int | None = None) -> None:
        super().__init__(message, cause=cause)
        self.status = status


class StudyInvalid(StudyError):
    """The study cannot be published as it is; it goes to quarantine."""

    default_hint = "Correct the study in the archive, then 'quarantine replay' it."


class Interrupted(IndexerError):
    """Work was abandoned because a stop was asked for; what was taken stays dirty."""

    exit_code = 0
    default_hint = "Start again; nothing is lost."
