"""The transport against a server that misbehaves byte by byte, and its table of faults against the libraries."""

from __future__ import annotations

import gzip
import inspect
import socket
import time
from typing import TYPE_CHECKING

import pytest
import requests.exceptions
import urllib3.exceptions

from indexer import errors
from indexer.transport import Transport, basic, bearer
from indexer.transport.faults import FAULTS
from tests.fakes.scripted import RawServer
from tests.unit.raw_server import answer

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "DOE^JANE"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def classes_of(module: object) -> list[type[BaseException]]:
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Exception) and not issubclass(cls, Warning) and cls.__module__ == module.__name__  # type: ignore[attr-defined]
    ]


def test_the_table_names_every_exception_of_the_libraries() -> None:
    foreign = classes_of(requests.exceptions) + classes_of(urllib3.exceptions)

    assert len(foreign) > 40
    assert [cls for cls in foreign if cls not in FAULTS] == []


def test_a_request_carries_what_was_asked(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [OK]

    found = make().request("POST", "/tools/find", params={"a": "ü"}, body=b"xyz", headers={"X-A": "b"})

    assert found.status == 200
    assert found.json() == {}
    assert found.headers["content-type"] == "application/json"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /tools/find?a=%C3%BC HTTP/1.1")
    assert b"Accept-Encoding: gzip, identity" in head
    assert b"X-A: b" in head
    assert body == b"xyz"


def test_one_thread_keeps_one_connection(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [OK, OK, OK]
    transport = make()

    for _ in range(3):
        transport.request("GET", "/")

    assert server.connections == 1


def test_a_connection_that_is_dropped_while_idle_is_opened_again(
    server: RawServer, make: Callable[..., Transport]
) -> None:
    server.answers = [OK, None, OK]
    transport = make()
    transport.request("GET", "/")

    assert transport.request("GET", "/").status == 200
    assert server.connections == 2


def test_an_idempotent_post_is_sent_twice_at_most(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [None, None]

    with pytest.raises(errors.Unavailable) as raised:
        make().request("POST", "/tools/find", body=b"{}", idempotent=True)

    assert type(raised.value) is errors.Unavailable
    assert len(server.requests) == 2


def test_a_post_that_is_dropped_may_have_been_carried_out(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [None]

    with pytest.raises(errors.AnswerLost):
        make().request("POST", "/", body=b"{}")

    assert len(server.requests) == 1


@pytest.mark.parametrize(("method", "expected"), [("GET", errors.Unavailable), ("POST", errors.AnswerLost)])
def test_a_cut_body(method: str, expected: type, server: RawServer, make: Callable[..., Transport]) -> None:
    server.is_closing_after = True
    server.answers = [OK.replace(b"Length: 2", b"Length: 9")]

    with pytest.raises(errors.Unavailable) as raised:
        make().request(method, "/")

    assert type(raised.value) is expected


@pytest.mark.parametrize(("method", "expected"), [("GET", errors.ProtocolViolation), ("POST", errors.AnswerLost)])
def test_a_body_that_cannot_be_unpacked(
    method: str, expected: type, server: RawServer, make: Callable[..., Transport]
) -> None:
    server.answers = [answer(200, b"not gzip at all", Content_Encoding="gzip")]

    with pytest.raises(expected):
        make().request(method, "/")


@pytest.mark.parametrize(("method", "expected"), [("GET", errors.Unavailable), ("POST", errors.AnswerLost)])
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_trickle_ends_by_the_deadline(
    part: str, method: str, expected: type, server: RawServer, make: Callable[..., Transport]
) -> None:
    server.pause_s = 0.05
    whole = OK.replace(b"Length: 2", b"Length: 900") + b" " * 898
    split = 1 if part == "head" else whole.index(b"{}")
    server.answers = [[whole[:split], *(whole[i : i + 1] for i in range(split, len(whole)))]]
    begun = time.monotonic()

    with pytest.raises(errors.Unavailable) as raised:
        make(timeout_s=0.5).request(method, "/")

    assert type(raised.value) is expected
    assert 0.4 < time.monotonic() - begun < 3


def test_a_server_that_says_nothing_ends_by_the_deadline(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [[]]

    with pytest.raises(errors.Unavailable, match="no whole answer in time"):
        make(timeout_s=0.3).request("GET", "/")


def test_nobody_listens(make: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(errors.Unavailable, match="cannot connect") as raised:
        make(f"http://127.0.0.1:{port}").request("POST", "/")

    assert type(raised.value) is errors.Unavailable


def test_a_name_that_does_not_resolve(make: Callable[..., Transport]) -> None:
    with pytest.raises(errors.Unavailable, match="cannot connect"):
        make("http://nowhere.invalid").request("POST", "/")


def test_a_plain_server_behind_https(server: RawServer, make: Callable[..., Transport]) -> None:
    server.greeting = OK

    with pytest.raises(errors.Unavailable, match="TLS failed") as raised:
        make(server.url.replace("http", "https")).request("GET", "/")

    assert "ca_file" in raised.value.hint


def test_a_body_that_ends_with_the_connection(server: RawServer, make: Callable[..., Transport]) -> None:
    server.is_closing_after = True
    server.answers = [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n[1]"]

    assert make().request("GET", "/").json() == [1]


@pytest.mark.parametrize("base_url", ["nonsense", "ftp://example.org", "http://"])
def test_an_address_that_is_none(base_url: str, make: Callable[..., Transport]) -> None:
    with pytest.raises(errors.ConfigError):
        make(base_url).request("GET", "/")


def test_a_password_with_a_line_break(make: Callable[..., Transport]) -> None:
    with pytest.raises(errors.ConfigError) as raised:
        make(auth=bearer(lambda: SECRET + "\n")).request("GET", "/")

    assert SECRET not in str(raised.value)


def test_a_path_stays_with_its_origin(make: Callable[..., Transport]) -> None:
    with pytest.raises(ValueError, match="slash"):
        make().request("GET", "http://example.org/")


def test_an_answer_over_the_cap_is_dropped(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(200, gzip.compress(b" " * 3_000_000), Content_Encoding="gzip"), OK]
    transport = make(max_bytes=1_000_000)

    with pytest.raises(errors.TooLarge):
        transport.request("GET", "/")
    assert transport.request("GET", "/").status == 200


def test_a_compressed_answer_is_unpacked(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(200, gzip.compress(b'{"a":1}'), Content_Encoding="gzip")]

    assert make().request("GET", "/").json() == {"a": 1}


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "GET", errors.ProtocolViolation),
        (304, "GET", errors.ProtocolViolation),
        (400, "GET", errors.Refused),
        (401, "GET", errors.AccessDenied),
        (403, "GET", errors.AccessDenied),
        (404, "GET", errors.Refused),
        (408, "GET", errors.Unavailable),
        (409, "GET", errors.Conflict),
        (412, "GET", errors.Conflict),
        (413, "GET", errors.TooLarge),
        (422, "GET", errors.Refused),
        (425, "GET", errors.Unavailable),
        (429, "GET", errors.Unavailable),
        (500, "POST", errors.Unavailable),
        (501, "GET", errors.Refused),
        (502, "GET", errors.Unavailable),
        (502, "POST", errors.AnswerLost),
        (503, "POST", errors.Unavailable),
        (504, "POST", errors.AnswerLost),
    ],
)
def test_a_status(status: int, method: str, expected: type, server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(status, SECRET.encode())]

    with pytest.raises(errors.PeerError) as raised:
        make().request(method, f"/{SECRET}", params={"q": SECRET}, body=SECRET.encode())

    assert type(raised.value) is expected
    assert raised.value.status == status
    assert raised.value.peer == "orthanc main"
    assert SECRET not in str(raised.value) + raised.value.hint


def test_a_redirect_is_not_followed(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(302, Location=f"{server.url}/login")]

    with pytest.raises(errors.ProtocolViolation) as raised:
        make().request("GET", "/")

    assert "redirect" in raised.value.hint.lower()
    assert len(server.requests) == 1


def test_an_accepted_status_is_an_answer(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(404)]

    assert make().request("GET", "/", accept_statuses=(404,)).status == 404


def test_a_refusal_brings_its_outcome(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(422, b'{"resourceType":"OperationOutcome"}', "application/fhir+json"), answer(422, b"[]")]
    transport = make()

    with pytest.raises(errors.Refused) as first:
        transport.request("POST", "/")
    with pytest.raises(errors.Refused) as second:
        transport.request("POST", "/")

    assert first.value.outcome == {"resourceType": "OperationOutcome"}
    assert second.value.outcome is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>login</html>", "text/html"),
        (b"{}", "text/plain"),
        (b'{"a":', "application/json"),
        (b"", "application/json"),
    ],
)
def test_what_is_not_json(body: bytes, kind: str, server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [answer(200, body, kind)]

    found = make().request("GET", "/")

    with pytest.raises(errors.ProtocolViolation):
        found.json()


def test_basic_speaks_utf8(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [OK]

    make(auth=basic("jörg", "€")).request("GET", "/")

    assert b"Authorization: Basic asO2cmc64oKs" in server.requests[0]


def test_a_bearer_token_is_asked_for_anew(server: RawServer, make: Callable[..., Transport]) -> None:
    server.answers = [OK, OK]
    tokens = iter(["one", "two"])
    transport = make(auth=bearer(lambda: next(tokens)))

    transport.request("GET", "/")
    transport.request("GET", "/")

    assert [b"Bearer one" in server.requests[0], b"Bearer two" in server.requests[1]] == [True, True]


def test_environment_and_cookies_are_ignored(
    server: RawServer, make: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.answers = [answer(200, Set_Cookie="session=1"), OK]
    transport = make()

    transport.request("GET", "/")
    transport.request("GET", "/")

    assert b"cookie" not in server.requests[1].lower()


def test_a_body_in_pieces_arrives_whole_and_can_be_sent_again(
    server: RawServer, make: Callable[..., Transport]
) -> None:
    pieces = (b"[", b"1" * 100_000, memoryview(b",2"), b"3" * 70_000, b"]")
    whole = b"".join(pieces)
    server.answers = [OK, None, OK]
    transport = make()

    transport.request("POST", "/a", body=pieces, idempotent=True)
    transport.request("POST", "/a", body=pieces, idempotent=True)

    assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [whole] * 3
    assert all(b"Content-Length: %d\r\n" % len(whole) in request for request in server.requests)
