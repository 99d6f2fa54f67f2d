"""A FHIR server in this process, with a memory and every fault of the proxy before it."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from tests.fakes.fhir_store import Habits, HttpError, Json, Store
from tests.proxy import Proxy

_ROOT = "/fhir"
_CONTROLS = frozenset({"_count", "_offset", "_elements"})


class FakeFhir(Store):
    """A FHIR server on loopback; a context manager.

    Parameters
    ----------
    habits
        What it refuses and how it differs from others.
    fhir_version
        As its CapabilityStatement says it.

    Attributes
    ----------
    proxy
        The recording and fault proxy that every request goes through.
    """

    def __init__(self, habits: Habits | None = None, *, fhir_version: str = "4.0.1") -> None:
        super().__init__(habits or Habits())
        self.fhir_version = fhir_version
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.proxy = Proxy(f"http://127.0.0.1:{self._server.server_address[1]}{_ROOT}")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True, name="fake-fhir").start()
        self.proxy.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.proxy.__exit__(*exc)
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Base address, through the proxy."""
        return self.proxy.url

    def answer(self, method: str, target: str, body: bytes, if_match: str | None, host: str) -> Json:
        """Document that answers a request; raises `HttpError`."""
        if self.habits.max_bytes is not None and len(body) > self.habits.max_bytes:
            raise HttpError(413, "too large", "too-long")
        parts = urlsplit(target)
        path = parts.path.removeprefix(_ROOT).strip("/")
        query = dict(parse_qsl(parts.query))
        with self.lock:
            if method == "POST" and not path:
                return self.bundle(_object(body))
            if method == "POST" and path.endswith("/_search") and self.habits.has_post_search:
                return self._searched(path.removesuffix("/_search"), dict(parse_qsl(body.decode())), host)
            if method == "GET" and path == "metadata" and self.habits.has_metadata:
                return self._statement()
            if method == "GET" and path and "/" not in path and path != "metadata":
                return self._searched(path, query, host)
            return self._single(method, path, body, if_match)

    def _single(self, method: str, path: str, body: bytes, if_match: str | None) -> Json:
        if path.count("/") != 1 or method not in {"GET", "PUT", "DELETE"}:
            raise HttpError(404, "no such place", "not-supported")
        if method == "GET":
            return self.read(path)
        if method == "DELETE":
            self.delete(path)
            return {"resourceType": "OperationOutcome", "issue": []}
        resource = _object(body)
        self.check_references(resource)
        self.update(path, resource, if_match)
        return self.read(path)

    def _searched(self, resource_type: str, params: Mapping[str, str], host: str) -> Json:
        wanted = {name: value for name, value in params.items() if name not in _CONTROLS}
        found = list(self.search(resource_type, wanted))
        offset = int(params.get("_offset", "0"))
        end = offset + min(int(params.get("_count", self.habits.page)), self.habits.page)
        elements = params["_elements"].split(",") if "_elements" in params else None
        entries = [{"resource": _only(one, elements), "search": {"mode": "match"}} for one in found[offset:end]]
        links = []
        if end < len(found):
            query = urlencode({**params, "_offset": str(end)})
            links = [{"relation": "next", "url": f"http://{host}{_ROOT}/{resource_type}?{query}"}]
        return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links, "entry": entries}

    def _statement(self) -> Json:
        software = {"name": "Fake FHIR", "version": "1"}
        return {"resourceType": "CapabilityStatement", "fhirVersion": self.fhir_version, "software": software}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    fake: FakeFhir

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            document = self.fake.answer(
                self.command, self.path, body, self.headers.get("If-Match"), self.headers["Host"]
            )
            status = 200
        except HttpError as error:
            document, status = error.outcome, error.status
        sent = orjson.dumps(document)
        self.send_response_only(status)
        self.send_header("Content-Type", "application/fhir+json;charset=UTF-8")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; `FakeFhir.proxy` has the record."""


def _object(body: bytes) -> Json:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpError(400, "not JSON", "structure") from None
    if not isinstance(found, dict):
        raise HttpError(400, "no object", "structure")
    return found


def _only(resource: Json, elements: list[str] | None) -> dict[str, Any]:
    """A resource with these elements only, as ``_elements`` asks for."""
    if elements is None:
        return resource
    return {name: value for name, value in resource.items() if name in {"resourceType", "id", "meta", *elements}}
