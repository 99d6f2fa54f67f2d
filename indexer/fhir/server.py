"""A FHIR server over HTTP.

Patient numbers and UIDs stand in bodies, never in URLs, as far as the server allows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import orjson

from indexer.bundle import EntryStatus, is_throttled, judge
from indexer.errors import AccessDenied, AnswerLost, ProtocolViolation, Refused, TooLarge, Unavailable
from indexer.fhir import identifiers
from indexer.fhir.answer import EntryAnswer, entries, fetched, is_last_page, matches, next_page, total
from indexer.halving import by_halves
from indexer.model import EntryResult, Fetched, TargetInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.errors import PeerError
    from indexer.model import Lookup
    from indexer.transport import Response, Transport

T = TypeVar("T")

_JSON: Final = "application/fhir+json"
_WRITE: Final = {"Content-Type": _JSON, "Accept": _JSON, "Prefer": "return=minimal"}
# HAPI answers a search from a cache for a minute.
_READ: Final = {"Accept": _JSON, "Cache-Control": "no-cache"}
_READ_BUNDLE: Final = {**_READ, "Content-Type": _JSON}
_SEARCH: Final = {**_READ, "Content-Type": "application/x-www-form-urlencoded"}
_AT_ONCE: Final = 50
# Answers to these are short.
_LOOKUPS_AT_ONCE: Final = 100
_PAGE: Final = "200"
_FAILED: Final = 500
_STUDY_UID: Final = "urn:dicom:uid"


class FhirServer:
    """A `FhirTarget`.

    Parameters
    ----------
    transport
        Leads to the base address of the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def base_url(self) -> str:
        """Address without a trailing slash."""
        return self._transport.base_url

    def info(self) -> TargetInfo:
        """Read ``/metadata``; servers that show it to nobody exist.

        Raises
        ------
        Unavailable, AccessDenied, ProtocolViolation
            If it cannot be reached, does not know us, or is no FHIR server at this address.
        """
        try:
            response = self._transport.request("GET", "/metadata", headers=_READ)
        except Refused as error:
            if error.status == 404 and error.outcome is None:  # an OperationOutcome: it speaks FHIR, and tells nothing
                raise self._no_base() from None
            return TargetInfo(fhir_version=None)
        except AccessDenied as error:
            if error.status == 401:
                raise
            return TargetInfo(fhir_version=None)
        info = _info(response)
        if info is None:
            raise self._no_base()
        return info

    def send(self, bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        """POST one Bundle of `count` entries; one result per entry, in order.

        Raises
        ------
        AnswerLost
            If it may have been carried out; also after a success whose answer is cut, no JSON or not whole.
        Unavailable, AccessDenied, Conflict, TooLarge, Refused, ProtocolViolation
            For the Bundle as a whole.
        """
        response = self._post(bundle, _WRITE, idempotent=False)
        try:
            return tuple(one.result for one in entries(response, count))
        except ProtocolViolation as error:
            raise AnswerLost(error.message, peer=error.peer, status=error.status, hint=error.hint) from None

    def fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        """Read ``Type/id`` references, many at once; None for each that does not exist or is deleted.

        Raises
        ------
        Unavailable, AccessDenied, TooLarge, Refused, ProtocolViolation
            If one of them cannot be read.
        """
        chunks = _chunks(references)
        return tuple(
            resource for chunk in chunks for resource in by_halves(self._fetch, chunk, error=TooLarge, alone=_raise)
        )

    def find_studies(self, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Fetched, ...]]:
        """Every ImagingStudy that bears one of these UIDs, by UID; UIDs that none bears are left out.

        Raises
        ------
        Unavailable, AccessDenied, Refused, ProtocolViolation
            If the search fails.
        """
        found: dict[str, list[Fetched]] = {}
        for chunk in _chunks(study_instance_uids):
            tokens = ",".join(f"{_STUDY_UID}|urn:oid:{uid}" for uid in chunk)
            for resource in self._search("ImagingStudy", {"identifier": tokens, "_count": _PAGE}):
                for uid in _study_uids(resource) & set(chunk):
                    found.setdefault(uid, []).append(fetched(resource))
        return {uid: tuple(studies) for uid, studies in found.items()}

    def look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[str, ...]]:
        """References of the resources that bear each identifier, one request for many; none is left out.

        A Patient that names another one in whose place it stood counts as that one.

        Raises
        ------
        Refused
            If the server cannot search such resources by their identifiers.
        Unavailable, AccessDenied, ProtocolViolation
            If the search fails.
        """
        found: dict[Lookup, tuple[str, ...]] = {}
        for resource_type in sorted({one.type for one in lookups}):
            wanted = [one for one in lookups if one.type == resource_type]
            for chunk in _chunks(wanted, _LOOKUPS_AT_ONCE):
                found |= self._look_up(resource_type, chunk)
        return found

    def _look_up(self, resource_type: str, lookups: Sequence[Lookup]) -> dict[Lookup, tuple[str, ...]]:
        """Lookups of one type in one request; fewer at a time where one page does not hold all that bear them.

        The next page is not followed: a server may write the identifiers into its address.
        """
        tokens = ",".join(map(identifiers.token, lookups))
        params = {"identifier": tokens, "_elements": identifiers.ELEMENTS, "_count": _PAGE}
        response = self._first_page(resource_type, params)
        held = list(matches(response, resource_type))
        is_whole = is_last_page(response) and len(held) >= total(response)
        middle = len(lookups) // 2
        if middle and not is_whole:
            return self._look_up(resource_type, lookups[:middle]) | self._look_up(resource_type, lookups[middle:])
        return {one: identifiers.bearers(one, held) for one in lookups}

    def studies_at(self, endpoint_id: str) -> Iterator[str]:
        """Ids of every ImagingStudy that refers to this Endpoint, page by page.

        Raises
        ------
        Refused
            If the server does not know the search parameter.
        Unavailable, AccessDenied, ProtocolViolation
            If the search fails.
        """
        wanted = f"Endpoint/{endpoint_id}"
        # A lenient server ignores a parameter that it does not know, so the reference itself is looked at.
        params = {"endpoint": wanted, "_elements": "id,endpoint", "_count": _PAGE}
        first = self._transport.request("GET", "/ImagingStudy", params=params, headers=_READ)
        for resource in self._pages("ImagingStudy", first):
            if wanted in _endpoints(resource):
                yield str(resource["id"])

    def _fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        requests = [{"request": {"method": "GET", "url": reference}} for reference in references]
        bundle = orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": requests})
        response = self._post(bundle, _READ_BUNDLE, idempotent=True)
        return tuple(self._read(answer) for answer in entries(response, len(references)))

    def _read(self, answer: EntryAnswer) -> Fetched | None:
        result, peer = answer.result, self._transport.peer
        if result.status in (404, 410):
            return None
        verdict, text = judge(result), f"{peer} cannot read a resource: status {result.status}"
        # A failure of this resource alone must not look like an outage of the server.
        if verdict.entry_status is EntryStatus.RETRY and result.status != _FAILED:
            raise Unavailable(text, peer=peer, status=result.status, retry_after_s=verdict.retry_after_s)
        if verdict.entry_status is not EntryStatus.ACCEPTED:
            raise Refused(text, peer=peer, status=result.status, outcome=result.outcome)
        if answer.resource is None:
            raise self._violation("answered a read without a resource")
        return fetched(answer.resource, result.version_id)

    def _search(self, resource_type: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        return self._pages(resource_type, self._first_page(resource_type, params))

    def _first_page(self, resource_type: str, params: Mapping[str, str]) -> Response:
        """Search by POST; ImagingStudies by GET where the server does not offer that."""
        form, is_study = urlencode(params).encode(), resource_type == "ImagingStudy"
        response = self._transport.request(
            "POST",
            f"/{resource_type}/_search",
            body=form,
            headers=_SEARCH,
            idempotent=True,
            accept_statuses=(404, 405) if is_study else (),
        )
        if response.status in (404, 405):
            response = self._transport.request("GET", f"/{resource_type}", params=params, headers=_READ)
        return response

    def _pages(self, resource_type: str, response: Response) -> Iterator[dict[str, Any]]:
        """Resources of this page of a search and of all that follow it."""
        promised, count = total(response), 0
        seen: set[str] = set()
        while True:
            for resource in matches(response, resource_type):
                count += 1
                yield resource
            following = next_page(response, self.base_url)
            if following is None:
                break
            if following in seen:
                raise self._violation("leads through the pages of a search in a circle")
            seen.add(following)
            response = self._transport.request("GET", following, headers=_READ)
        # Some servers end a search at their largest page, without a word.
        if count < promised:
            raise self._violation(f"found {promised} resources, but gave {count}")

    def _post(
        self, bundle: bytes | tuple[bytes | memoryview, ...], headers: Mapping[str, str], *, idempotent: bool
    ) -> Response:
        response = self._transport.request(
            "POST", "", body=bundle, headers=headers, idempotent=idempotent, accept_statuses=(400,)
        )
        if response.status == 400:
            raise self._refusal(response)
        return response

    def _refusal(self, response: Response) -> Unavailable | Refused:
        """A Bundle that was refused whole with 400, which some servers say for 'too fast' as well."""
        text = f"POST to {response.peer}: status {response.status}"
        if is_throttled(response.body):
            return Unavailable(text, peer=response.peer, status=response.status)
        return Refused(text, peer=response.peer, status=response.status, outcome=_outcome(response))

    def _no_base(self) -> ProtocolViolation:
        peer = self._transport.peer
        hint = "Set target.fhir to the address below which /metadata answers, such as https://host/fhir."
        return ProtocolViolation(f"{peer} is no FHIR server: no CapabilityStatement at /metadata", peer=peer, hint=hint)

    def _violation(self, text: str) -> ProtocolViolation:
        peer = self._transport.peer
        return ProtocolViolation(f"{peer} {text}", peer=peer)


def _info(response: Response) -> TargetInfo | None:
    """What a CapabilityStatement tells, or None for an answer that is none."""
    try:
        statement = response.json()
    except ProtocolViolation:
        return None
    if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
        return None
    version, software = statement.get("fhirVersion"), statement.get("software")
    named = software if isinstance(software, dict) else {}
    return TargetInfo(
        fhir_version=version if isinstance(version, str) else None,
        software=" ".join(str(named[key]) for key in ("name", "version") if named.get(key)),
    )


def _outcome(response: Response) -> dict[str, Any] | None:
    try:
        found = response.json()
    except ProtocolViolation:
        return None
    return found if isinstance(found, dict) and found.get("resourceType") == "OperationOutcome" else None


def _raise(_: str, error: PeerError) -> Fetched | None:
    raise error


def _study_uids(resource: dict[str, Any]) -> set[str]:
    identifiers = [one for one in resource.get("identifier") or [] if isinstance(one, dict)]
    return {str(one.get("value")).removeprefix("urn:oid:") for one in identifiers if one.get("system") == _STUDY_UID}


def _endpoints(resource: dict[str, Any]) -> set[str]:
    """``Endpoint/id`` of each reference, be it absolute or of one version."""
    references = [str(one.get("reference")) for one in resource.get("endpoint") or [] if isinstance(one, dict)]
    return {"/".join(reference.split("/_history/")[0].split("/")[-2:]) for reference in references}


def _chunks(items: Sequence[T], size: int = _AT_ONCE) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
