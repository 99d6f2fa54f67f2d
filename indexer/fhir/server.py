"""A FHIR server over HTTP. Patient numbers and UIDs are sent in bodies, not in URLs, if the server allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from indexer.batched import batched
from indexer.bundle import EntryStatus, is_throttled, judge
from indexer.errors import AccessDenied, AnswerLost, ProtocolViolation, Refused, TooLarge, Unavailable, WrongServer
from indexer.fhir import identifiers, shape
from indexer.fhir.answer import EntryAnswer, entries, fetched, is_last_page, matches, next_page, total
from indexer.fhir.identifiers import dicts
from indexer.halving import by_halves
from indexer.model import EntryResult, Fetched, TargetInfo
from indexer.transport.faults import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from indexer.errors import PeerError
    from indexer.model import Lookup
    from indexer.transport import Response, Transport

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
    """A `FhirTarget`; `transport` leads to the base address of the server."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    def info(self) -> TargetInfo:
        try:
            response = self._transport.request("GET", "/metadata", headers=_READ)
        except Refused as error:
            if error.status == 404 and error.outcome is None:  # with an OperationOutcome it would be a FHIR server
                raise self._no_base(404) from None
            return TargetInfo(fhir_version=None)
        except AccessDenied as error:
            if error.status == 401:
                raise
            return TargetInfo(fhir_version=None)
        info = _info(response)
        if info is None:
            raise self._no_base(response.status)
        return info

    def send(self, bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        response = self._post(bundle, _WRITE, idempotent=False)
        try:
            return tuple(answer.result for answer in entries(response, count))
        except ProtocolViolation as error:
            raise AnswerLost(error.message, peer=error.peer, status=error.status, hint=error.hint) from None

    def fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        chunks = batched(references, _AT_ONCE)
        return tuple(
            resource for chunk in chunks for resource in by_halves(self._fetch, chunk, error=TooLarge, alone=_raise)
        )

    def find_studies(self, study_instance_uids: Sequence[str]) -> Mapping[str, tuple[Fetched, ...]]:
        by_uid: dict[str, list[Fetched]] = {}
        for chunk in batched(study_instance_uids, _AT_ONCE):
            tokens = ",".join(f"{_STUDY_UID}|urn:oid:{uid}" for uid in chunk)
            first = self._first_page("ImagingStudy", {"identifier": tokens, "_count": _PAGE})
            for resource in self._pages("ImagingStudy", first):
                for uid in _study_uids(resource) & set(chunk):
                    by_uid.setdefault(uid, []).append(fetched(resource))
        return {uid: tuple(studies) for uid, studies in by_uid.items()}

    def look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[dict[str, Any], ...]]:
        hits: dict[Lookup, tuple[dict[str, Any], ...]] = {}
        for resource_type in sorted({lookup.type for lookup in lookups}):
            of_type = [lookup for lookup in lookups if lookup.type == resource_type]
            for chunk in batched(of_type, _LOOKUPS_AT_ONCE):
                hits |= self._look_up(resource_type, chunk)
        return hits

    def _look_up(self, resource_type: str, lookups: Sequence[Lookup]) -> dict[Lookup, tuple[dict[str, Any], ...]]:
        """Lookups of one type in one request; fewer at a time if one page does not contain all hits.

        The next page is not requested: a server may put the identifiers into its address.
        """
        tokens = ",".join(map(identifiers.token, lookups))
        params = {"identifier": tokens, "_elements": identifiers.elements(resource_type), "_count": _PAGE}
        response = self._first_page(resource_type, params)
        resources = list(matches(response, resource_type))
        is_complete = is_last_page(response) and len(resources) >= total(response)
        middle = len(lookups) // 2
        if middle and not is_complete:
            return self._look_up(resource_type, lookups[:middle]) | self._look_up(resource_type, lookups[middle:])
        return {lookup: identifiers.bearers(lookup, resources) for lookup in lookups}

    def studies_at(self, endpoint_id: str) -> Iterator[str]:
        wanted = f"Endpoint/{endpoint_id}"
        # A lenient server ignores a parameter that it does not know, so the reference itself is checked.
        params = {"endpoint": wanted, "_elements": "id,endpoint", "_count": _PAGE}
        first = self._transport.request("GET", "/ImagingStudy", params=params, headers=_READ)
        for resource in self._pages("ImagingStudy", first):
            if wanted in _endpoints(resource):
                yield str(resource["id"])

    def _fetch(self, references: Sequence[str]) -> tuple[Fetched | None, ...]:
        requests = [{"request": {"method": "GET", "url": reference}} for reference in references]
        bundle = orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": requests})
        response = self._post(bundle, _READ_BUNDLE, idempotent=True)
        return tuple(self._read(response, answer) for answer in entries(response, len(references)))

    def _read(self, response: Response, answer: EntryAnswer) -> Fetched | None:
        result, peer = answer.result, self._transport.peer
        if result.status in (404, 410):
            return None
        verdict, text = judge(result), f"{peer} cannot read a resource: status {result.status}"
        # A failure on this resource alone must not count as an outage of the server.
        if verdict.entry_status is EntryStatus.RETRY and result.status != _FAILED:
            raise Unavailable(text, peer=peer, status=result.status, retry_after_s=verdict.retry_after_s)
        if verdict.entry_status is not EntryStatus.ACCEPTED:
            raise Refused(text, peer=peer, status=result.status, outcome=result.outcome)
        if answer.resource is None:
            raise self._violation("answered a read without a resource")
        return fetched(shape.resource(response, answer.resource), result.version_id)

    def _first_page(self, resource_type: str, params: Mapping[str, str]) -> Response:
        """Search by POST; ImagingStudies by GET if the server does not offer that."""
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
        """Resources on this page of a search and on all that follow."""
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
                raise self._violation("links the pages of a search in a circle")
            seen.add(following)
            response = self._transport.request("GET", following, headers=_READ)
        # Some servers silently end a search at their largest page.
        if count < promised:
            raise self._violation(f"found {promised} resources, but returned {count}")

    def _post(
        self, bundle: bytes | tuple[bytes | memoryview, ...], headers: Mapping[str, str], *, idempotent: bool
    ) -> Response:
        response = self._transport.request(
            "POST", "", body=bundle, headers=headers, idempotent=idempotent, accept_statuses=(400,)
        )
        if response.status == 400 and is_throttled(response.body):  # some servers say 'too fast' with 400
            raise Unavailable(f"POST to {response.peer}: status 400", peer=response.peer, status=400)
        if response.status == 400:
            raise refusal("POST", response, is_safe=False)
        return response

    def _no_base(self, status: int) -> WrongServer:
        peer = self._transport.peer
        text = f"{peer} is no FHIR server: no CapabilityStatement at /metadata"
        return WrongServer(text, peer=peer, status=status)

    def _violation(self, text: str) -> ProtocolViolation:
        peer = self._transport.peer
        return ProtocolViolation(f"{peer} {text}", peer=peer)


def _info(response: Response) -> TargetInfo | None:
    """What a CapabilityStatement states; None if the answer is none."""
    try:
        statement = response.json()
    except ProtocolViolation:
        return None
    if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
        return None
    version, software = statement.get("fhirVersion"), shape.dict_of(statement.get("software"))
    words = [shape.text_of(software.get(key)) for key in ("name", "version")]
    return TargetInfo(
        fhir_version=version if isinstance(version, str) else None, software=" ".join(filter(None, words))
    )


def _raise(_: str, error: PeerError) -> Fetched | None:
    raise error


def _study_uids(resource: dict[str, Any]) -> set[str]:
    of_study = [value for value in dicts(resource, "identifier") if value.get("system") == _STUDY_UID]
    return {shape.text_of(identifier.get("value")).removeprefix("urn:oid:") for identifier in of_study}


def _endpoints(resource: dict[str, Any]) -> set[str]:
    """``Endpoint/id`` of each reference, even if it is absolute or names a version."""
    references = [shape.text_of(endpoint.get("reference")) for endpoint in dicts(resource, "endpoint")]
    return {"/".join(reference.split("/_history/")[0].split("/")[-2:]) for reference in references}
