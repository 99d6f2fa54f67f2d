"""Reading the Bundles that a FHIR server answers with.

Source: FHIR R4 (4.0.1), "Bundle", section 2.36, and "RESTful API", section 3.1.0.11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from indexer.errors import ProtocolViolation
from indexer.model import EntryResult, Fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.transport import Response

_STATUS: Final = re.compile(r"[1-5]\d\d(?!\d)")
_ETAG: Final = re.compile(r'(?:W/)?"([^"]+)"')
_HISTORY: Final = re.compile(r"/_history/([^/?#]+)")
_LOCATION: Final = re.compile(r"(?:^|/)[A-Z][A-Za-z]+/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/?#]+)?$")
_TYPES: Final = frozenset({"batch-response", "transaction-response"})
_LINK_HINT: Final = "Check the address that the server has for itself: it must be the one in 'target.fhir'."


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAnswer:
    """One entry of the answer to a Bundle; `resource` only if it was asked for and exists."""

    result: EntryResult
    resource: dict[str, Any] | None


def entries(response: Response, count: int) -> tuple[EntryAnswer, ...]:
    """Entries of the answer to a Bundle of `count` entries, in order.

    Raises
    ------
    ProtocolViolation
        If it is anything else than such an answer, whole.
    """
    bundle = _bundle(response)
    found = bundle.get("entry")
    if bundle.get("type") not in _TYPES or not isinstance(found, list):
        raise _violation(response, "answered no response Bundle")
    if len(found) != count:
        raise _violation(response, f"answered {len(found)} entries for {count}")
    return tuple(_entry(response, one) for one in found)


def matches(response: Response, resource_type: str) -> Iterator[dict[str, Any]]:
    """Resources that a search found, without what was included beside them."""
    bundle = _bundle(response)
    if bundle.get("type") != "searchset":
        raise _violation(response, "answered no searchset")
    for entry in bundle.get("entry") or []:
        resource = _dict(_dict(entry).get("resource"))
        if resource.get("resourceType") == resource_type and _dict(entry.get("search")).get("mode", "match") == "match":
            yield resource


def total(response: Response) -> int:
    """Resources that a search found on all its pages, 0 if the server does not say."""
    said = _bundle(response).get("total")
    return said if isinstance(said, int) else 0


def next_page(response: Response, base_url: str) -> str | None:
    """Path and query of the next page below the base address, None on the last page.

    Raises
    ------
    ProtocolViolation
        If the link leads elsewhere: credentials never leave their origin.
    """
    url = _next_link(response)
    if url is None:
        return None
    base, there = urlsplit(base_url), urlsplit(urljoin(f"{base_url}/", url))
    path = there.path.removeprefix(base.path)
    is_inside = there.path.startswith(base.path) and (path == "" or path.startswith("/"))
    if (there.scheme, there.netloc) != (base.scheme, base.netloc) or not is_inside or ".." in unquote(path).split("/"):
        raise _violation(response, "links to a next page outside of its own address", _LINK_HINT)
    return f"{path or '/'}?{there.query}"


def is_last_page(response: Response) -> bool:
    """Whether no page follows this one, wherever it would be."""
    return _next_link(response) is None


def fetched(resource: dict[str, Any], version_id: str | None = None) -> Fetched:
    """A resource with its version; what `meta` says counts more than `version_id`."""
    said = _dict(resource.get("meta")).get("versionId")
    return Fetched(resource=resource, version_id=said if isinstance(said, str) else version_id)


def _next_link(response: Response) -> str | None:
    links = _bundle(response).get("link") or []
    return next((str(_dict(link).get("url")) for link in links if _dict(link).get("relation") == "next"), None)


def _entry(response: Response, entry: object) -> EntryAnswer:
    answer = _dict(_dict(entry).get("response"))
    resource, outcome = _dict(_dict(entry).get("resource")), _dict(answer.get("outcome"))
    status = _STATUS.match(str(answer.get("status")))
    if status is None:
        raise _violation(response, "answered an entry without a status")
    if resource.get("resourceType") == "OperationOutcome":
        resource, outcome = {}, outcome or resource
    result = EntryResult(
        status=int(status[0]),
        version_id=_version_id(answer, resource),
        fhir_id=_fhir_id(answer),
        outcome=outcome or None,
        retry_after_s=_retry_after_s(response),
    )
    return EntryAnswer(result=result, resource=resource or None)


def _version_id(answer: dict[str, Any], resource: dict[str, Any]) -> str | None:
    etag = _ETAG.fullmatch(str(answer.get("etag")))
    history = _HISTORY.search(str(answer.get("location")))
    found = etag or history
    return found[1] if found else fetched(resource).version_id


def _fhir_id(answer: dict[str, Any]) -> str | None:
    """Id that stands in the ``location`` of what was written."""
    location = _LOCATION.search(str(answer.get("location")))
    return location[1] if location else None


def _retry_after_s(response: Response) -> float | None:
    """Seconds that stand on an answer whose entries were in part put off, kept within 1 s and 600 s."""
    said = response.headers.get("Retry-After", "")
    return min(max(float(said[:9]), 1.0), 600.0) if said.isdecimal() else None


def _bundle(response: Response) -> dict[str, Any]:
    found = _dict(response.json())
    if found.get("resourceType") != "Bundle":
        raise _violation(response, "answered no Bundle")
    return found


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _violation(response: Response, text: str, hint: str | None = None) -> ProtocolViolation:
    return ProtocolViolation(f"{response.peer} {text}", peer=response.peer, status=response.status, hint=hint)
