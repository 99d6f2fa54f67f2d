"""What the proxy saw: one value per request, and the entries of a FHIR Bundle in it."""

import gzip
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

_WRITES = frozenset({"PUT", "POST", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a Bundle that was posted, or the request itself if it wrote one resource."""

    method: str
    url: str

    @property
    def resource_type(self) -> str:
        return self.url.split("?")[0].split("/")[0]

    @property
    def is_write(self) -> bool:
        return self.method in _WRITES


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request.

    Attributes
    ----------
    path, query
        As received, the query without its question mark.
    body
        As received; empty if the proxy does not keep bodies.
    bundle_type
        ``transaction`` or ``batch``, None if the body is no Bundle.
    entries
        Entries of the Bundle; for a PUT, POST, PATCH or DELETE of one resource that one.
    upstream_status
        What the server answered, None if the request never reached it.
    """

    method: str
    path: str
    query: str
    body: bytes
    bundle_type: str | None
    entries: tuple[Entry, ...]
    upstream_status: int | None = None

    @property
    def writes(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.is_write)


def describe(method: str, target: str, body: bytes, content_encoding: str, root: str) -> Recorded:
    """A request as it came in, without its answer; `root` is the path of the server's base."""
    parts = urlsplit(target)
    document = _document(body, content_encoding)
    bundle_type = document.get("type") if document.get("resourceType") == "Bundle" else None
    if bundle_type is not None:
        entries = tuple(_entry(entry) for entry in document.get("entry") or [])
    else:
        entries = _single(method, parts.path.removeprefix(root).lstrip("/"))
    return Recorded(
        method=method,
        path=parts.path,
        query=parts.query,
        body=body,
        bundle_type=bundle_type,
        entries=entries,
    )


def _document(body: bytes, content_encoding: str) -> dict[str, Any]:
    if content_encoding == "gzip":
        body = gzip.decompress(body)
    if not body.lstrip().startswith(b"{"):
        return {}
    try:
        found = orjson.loads(body)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _entry(entry: dict[str, Any]) -> Entry:
    request = entry.get("request") or {}
    return Entry(str(request.get("method", "")), str(request.get("url", "")))


def _single(method: str, path: str) -> tuple[Entry, ...]:
    is_resource = path[:1].isupper() and not path.endswith("_search")
    return (Entry(method, path),) if method in _WRITES and is_resource else ()
