"""The proxy itself, a threaded HTTP server that hands requests on to one upstream server."""

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

from tests.proxy.faults import Fault, When
from tests.proxy.recording import Recorded, describe

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})
_UPSTREAM_TIMEOUT_S = 300.0


@dataclass(slots=True)
class _Rule:
    fault: Fault
    when: When
    left: int | None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Proxy:
    """Records every request to `upstream` and injects faults; a context manager.

    Parameters
    ----------
    upstream
        Address of the real server with its path, ``http://127.0.0.1:8090/baseR4``; `url` has the same path.
    keep_bodies
        Keep the bytes of every request body; off for large campaigns.
    """

    def __init__(self, upstream: str, *, keep_bodies: bool = True) -> None:
        parts = urlsplit(upstream)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._root = parts.path.rstrip("/")
        self._keep_bodies = keep_bodies
        self._lock = threading.RLock()
        self._recorded: list[Recorded] = []
        self._rules: list[_Rule] = []
        self._injected = 0
        self._stopping = threading.Event()
        self._clients: set[socket.socket] = set()
        self._server: _Server | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._close()

    @property
    def url(self) -> str:
        """Address for the client, without a trailing slash."""
        return f"http://127.0.0.1:{self._port}{self._root}"

    @property
    def requests(self) -> tuple[Recorded, ...]:
        """Every request that was dealt with, in the order in which their answers were ready."""
        with self._lock:
            return tuple(self._recorded)

    @property
    def faults_injected(self) -> int:
        """How many requests met a fault; a fault test asserts that it is not 0."""
        with self._lock:
            return self._injected

    @property
    def bundles(self) -> tuple[Recorded, ...]:
        """The Bundles that wrote something and reached the server."""
        return tuple(r for r in self.requests if r.bundle_type and r.writes and r.upstream_status is not None)

    def written(self) -> Counter[str]:
        """Write entries that reached the server, by resource type, Bundles and single writes alike."""
        reached = (request for request in self.requests if request.upstream_status is not None)
        return Counter(entry.resource_type for request in reached for entry in request.writes)

    def inject(self, fault: Fault, *, times: int | None = 1, when: When = lambda _: True) -> None:
        """Let the next `times` requests that fit `when` meet the fault (None: all); the first rule that fits counts."""
        with self._lock:
            self._rules.append(_Rule(fault, when, times))

    def clear(self) -> None:
        """Forget what was recorded and every rule; `faults_injected` starts at 0 again."""
        with self._lock:
            self._recorded.clear()
            self._rules.clear()
            self._injected = 0

    def heal(self) -> None:
        """Forget every rule, keep what was recorded."""
        with self._lock:
            self._rules.clear()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Connections are refused and open ones are closed, as if the server were down; counts as one fault."""
        self._close()
        with self._lock:
            self._injected += 1
        try:
            yield
        finally:
            self._listen()

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True, name="proxy").start()

    def _close(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        with self._lock:
            for client in self._clients:
                _shut(client)

    def _draw(self, request: Recorded) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.left == 0 or not rule.when(request):
                    continue
                if rule.left is not None:
                    rule.left -= 1
                self._injected += 1
                return rule.fault
        return None

    def _record(self, request: Recorded) -> None:
        with self._lock:
            self._recorded.append(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what many tests are about, not worth a trace."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPConnection | None = None
        with self.server.proxy._lock:
            self.server.proxy._clients.add(self.connection)

    def finish(self) -> None:
        with self.server.proxy._lock:
            self.server.proxy._clients.discard(self.connection)
        self._hang_up()
        super().finish()

    def _hang_up(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        self._upstream = None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the record is in `Proxy.requests`."""

    def _handle(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        encoding = self.headers.get("Content-Encoding", "")
        request = describe(self.command, self.path, body, encoding, proxy._root)
        request = replace(request, body=body if proxy._keep_bodies else b"")
        fault = proxy._draw(request)
        reply = self._forward(body, fault)
        answer = self._answer(reply, fault)
        # Recorded before the answer is given: who got one finds its request in the record.
        proxy._record(replace(request, upstream_status=None if reply is None else reply.status))
        self._give(answer, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815

    def _forward(self, body: bytes, fault: Fault | None) -> _Reply | None:
        if fault is not None:
            body = body if fault.rewrite is None else fault.rewrite(body)
            if not fault.forward:
                return None
        is_edited = fault is not None and (fault.edit is not None or fault.cut_after is not None)
        skipped = _HOP_BY_HOP | ({"accept-encoding"} if is_edited else frozenset())
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        if body or self.command in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = str(len(body))
        try:
            return self._ask(body, headers)
        except (OSError, http.client.HTTPException):
            self._hang_up()
        return None

    def _ask(self, body: bytes, headers: dict[str, str]) -> _Reply:
        if self._upstream is not None and _is_stale(self._upstream):
            self._hang_up()
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(*self.server.proxy._address, timeout=_UPSTREAM_TIMEOUT_S)
        self._upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self._upstream.putheader(name, value)
        self._upstream.endheaders(body or None)
        answer = self._upstream.getresponse()
        kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP)
        return _Reply(answer.status, kept, answer.read())

    def _answer(self, reply: _Reply | None, fault: Fault | None) -> _Reply | None:
        """What the client gets, None if it gets nothing."""
        if fault is not None:
            self.server.proxy._stopping.wait(fault.after_s)
            if fault.hangs or fault.closes:
                return None
            if fault.answer is not None:
                code, headers, body = fault.answer
                return _Reply(code, tuple(headers.items()), body)
        if reply is None:
            return _Reply(502, (), b"the upstream server did not answer")
        return replace(reply, body=fault.edit(reply.body)) if fault is not None and fault.edit is not None else reply

    def _give(self, answer: _Reply | None, fault: Fault | None) -> None:
        if answer is None and fault is not None:
            self._hang() if fault.hangs else self._break()
        elif answer is not None and fault is not None and fault.cut_after is not None:
            self._cut(answer, fault.cut_after)
        elif answer is not None:
            self._write(answer)

    def _write(self, reply: _Reply) -> None:
        self._head(reply)
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    def _head(self, reply: _Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status not in {204, 304}:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()

    def _cut(self, reply: _Reply, after: int) -> None:
        self._head(reply)
        self.wfile.write(reply.body[:after])
        self.wfile.flush()
        self._shut_down()

    def _break(self) -> None:
        # Linger 0 makes the close a reset, which no client can take for an empty answer.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._shut_down()

    def _shut_down(self) -> None:
        self.close_connection = True
        _shut(self.connection)

    def _hang(self) -> None:
        self.connection.settimeout(0.1)
        while not self.server.proxy._stopping.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.close_connection = True


def _is_stale(connection: http.client.HTTPConnection) -> bool:
    if connection.sock is None:
        return True
    connection.sock.setblocking(False)
    try:
        return connection.sock.recv(1, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.sock.settimeout(_UPSTREAM_TIMEOUT_S)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
