"""The recording and fault proxy does what its names say: a fault test is worth no more than its proxy."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests import proxy as faults
from tests.proxy import Proxy
from tests.site import wait_for

BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {"resource": {"resourceType": "Patient"}, "request": {"method": "PUT", "url": "Patient/p"}},
        {"resource": {"resourceType": "ImagingStudy"}, "request": {"method": "PUT", "url": "ImagingStudy/s"}},
        {"request": {"method": "GET", "url": "Patient/q"}},
    ],
}
ANSWER = {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"n": 1}, {"n": 2}, {"n": 3}]}


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]

    def _handle(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append(f"{self.command} {self.path} {self.headers['Host']}")
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def proxy(seen: list[str]) -> Iterator[Proxy]:
    handler = type("Handler", (_Upstream,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with Proxy(f"http://127.0.0.1:{server.server_address[1]}/base") as running:
            yield running
        server.shutdown()


def ask(
    proxy: Proxy, method: str = "POST", path: str = "", document: object = BUNDLE, timeout_s: float = 5
) -> tuple[int, bytes]:
    parts = urlsplit(proxy.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request(method, parts.path + path, json.dumps(document) if method != "GET" else None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_records_bundle_and_hands_it_on(proxy: Proxy, seen: list[str]) -> None:
    status, body = ask(proxy)
    assert (status, json.loads(body)) == (200, ANSWER)
    (request,) = proxy.requests
    assert (request.method, request.path, request.bundle_type) == ("POST", "/base", "transaction")
    assert request.upstream_status == 200
    assert [entry.url for entry in request.entries] == ["Patient/p", "ImagingStudy/s", "Patient/q"]
    assert proxy.written() == {"Patient": 1, "ImagingStudy": 1}
    assert proxy.bundles == (request,)
    # The server builds its links from Host, so it must see the proxy's.
    assert seen == [f"POST /base {urlsplit(proxy.url).netloc}"]
    assert proxy.faults_injected == 0


def test_records_single_writes_and_searches(proxy: Proxy) -> None:
    ask(proxy, "PUT", "/ImagingStudy/s", {"resourceType": "ImagingStudy"})
    ask(proxy, "POST", "/ImagingStudy/_search", "identifier=x")
    ask(proxy, "GET", "/Patient/p?_summary=true")
    assert proxy.written() == {"ImagingStudy": 1}
    assert [faults.is_search(request) for request in proxy.requests] == [False, True, False]
    assert [faults.writes_studies(request) for request in proxy.requests] == [True, False, False]
    assert proxy.requests[2].query == "_summary=true"


def test_status_without_the_server(proxy: Proxy, seen: list[str]) -> None:
    proxy.inject(faults.status(429, {"Retry-After": "3"}, b"later"), when=faults.is_bundle)
    assert ask(proxy, "GET", "/Patient/p")[0] == 200
    assert ask(proxy) == (429, b"later")
    assert ask(proxy)[0] == 200
    assert len(seen) == 2
    assert proxy.faults_injected == 1
    assert proxy.written()["Patient"] == 1


def test_not_json_and_fewer_entries_after_the_work(proxy: Proxy, seen: list[str]) -> None:
    proxy.inject(faults.not_json())
    assert b"<html>" in ask(proxy)[1]
    proxy.inject(faults.fewer_entries(2))
    assert json.loads(ask(proxy)[1])["entry"] == [{"n": 1}]
    assert len(seen) == 2


def test_cut_body(proxy: Proxy, seen: list[str]) -> None:
    proxy.inject(faults.cut(10))
    with pytest.raises(http.client.IncompleteRead):
        ask(proxy)
    assert len(seen) == 1
    assert proxy.faults_injected == 1


@pytest.mark.parametrize(("fault", "reached"), [(faults.reset(), 0), (faults.drop_reply(), 1)])
def test_no_answer(proxy: Proxy, seen: list[str], fault: faults.Fault, reached: int) -> None:
    proxy.inject(fault)
    with pytest.raises(ConnectionError):
        ask(proxy)
    assert len(seen) == reached


@pytest.mark.parametrize("forward", [True, False])
def test_hang_until_the_client_gives_up(proxy: Proxy, seen: list[str], forward: bool) -> None:
    proxy.inject(faults.hang(forward=forward))
    with pytest.raises(TimeoutError):
        ask(proxy, timeout_s=0.3)
    assert len(seen) == forward


def test_slow(proxy: Proxy) -> None:
    proxy.inject(faults.slow_reply(0.2))
    began = time.monotonic()
    assert ask(proxy)[0] == 200
    assert time.monotonic() - began >= 0.2


def test_refusing_and_up_again_at_the_same_address(proxy: Proxy, seen: list[str]) -> None:
    assert ask(proxy)[0] == 200
    with proxy.refusing(), pytest.raises(ConnectionRefusedError):
        ask(proxy)
    assert ask(proxy)[0] == 200
    assert (len(seen), proxy.faults_injected) == (2, 1)


def test_upstream_down_is_a_bad_gateway() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as closed:
        address = closed.server_address
    with Proxy(f"http://127.0.0.1:{address[1]}/base") as proxy:
        assert ask(proxy)[0] == 502
        assert proxy.requests[0].upstream_status is None


def test_refusing_ends_what_hangs(proxy: Proxy) -> None:
    proxy.inject(faults.hang())

    def wait_in_vain() -> None:
        with pytest.raises(ConnectionError):
            ask(proxy)

    client = threading.Thread(target=wait_in_vain, daemon=True)
    client.start()
    wait_for(lambda: proxy.faults_injected, "the request to hang")
    with proxy.refusing():
        client.join(5)
        assert not client.is_alive()
