"""What a client sent and asked for, out of the requests that the proxy recorded."""

import gzip
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from tests.proxy.recording import Recorded

_GZIP = b"\x1f\x8b"


def resources(requests: Iterable[Recorded], resource_type: str) -> list[dict[str, Any]]:
    """Every resource of a type that was written, in order, as it was sent."""
    written = (one for request in requests if request.writes for one in _contents(request))
    return [one for one in written if one.get("resourceType") == resource_type]


def reads(requests: Iterable[Recorded], resource_type: str) -> list[Recorded]:
    """Requests that read or searched resources of a type, alone or in a Bundle."""
    return [one for one in requests if any(kind == resource_type for kind in _read_types(one))]


def searches(requests: Iterable[Recorded], resource_type: str) -> list[Recorded]:
    """Those of the reads that ask for other resources than those of an id, alone or in a Bundle."""
    return [one for one in reads(requests, resource_type) if _is_search(one, resource_type)]


def urls(requests: Iterable[Recorded]) -> list[str]:
    """Path and query of each request."""
    return [f"{one.path}?{one.query}" for one in requests]


def _contents(request: Recorded) -> Iterator[dict[str, Any]]:
    body = gzip.decompress(request.body) if request.body.startswith(_GZIP) else request.body
    document: dict[str, Any] = orjson.loads(body)
    if request.bundle_type is None:
        yield document
        return
    yield from (entry["resource"] for entry in document["entry"] if "resource" in entry)


def _is_search(request: Recorded, resource_type: str) -> bool:
    by_query = any(entry.url.startswith(f"{resource_type}?") for entry in request.entries)
    return by_query or bool(request.query) or request.path.endswith("/_search")


def _read_types(request: Recorded) -> Iterator[str]:
    yield from (entry.resource_type for entry in request.entries if not entry.is_write)
    if request.method == "GET" or request.path.endswith("/_search"):
        yield from (part for part in request.path.split("/") if part[:1].isupper())
