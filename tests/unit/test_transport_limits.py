"""What a server says of redirects and waiting is kept within limits."""

from __future__ import annotations

import gzip
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from indexer import errors
from tests.unit.raw_server import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.transport import Transport
    from tests.fakes.scripted import RawServer


@pytest.mark.parametrize("location", ["/login", "http://[", "\u20ac://"])
@pytest.mark.parametrize("status", [302, 308])
def test_of_a_redirect_no_more_is_read_than_of_any_answer(
    status: int, location: str, server: RawServer, make: Callable[..., Transport]
) -> None:
    """A small body may unpack to gigabytes."""
    bomb = gzip.compress(bytes(64 * 2**20), 1)
    server.answers = [answer(status, bomb, Content_Encoding="gzip", Location=location)]
    transport = make(max_bytes=1_000_000)
    tracemalloc.start()

    with pytest.raises(errors.PeerError):
        transport.request("GET", "/")

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("7", 7),
        ("0", 1),
        ("99999999999999", 600),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("²", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 1),
        ("Fri, 31 Foo 2024 23:59:59 GMT", None),
    ],
)
def test_retry_after_in_seconds(
    said: str, expected: float | None, server: RawServer, make: Callable[..., Transport]
) -> None:
    server.answers = [answer(503, Retry_After=said)]

    with pytest.raises(errors.Unavailable) as raised:
        make().request("GET", "/")

    assert raised.value.retry_after_s == expected


@pytest.mark.parametrize("offset_s", [0, 86_400])
def test_retry_after_as_a_date_by_the_clock_of_the_server(
    offset_s: int, server: RawServer, make: Callable[..., Transport]
) -> None:
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=offset_s)
    dates = {"Retry_After": format_datetime(now + timedelta(seconds=30), usegmt=True)}
    if offset_s:
        dates["Date"] = format_datetime(now, usegmt=True)
    server.answers = [answer(429, **dates)]

    with pytest.raises(errors.Unavailable) as raised:
        make().request("GET", "/")

    assert raised.value.retry_after_s == pytest.approx(30, abs=2)


def test_a_slow_link_has_time_for_what_is_sent(server: RawServer, make: Callable[..., Transport]) -> None:
    server.read_pause_s, server.answers = 0.01, [answer(200, b"{}")]
    body = bytes(10 * 2**20)
    transport = make(timeout_s=1, connect_timeout_s=0.2, least_rate=500_000)

    response = transport.request("POST", "/", body=(b"first", memoryview(body)))

    assert response.status == 200
    assert len(server.requests[0]) > len(body)


def test_a_slow_link_has_time_for_what_is_received(server: RawServer, make: Callable[..., Transport]) -> None:
    whole = answer(200, b'"%s"' % (b"x" * 1_000_000))
    server.pause_s, server.answers = 0.1, [[whole[i : i + 50_000] for i in range(0, len(whole), 50_000)]]

    assert len(make(timeout_s=1, least_rate=100_000).request("GET", "/").body) == 1_000_002


def test_a_server_that_reads_nothing_ends_by_the_deadline(server: RawServer, make: Callable[..., Transport]) -> None:
    server.read_pause_s = 60
    transport = make(timeout_s=0.3, connect_timeout_s=0.2, least_rate=100_000_000)

    with pytest.raises(errors.AnswerLost):
        transport.request("POST", "/", body=bytes(32 * 2**20))
