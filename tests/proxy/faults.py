"""Faults that the proxy can inject, as values, and predicates that say which requests they hit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from tests.proxy.recording import Recorded

When = Callable[[Recorded], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request.

    Attributes
    ----------
    forward
        Whether the server gets the request (and commits it) at all.
    after_s
        Wait before the answer is given.
    answer
        Status, headers and body that replace the server's answer.
    rewrite
        Change of the request's body before the server gets it.
    edit
        Change of the server's response body.
    cut_after
        Bytes of the body after which the connection is closed, though Content-Length promised all.
    closes
        Close the connection without any answer.
    hangs
        Never answer, until the client gives up or the proxy ends.
    """

    name: str
    forward: bool = True
    after_s: float = 0.0
    answer: tuple[int, Mapping[str, str], bytes] | None = None
    rewrite: Callable[[bytes], bytes] | None = field(default=None)
    edit: Callable[[bytes], bytes] | None = field(default=None)
    cut_after: int | None = None
    closes: bool = False
    hangs: bool = False


def slow_reply(seconds: float) -> Fault:
    """The server has done its work, but the answer comes late."""
    return Fault(name="slow_reply", after_s=seconds)


def reset() -> Fault:
    """The connection is reset before the server sees the request."""
    return Fault(name="reset", forward=False, closes=True)


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Fault:
    """Another answer; the server does not see the request."""
    return Fault(name=f"status {code}", forward=False, answer=(code, headers or {}, body))


def not_json() -> Fault:
    """The server has done its work, but 200 and an HTML page come back."""
    page = b"<html><body>Please log in.</body></html>"
    return Fault(name="not_json", answer=(200, {"Content-Type": "text/html"}, page))


def cut(after_bytes: int) -> Fault:
    """The server has done its work, but its answer ends after so many bytes of the body."""
    return Fault(name="cut", cut_after=after_bytes)


def fewer_entries(count: int = 1) -> Fault:
    """The server has done its work, but the last `count` entries of its Bundle are missing."""

    def without(body: bytes) -> bytes:
        bundle = orjson.loads(body)
        bundle["entry"] = bundle["entry"][:-count]
        return orjson.dumps(bundle)

    return Fault(name="fewer_entries", edit=without)


def spoil(reference: str) -> Fault:
    """The entry of one study reaches the server with a status that FHIR does not know."""

    def spoilt(body: bytes) -> bytes:
        bundle = orjson.loads(body)
        for entry in bundle["entry"]:
            if entry["request"]["url"] == reference:
                entry["resource"]["status"] = "spoilt"
        return orjson.dumps(bundle)

    return Fault(name="spoil", rewrite=spoilt)


def drop_reply() -> Fault:
    """The server has committed, but the connection ends without an answer."""
    return Fault(name="drop_reply", closes=True)


def hang(*, forward: bool = False) -> Fault:
    """No answer ever; with `forward` the server has committed."""
    return Fault(name="hang", forward=forward, hangs=True)


def is_bundle(request: Recorded) -> bool:
    """A Bundle that writes something."""
    return request.bundle_type is not None and bool(request.writes)


def is_search(request: Recorded) -> bool:
    """A search by POST."""
    return request.path.endswith("/_search")


def writes_studies(request: Recorded) -> bool:
    """Anything that writes an ImagingStudy."""
    return any(entry.resource_type == "ImagingStudy" for entry in request.writes)


def reads_studies(request: Recorded) -> bool:
    """A Bundle that reads an ImagingStudy."""
    return any(entry.resource_type == "ImagingStudy" and not entry.is_write for entry in request.entries)
