"""An Orthanc in this process: the REST calls that the indexer makes, and faults that no real one shows on demand.

It passes the contract suite of the real ones. Files come in by ``POST /instances``, so the senders work on it too.
"""

import base64
import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from tests.fakes.archive import Archive, Node, moment

_KEEP_ALIVE_S: Final = 1.0
_WADO: Final = re.compile(r"/dicom-web/studies/([^/]+)/series/([^/]+)/instances/([^/]+)/metadata")
_FILE: Final = re.compile(r"/instances/([^/]+)/file")
_RESOURCE: Final = re.compile(r"/(patients|studies|series|instances)/([^/]+)")
_JSON: Final = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """An answer. `cut_at` sends so many bytes of the body and closes; `wait_s` comes before it."""

    status: int = 200
    body: bytes = b""
    kind: str = _JSON
    cut_at: int | None = None
    wait_s: float = 0.0
    is_dropped: bool = False


def as_json(found: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(found).encode())


@dataclass
class _Rule:
    change: Callable[[Reply], Reply]
    path: str
    times: int


class FakeOrthanc:
    """A fake Orthanc on a free port of loopback; use it as a context manager.

    Parameters
    ----------
    version
        ``1.10`` or ``1.12``: the older one ignores what it does not know, without a word.
    extra
        Keys of Orthanc's configuration, of which it knows ``LimitFindInstances``, ``LimitFindResults``,
        ``StorageAccessOnFind`` and ``OverwriteInstances``; nothing is ever replaced.

    Attributes
    ----------
    last_of_empty_page
        What an empty page says in ``Last``; None for the truth.
    requests
        Method and path of every request, in order.
    """

    aet: Final = "FAKE"
    dicom_port: Final = 0

    def __init__(
        self,
        version: str = "1.12",
        *,
        stable_age_s: float = 1.0,
        username: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.label = version
        self.version = {"1.10": "1.10.1", "1.12": "1.12.7"}[version]
        self.is_modern = version != "1.10"
        self.auth = (username, password) if username is not None and password is not None else None
        self.settings = dict(extra or {})
        self.last_of_empty_page: int | None = None
        self.requests: list[tuple[str, str]] = []
        self.archive = Archive(is_modern=self.is_modern, stable_age_s=stable_age_s)
        self._rules: list[_Rule] = []
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self.http_port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.dicomweb_url = f"{self.url}/dicom-web"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def inject(self, change: Callable[[Reply], Reply], *, path: str = "", times: int = 1) -> None:
        """Change the next `times` answers of paths that begin with `path`."""
        self._rules.append(_Rule(change, path, times))

    def heal(self) -> None:
        """Answer as it should be again."""
        self._rules.clear()

    def skip_seq(self, count: int = 1) -> None:
        """Leave a hole in Seq, as a rolled back transaction does."""
        with self.archive.lock:
            self.archive.seq += count

    @contextmanager
    def uncommitted(self) -> Iterator[None]:
        """Rows logged inside take their Seq now and show up only at `commit`, as on PostgreSQL."""
        self.archive.is_holding = True
        yield
        self.archive.is_holding = False

    def commit(self) -> None:
        """Show the rows of the last `uncommitted`."""
        self.archive.commit()

    def replace_database(self) -> None:
        """Begin anew with an empty database behind the same address."""
        self.archive.clear()

    def answer(self, method: str, target: str, body: bytes, authorization: str | None) -> Reply:
        """The answer to one request, faults and all."""
        parts = urlsplit(target)
        self.requests.append((method, parts.path))
        if self.auth and authorization != _basic(*self.auth):
            return Reply(401, b"")
        with self.archive.lock:
            self.archive.settle()
            reply = self._route(method, parts.path, parse_qs(parts.query, keep_blank_values=True), body)
        for rule in self._rules:
            if rule.times > 0 and parts.path.startswith(rule.path):
                rule.times -= 1
                reply = rule.change(reply)
                break
        self._stopping.wait(reply.wait_s)
        return reply

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Reply:
        fixed: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "/system"): self._system,
            ("GET", "/tools/now"): lambda: Reply(body=moment().encode(), kind="text/plain"),
            ("GET", "/changes"): lambda: self._changes(query),
            ("GET", "/plugins/dicom-web"): lambda: as_json({"RootUri": "../dicom-web/app/client/index.html"}),
            ("GET", "/studies"): lambda: as_json(self._ids("Study")),
            ("GET", "/statistics"): lambda: as_json({"CountStudies": len(self._ids("Study"))}),
            ("GET", "/dicom-web/studies"): lambda: Reply(body=b"[]", kind="application/dicom+json"),
            ("POST", "/instances"): lambda: self._store(body),
            ("POST", "/tools/bulk-content"): lambda: self._bulk(json.loads(body)),
            ("POST", "/tools/find"): lambda: self._find(json.loads(body)),
            ("POST", "/tools/lookup"): lambda: self._lookup(body.decode()),
        }
        known = fixed.get((method, path))
        if known:
            return known()
        if wado := _WADO.fullmatch(path):
            return self._dataset(*wado.groups())
        if file := _FILE.fullmatch(path):
            return self._file(file[1])
        if (resource := _RESOURCE.fullmatch(path)) and method in ("GET", "DELETE"):
            return self._resource(method, resource[2])
        return as_json({"HttpStatus": 404, "Message": "Unknown resource", "OrthancStatus": 17}, 404)

    def _system(self) -> Reply:
        found: dict[str, Any] = {"ApiVersion": 16, "Name": "Fake", "Version": self.version}
        if self.is_modern:
            found["Capabilities"] = {"HasExtendedChanges": True, "HasExtendedFind": True}
            found["OverwriteInstances"] = self.settings.get("OverwriteInstances", False)
        return as_json(found)

    def _changes(self, query: dict[str, list[str]]) -> Reply:
        since, limit = int(query.get("since", ["0"])[0]), int(query.get("limit", ["100"])[0])
        rows = [row for row in self.archive.rows if row["Seq"] > since]
        shown = rows[:limit]
        last = shown[-1]["Seq"] if shown else self.archive.seq
        if not shown and self.last_of_empty_page is not None:
            last = self.last_of_empty_page
        return as_json({"Changes": shown, "Done": len(rows) <= limit, "Last": last})

    def _ids(self, level: str) -> list[str]:
        return [node.orthanc_id for node in self.archive.nodes.values() if node.level == level]

    def _store(self, body: bytes) -> Reply:
        try:
            orthanc_id, is_new = self.archive.store(dcmread(io.BytesIO(body)))
        except (InvalidDicomError, KeyError):
            return as_json({"HttpStatus": 400, "Message": "Bad file format"}, 400)
        return as_json({"ID": orthanc_id, "Status": "Success" if is_new else "AlreadyStored"})

    def _bulk(self, asked: dict[str, Any]) -> Reply:
        nodes = {}
        for orthanc_id in asked["Resources"]:
            node = self.archive.nodes.get(orthanc_id)
            for one in node.at(asked.get("Level", node.level)) if node else ():
                nodes[one.orthanc_id] = one
        return as_json([self.archive.expand(node, has_metadata=asked["Metadata"]) for node in nodes.values()])

    def _find(self, asked: dict[str, Any]) -> Reply:
        level = asked["Level"]
        if not self.is_modern:
            return as_json(self._ids(level))
        nodes = sorted(self._within(asked), key=lambda one: one.orthanc_id)[asked.get("Since", 0) :]
        most = self.settings.get("LimitFindInstances" if level == "Instance" else "LimitFindResults")
        limit = min(asked.get("Limit") or len(nodes), most or len(nodes))
        opens_files = self.settings.get("StorageAccessOnFind") != "Never"
        return as_json([self.archive.found(node, asked, opens_files=opens_files) for node in nodes[:limit]])

    def _within(self, asked: dict[str, Any]) -> list[Node]:
        """Nodes of a level below the study with this Orthanc id, or with one of these UIDs, or below those."""
        if "SOPInstanceUID" in asked["Query"]:
            uids = asked["Query"]["SOPInstanceUID"].split("\\")
            return [node for node in self.archive.nodes.values() if node.tags.get("0008,0018") in uids]
        uids = asked["Query"].get("StudyInstanceUID", "").split("\\")
        studies = [
            node
            for node in self.archive.nodes.values()
            if node.level == "Study" and (node.orthanc_id == asked.get("ParentStudy") or node.tags["0020,000d"] in uids)
        ]
        return [node for study in studies for node in study.at(asked["Level"])]

    def _lookup(self, value: str) -> Reply:
        found = [node for node in self.archive.nodes.values() if value in node.tags.values()]
        return as_json([{"ID": node.orthanc_id, "Path": node.path, "Type": node.level} for node in found])

    def _resource(self, method: str, orthanc_id: str) -> Reply:
        node = self.archive.nodes.get(orthanc_id)
        if node is None:
            return Reply(404, b"", "text/plain")
        if method == "DELETE":
            self.archive.delete(orthanc_id)
            return as_json({"RemainingAncestor": None})
        return as_json(self.archive.expand(node, has_metadata=False))

    def _file(self, orthanc_id: str) -> Reply:
        node = self.archive.nodes.get(orthanc_id)
        if node is None or node.dataset is None:
            return Reply(404, b"", "text/plain")
        file = io.BytesIO()
        node.dataset.save_as(file)
        return Reply(body=file.getvalue(), kind="application/dicom")

    def _dataset(self, *uids: str) -> Reply:
        found = [
            one.dataset
            for one in self.archive.nodes.values()
            if one.dataset
            and (one.dataset.StudyInstanceUID, one.dataset.SeriesInstanceUID, one.dataset.SOPInstanceUID) == uids
        ]
        # Two patients with one StudyInstanceUID: Orthanc's plugin finds neither.
        if len(found) != 1:
            return as_json({"HttpStatus": 404, "Message": "Accessing an inexistent item", "OrthancStatus": 7}, 404)
        shown = found[0].to_json_dict(bulk_data_threshold=64, bulk_data_element_handler=lambda _: "bulk/1")
        return Reply(body=json.dumps([shown]).encode(), kind="application/dicom+json")


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], fake: FakeOrthanc) -> None:
        self.fake = fake
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # As Orthanc: an idle connection is closed after a second.
    timeout = _KEEP_ALIVE_S
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(self.server.fake.answer(self.command, self.path, body, self.headers.get("Authorization")))

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _send(self, reply: Reply) -> None:
        if reply.is_dropped:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut_at])
        if reply.cut_at is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Tests print enough."""
