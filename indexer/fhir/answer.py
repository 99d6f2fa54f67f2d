"""Read the Bundles that a FHIR server answers with.

Source: FHIR R4 (4.0.1), "Bundle", section 2.36, and "RESTful API", section 3.1.0.11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from indexer.fhir.shape import bundle, dict_of, resource, text_of, violation
from indexer.model import EntryResult, Fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.transport import Response

_STATUS: Final = re.compile(r"[1-5]\d\d(?!\d)")
_ETAG: Final = re.compile(r'(?:W/)?"([^"]+)"')
_HISTORY: Final = re.compile(r"/_history/([^/?#]+)")
_LOCATION: Final = re.compile(r"(?:^|/)[A-Z][A-Za-z]+/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/?#]+)?$")
_TYPES: Final = frozenset({"batch-response", "transaction-response"})
_LINK_HINT: Final = "Check the base address in the server's own settings: it must be the one in 'target.fhir'."


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAnswer:
    """One entry of the answer to a Bundle; `resource` only if it was requested and exists."""

    result: EntryResult
    resource: dict[str, Any] | None


def entries(response: Response, count: int) -> tuple[EntryAnswer, ...]:
    """Entries of the answer to a Bundle of `count` entries, in order."""
    answer = bundle(response)
    answers = answer.get("entry")
    if text_of(answer.get("type")) not in _TYPES or answers is None:
        raise violation(response, "answered without a response Bundle")
    if len(answers) != count:
        raise violation(response, f"answered {len(answers)} entries for {count}")
    return tuple(_entry(response, entry) for entry in answers)


def matches(response: Response, resource_type: str) -> Iterator[dict[str, Any]]:
    """Resources that a search matched, without included ones."""
    answer = bundle(response)
    if answer.get("type") != "searchset":
        raise violation(response, "answered without a searchset")
    for entry in answer.get("entry") or []:
        match = entry.get("resource", {})
        if not isinstance(match, dict):
            raise violation(response, "answered a search with something else than resources")
        if match.get("resourceType") == resource_type and dict_of(entry.get("search")).get("mode", "match") == "match":
            yield resource(response, match)


def total(response: Response) -> int:
    """Number of matches on all pages of a search, 0 if the server does not say."""
    count = bundle(response).get("total")
    return count if isinstance(count, int) else 0


def next_page(response: Response, base_url: str) -> str | None:
    """Path and query of the next page, None on the last one.

    Raises
    ------
    ProtocolViolation
        If the link leads away from the base address: credentials never leave their origin.
    """
    url = _next_link(response)
    if url is None:
        return None
    try:
        base, there = urlsplit(base_url), urlsplit(urljoin(f"{base_url}/", url))
    except ValueError:
        raise violation(response, "links to a next page without an address") from None
    path = there.path.removeprefix(base.path)
    is_inside = there.path.startswith(base.path) and (path == "" or path.startswith("/"))
    if (there.scheme, there.netloc) != (base.scheme, base.netloc) or not is_inside or ".." in unquote(path).split("/"):
        raise violation(response, "links to a next page outside of its own address", _LINK_HINT)
    return f"{path or '/'}?{there.query}"


def is_last_page(response: Response) -> bool:
    """Whether no page follows, at whatever address."""
    return _next_link(response) is None


def fetched(content: dict[str, Any], version_id: str | None = None) -> Fetched:
    """A resource with its version: that in `meta`, otherwise `version_id`."""
    stated = dict_of(content.get("meta")).get("versionId")
    return Fetched(resource=content, version_id=stated if isinstance(stated, str) else version_id)


def _next_link(response: Response) -> str | None:
    links = [link.get("url") for link in bundle(response).get("link") or [] if link.get("relation") == "next"]
    if not all(isinstance(url, str) for url in links):
        raise violation(response, "links to a next page without an address")
    return next(iter(links), None)


def _entry(response: Response, entry: dict[str, Any]) -> EntryAnswer:
    answer = dict_of(entry.get("response"))
    content, outcome = dict_of(entry.get("resource")), dict_of(answer.get("outcome"))
    status = _STATUS.match(str(answer.get("status")))
    if status is None:
        raise violation(response, "answered an entry without a status")
    if content.get("resourceType") == "OperationOutcome":
        content, outcome = {}, outcome or content
    result = EntryResult(
        status=int(status[0]),
        version_id=_version_id(answer, content),
        fhir_id=_fhir_id(answer, content),
        outcome=outcome or None,
        retry_after_s=_retry_after_s(response),
    )
    return EntryAnswer(result=result, resource=content or None)


def _version_id(answer: dict[str, Any], content: dict[str, Any]) -> str | None:
    match = _ETAG.fullmatch(text_of(answer.get("etag"))) or _HISTORY.search(text_of(answer.get("location")))
    return match[1] if match else fetched(content).version_id


def _fhir_id(answer: dict[str, Any], content: dict[str, Any]) -> str | None:
    """Id of what was written: in its ``location``, otherwise in the resource that came back."""
    location = _LOCATION.search(text_of(answer.get("location")))
    fhir_id = location[1] if location else content.get("id")
    return fhir_id if isinstance(fhir_id, str) else None


def _retry_after_s(response: Response) -> float | None:
    """Seconds in the header of an answer with deferred entries, limited to between 1 s and 600 s."""
    seconds = response.headers.get("Retry-After", "")
    return min(max(float(seconds[:9]), 1.0), 600.0) if seconds.isdecimal() else None
