"""What the answer to one entry means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import orjson

from indexer.http_status import Meaning, meaning

if TYPE_CHECKING:
    from indexer.model import EntryResult

_CAUSES: Final = {
    400: "invalid",
    401: "denied",
    403: "denied",
    404: "unsupported",
    405: "unsupported",
    410: "unsupported",
    422: "invalid",
    501: "unsupported",
}


class EntryStatus(StrEnum):
    """Who acts next."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an entry's answer means.

    Attributes
    ----------
    cause
        For REFUSED a word of a closed set: ``invalid``, ``denied``, ``unsupported``, ``refused``; else empty.
    retry_after_s
        For RETRY the seconds that the server asked us to wait, None if it did not say.
    """

    entry_status: EntryStatus
    cause: str = ""
    retry_after_s: float | None = None


def judge(result: EntryResult) -> Verdict:
    """Judge one entry by its status (FHIR R4 "RESTful API", section 3.1.0.4)."""
    status = result.status
    kind = meaning(status)
    # 304: some servers send it for a PUT that changes nothing.
    if kind is Meaning.DONE or status == 304:
        return Verdict(EntryStatus.ACCEPTED)
    if kind is Meaning.LATER or _is_throttled(status, result.outcome):
        return Verdict(EntryStatus.RETRY, retry_after_s=result.retry_after_s)
    if kind is Meaning.CONFLICT:
        return Verdict(EntryStatus.CONFLICT)
    if kind is Meaning.TOO_LARGE:
        return Verdict(EntryStatus.TOO_LARGE)
    return Verdict(EntryStatus.REFUSED, cause=_CAUSES.get(status, "refused"))


def is_throttled(body: bytes) -> bool:
    """Whether the body of a 400 says that it came too fast, as AWS HealthLake words it."""
    return b"ThrottlingException" in body


def _is_throttled(status: int, outcome: dict[str, Any] | None) -> bool:
    return status == 400 and outcome is not None and is_throttled(orjson.dumps(outcome))
