"""The memory of the fake FHIR servers: resources with versions, Bundles and searches; no HTTP in here."""

import copy
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.given_ids import with_ids
from tests.fakes.spelling import respelled

Json = dict[str, Any]


@dataclass(slots=True)
class Habits:
    """How the fake differs from another server, and what it refuses; may be changed while it runs.

    Attributes
    ----------
    keeps_version
        An identical PUT makes no new version.
    stale_status
        Answer to an If-Match of another version; 409 and 412 are that of a whole transaction, too.
    checks_references
        A reference to a Patient or an Endpoint that does not exist is refused.
    refused
        Status by ``Type/id`` of what is refused.
    stores_elsewhere
        Id by ``Type/id``: what is written there is stored under that id, and the answer says so.
    refuses_whole
        A refused resource spoils its whole Bundle with 400, batches too.
    transaction_limit
        Most entries of a transaction, 0 if there are none at all.
    max_bytes
        A larger request meets 413.
    has_post_search, has_endpoint_search, has_metadata
        Whether the server knows these.
    page
        Most entries of one page of a search.
    respells
        Values are kept as `tests.fakes.spelling` spells them.
    """

    keeps_version: bool = True
    stale_status: int = 412
    checks_references: bool = True
    refused: dict[str, int] = field(default_factory=dict)
    stores_elsewhere: dict[str, str] = field(default_factory=dict)
    refuses_whole: bool = False
    transaction_limit: int | None = None
    max_bytes: int | None = None
    has_post_search: bool = True
    has_endpoint_search: bool = True
    has_metadata: bool = True
    page: int = 100
    respells: bool = False


class HttpError(Exception):
    """A request that is answered with a status and an OperationOutcome."""

    def __init__(self, status: int, diagnostics: str, code: str = "processing") -> None:
        super().__init__(diagnostics)
        self.status = status
        issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
        self.outcome: Json = {"resourceType": "OperationOutcome", "issue": [issue]}


class Store:
    """Resources and newest versions by ``Type/id``; what has a version and is not held was deleted."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.lock = threading.RLock()
        self.held: dict[str, Json] = {}
        self.versions: Counter[str] = Counter()

    # --- what others do, and what is there ------------------------------------------------------------------------

    def put(self, resource: Json) -> int:
        """Write as somebody else would; the version."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        with self.lock:
            self.versions[reference] += 1
            self.held[reference] = respelled(resource) if self.habits.respells else copy.deepcopy(resource)
            return self.versions[reference]

    def delete(self, reference: str) -> None:
        """Delete; a second time does nothing."""
        with self.lock:
            self.versions[reference] += self.held.pop(reference, None) is not None

    def wipe(self) -> None:
        """Lose everything, as a restored or replaced server has."""
        with self.lock:
            self.held.clear()
            self.versions.clear()

    def of_type(self, resource_type: str) -> list[Json]:
        """All resources of a type."""
        with self.lock:
            return [one for one in self.held.values() if one["resourceType"] == resource_type]

    # --- what is asked for --------------------------------------------------------------------------------------------

    def read(self, reference: str) -> Json:
        """A resource with its ``meta.versionId``."""
        if reference not in self.held:
            if reference in self.versions:
                raise HttpError(410, f"{reference} was deleted", "deleted")
            raise HttpError(404, f"{reference} is not known", "not-found")
        resource = self.held[reference]
        return {**resource, "meta": {**resource.get("meta", {}), "versionId": str(self.versions[reference])}}

    def update(self, reference: str, resource: Json, if_match: str | None = None) -> tuple[int, int]:
        """Create or update; status and version."""
        before = self.held.get(reference)
        if resource.get("id") != reference.partition("/")[2]:
            raise HttpError(400, "the id is not that of the address", "invalid")
        if if_match is not None and (before is None or if_match != f'W/"{self.versions[reference]}"'):
            raise HttpError(self.habits.stale_status, "another version is present", "conflict")
        if reference in self.habits.refused:
            raise HttpError(self.habits.refused[reference], _complaint(resource), "invalid")
        if before is None or before != resource or not self.habits.keeps_version:
            self.put(resource)
        return 201 if before is None else 200, self.versions[reference]

    def check_references(self, resource: Json) -> None:
        """Refuse a resource that refers to something that is not there."""
        referring = [resource.get("subject", {}), *resource.get("endpoint", [])]
        for reference in [one["reference"] for one in referring if "reference" in one]:
            if self.habits.checks_references and reference[0] != "#" and reference not in self.held:
                raise HttpError(400, f"Resource {reference} not found")

    def bundle(self, bundle: Json) -> Json:
        """Carry out a batch or a transaction; its answer."""
        entries, kind = bundle.get("entry", []), bundle.get("type")
        if kind not in {"batch", "transaction"}:
            raise HttpError(400, "neither batch nor transaction", "invalid")
        for entry in entries if self.habits.refuses_whole else ():
            if entry["request"]["url"] in self.habits.refused:
                raise HttpError(400, _complaint(entry["resource"]), "structure")
        entries = with_ids(entries, self._bearer, is_transaction=kind == "transaction")
        answers = self._transaction(entries) if kind == "transaction" else [self._alone(entry) for entry in entries]
        return {"resourceType": "Bundle", "type": f"{kind}-response", "entry": answers}

    def search(self, resource_type: str, params: Mapping[str, str]) -> Iterator[Json]:
        """Resources that fit every parameter."""
        for reference in sorted(self.held):
            if reference.startswith(f"{resource_type}/"):
                resource = self.read(reference)
                if all(self._fits(resource, name, value) for name, value in params.items()):
                    yield resource

    def _bearer(self, resource_type: str, identifier: str) -> str | None:
        bearers = [resource["id"] for resource in self.search(resource_type, {"identifier": identifier})]
        if len(bearers) > 1:
            raise HttpError(412, "several resources match", "multiple-matches")
        return bearers[0] if bearers else None

    def _transaction(self, entries: list[Json]) -> list[Json]:
        limit = self.habits.transaction_limit
        if limit is not None and len(entries) > limit:
            raise HttpError(400, f"Transaction contains more than {limit} entries", "invalid")
        urls = [entry["request"]["url"] for entry in entries]
        if len(set(urls)) < len(urls):
            raise HttpError(400, "one identity twice in a transaction", "invalid")
        before = copy.copy(self.held), copy.copy(self.versions)
        try:
            answers = [self._carry_out(entry) for entry in entries]
            for entry in entries:
                self.check_references(entry.get("resource", {}))
        except HttpError as error:
            self.held, self.versions = before
            # As HAPI does it: 400 whatever it was, but for a conflict.
            status = error.status if error.status in {409, 412} else 400
            raise HttpError(status, str(error)) from None
        return answers

    def _alone(self, entry: Json) -> Json:
        try:
            self.check_references(entry.get("resource", {}))
            return self._carry_out(entry)
        except HttpError as error:
            return {"response": {"status": f"{error.status} Refused", "outcome": error.outcome}}

    def _carry_out(self, entry: Json) -> Json:
        request = entry["request"]
        if request["method"] == "GET":
            resource = self.read(request["url"])
            etag = f'W/"{resource["meta"]["versionId"]}"'
            return {"resource": resource, "response": {"status": "200 OK", "etag": etag, "location": request["url"]}}
        if request["method"] != "PUT":
            raise HttpError(405, "only GET, POST and PUT", "not-supported")
        reference, resource = request["url"], entry["resource"]
        if (other := self.habits.stores_elsewhere.get(reference)) is not None:
            reference, resource = f"{resource['resourceType']}/{other}", {**resource, "id": other}
        status, version = self.update(reference, resource, request.get("ifMatch"))
        location = f"{reference}/_history/{version}"
        return {"response": {"status": f"{status} Done", "location": location, "etag": f'W/"{version}"'}}

    def _fits(self, resource: Json, name: str, value: str) -> bool:
        wanted = set(value.split(","))
        if name == "_id":
            return resource["id"] in wanted
        if name == "identifier":
            held = {(one.get("system", ""), one["value"]) for one in resource.get("identifier", [])}
            return any(_is_token(one, held) for one in re.split(r"(?<!\\),", value))
        if name in {"patient", "subject"}:
            return resource.get("subject", {}).get("reference") in wanted
        if name == "endpoint" and self.habits.has_endpoint_search:
            return bool({one["reference"] for one in resource.get("endpoint", [])} & wanted)
        raise HttpError(400, f"Unknown search parameter {name}", "invalid")


def _complaint(resource: Json) -> str:
    """Servers quote what they refuse."""
    return f'this entry is bad: unknown code "{resource.get("status")}"'


def _is_token(token: str, held: set[tuple[str, str]]) -> bool:
    """Whether one of these systems and values is meant by a token of a search (FHIR R4 "Search", 3.1.1.4.10)."""
    parts = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)\|", token)]
    return tuple(parts) in held if len(parts) == 2 else any(value == parts[0] for _, value in held)
